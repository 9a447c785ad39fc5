"""The modelled environment of the module under test: time, the kernel's connections, strangers and relays."""

import heapq
import itertools
import re
import socket

from standins.model.fates import A_BYTE, AT_ONCE, HESITATION, MOMENTS

A_CALL = 2e-6  # seconds that each call takes
MOST = 64  # candidates that the module may keep
AF_INET, AF_INET6 = socket.AF_INET, getattr(socket, "AF_INET6", None)
USUAL, SPELT = {AF_INET: "127.0.0.1", AF_INET6: "::1"}, "0:0:0:0:0:0:0:1"  # as Jython spells ::1
EVERYWHERE = {AF_INET: "0.0.0.0", AF_INET6: "::"}
RANDOM_HOST = {AF_INET: r"127\.\d+\.\d+\.1$", AF_INET6: r"::ffff:127\.\d+\.\d+\.1$"}


class End(object):
    """One side of a connection, in the kernel."""

    def __init__(self, local, peer, kind):
        self.local, self.peer, self.kind = local, peer, kind
        self.other = None
        self.incoming = self.sent = b""
        self.is_finished = self.is_reset = self.is_closed = False  # is_finished: nothing more arrives
        self.pass_on = self.ended = None  # callbacks for bytes that arrive, and for the end of the stream

    def send(self, data):
        self.sent += data
        if self.other.is_closed:
            self.is_reset = True
        elif self.other.pass_on:
            self.other.pass_on(data)
        else:
            self.other.incoming += data

    def hang_up(self, reset=False):
        self.is_closed = True
        self.other.is_finished = True
        self.other.is_reset = self.other.is_reset or reset
        if self.other.ended:
            self.other.ended(reset)


def connection(local, peer, kind):
    """Return the two sides of a connection from local to peer."""
    near, far = End(local, peer, kind), End(peer, local, kind)
    near.other, far.other = far, near
    return near, far


class World(object):
    """The system, the fates and the strangers that one call of the function meets."""

    crowd = 0  # number of silent strangers that come before the client
    crowd_later = 0  # number of silent strangers that come soon after the client
    flood = 0  # number of strangers that come before the client, and again when they are closed
    family = AF_INET
    clock = "runs"  # or "stands still" or "is set back"
    late = 0  # seconds that a wait lasts too long if it times out
    at_once = 16  # bytes that one send() accepts at most
    timeout = None  # the default timeout
    descriptors = 1000
    lacks = "EMFILE"  # the error if no descriptor is free
    margin = 0.1  # seconds by which an attempt may differ from the expected time

    def __init__(self, system, fates, strangers=(), **more):
        self.system, self.fates, self.strangers = system, fates, strangers
        vars(self).update(more)
        self.time, self.events, self.order = 0.0, [], itertools.count()
        self.open, self.made, self.attempts = 0, [], []
        self.ports_refused = itertools.cycle(system.ports_refused)

    # Time

    def now(self):
        if self.clock == "is set back":
            return self.time if self.time < 5 else self.time - 3600
        return self.time if self.clock == "runs" else 0.0

    def after(self, delay, action, *args):
        if delay:
            heapq.heappush(self.events, (self.time + delay, next(self.order), action, args))
        else:
            action(*args)

    def happen(self):
        time, _, action, args = heapq.heappop(self.events)
        self.time = max(self.time, time)
        action(*args)

    def a_call_passes(self):
        self.time += A_CALL
        assert self.time < 100, "it never ends"
        while self.events and self.events[0][0] <= self.time:
            self.happen()

    def wait(self, seconds, until=lambda: False):
        """Let this many seconds pass, or fewer if until() becomes true. Return whether it does."""
        end = self.time + seconds
        while not until():
            if not self.events or self.events[0][0] > end:
                self.time = end
                return False
            self.happen()
        return True

    def wait_and_be_late(self, seconds, until):
        return self.wait(seconds, until) or self.wait(self.late)

    # Attempts

    def opens(self, sock):
        if not self.open and not (self.attempts and self.attempts[-1].has_only_tried_address()):
            self.attempts.append(Attempt(self, len(self.attempts)))
        self.take_descriptor()
        self.open += 1
        self.made.append(sock)
        self.attempts[-1].made += 1

    def take_descriptor(self):
        if self.open < self.descriptors:
            return
        attempt, number = self.attempts[-1], self.system.number(self.lacks)
        if attempt.held:
            attempt.may_keep = attempt.held - 1
        else:
            attempt.failed = number
        raise socket.error(number, "too many open files")


class Attempt(object):
    """A listener, the client or a relay that connects to it, and strangers."""

    def __init__(self, world, number):
        self.world, self.number, self.started = world, number, world.time
        self.made = 0  # number of sockets
        self.usual = SPELT if world.system.must_ask and world.family == AF_INET6 else USUAL[world.family]
        self.host = self.listener = self.address = self.ours = self.client = self.own_end = None
        self.has_tried_address = False
        self.bound = 0  # number of bound sockets: the listener, then the client
        self.is_client_everywhere = False  # whether nobody else can have the client's port
        self.queue = []  # the accept queue
        self.failed = None  # the error that ends the attempt, if it is not from the client's connection
        self.held = self.most_held = 0  # connections that are accepted and not closed
        self.may_keep = MOST  # candidates that the module may keep from now on
        self.decided = set()  # accepted sockets that have read 16 bytes, an error or the end of the stream
        self.rejected_too_soon = set()

    @property
    def fate(self):
        fate = self.world.fates[self.number % len(self.world.fates)]
        return AT_ONCE if fate.only_usual and self.host != self.usual else fate

    def has_only_tried_address(self):
        return self.made == 1 and self.has_tried_address

    def binds(self, host):
        """Check that every second attempt tries another address. At the usual one, the client may bind the wildcard."""
        world = self.world
        if self.host is None:
            is_tried = world.family == AF_INET or world.system.os_name == "posix"
            is_random_host = self.number % 2 and is_tried and not self.has_tried_address
            assert re.match(RANDOM_HOST[world.family], host) if is_random_host else host == self.usual, host
            self.host = host
            self.has_tried_address = is_random_host and self.fate.refuses != "bind"
            if self.has_tried_address:
                if world.system.has_127:
                    return
                self.host = None
                raise socket.error(world.system.number("EADDRNOTAVAIL"), "no such address")
        self.is_client_everywhere = (self.bound, self.host, host) == (1, self.usual, EVERYWHERE[world.family])
        assert host == self.host or self.is_client_everywhere, host
        if self.fate.refuses == "bind":
            raise socket.error(world.system.ports_refused[0], "no port")
        self.bound += 1

    # Strangers

    def listens(self, listener):
        world = self.world
        self.listener, self.address = listener, (self.host, 30000 + self.number)
        self.ours = self.host, 40000 + self.number
        for number in range(world.crowd + world.crowd_later):
            world.after(0 if number < world.crowd else MOMENTS[1], self.stranger_comes, "silent", number)
        for number in range(world.flood):
            self.stranger_comes("coming again", number)
        for number, (kind, moment) in enumerate(world.strangers, 1000):
            # Strangers that make accept() fail come to the first three attempts only: each attempt has a new port.
            if self.number < 3 or kind not in ("pending", "resetting"):
                world.after(moment, self.stranger_comes, kind, number)

    def stranger_comes(self, kind, number):
        if self.listener.closed:
            return
        near, far = connection((self.usual, 10000 + number), self.address, kind)
        if kind in ("closing", "resetting", "pending"):
            near.hang_up(reset=kind != "closing")
        elif kind == "wrong":
            near.send(b"w" * 16)
        elif kind == "wrong later":
            self.world.after(0.02, near.send, b"w" * 16)
        elif kind == "half":
            near.send(b"h" * 8)
        elif kind == "coming again":
            near.ended = lambda reset: self.world.after(0.0001, self.stranger_comes, kind, number)
        self.queue.append(far)

    # The client's fate

    def client_connects(self, client):
        fate, world, self.client = self.fate, self.world, client
        client.end, self.own_end = connection(self.ours, self.address, "own")
        if fate.arrives is not None:
            world.after(fate.arrives, self.queue.append, self.own_end)
        if fate.result == "refused":
            world.after(fate.fails, client.fail, world.system.refused)
        elif fate.refuses == "connecting":
            world.after(fate.fails, client.fail, next(world.ports_refused))
        elif fate.connected is not None:
            world.after(fate.connected, self.client_is_connected)
        if fate.result == "lost" and not fate.relay and fate.fails != "read":
            world.after(fate.fails, self.reset_own)

    def client_is_connected(self):
        self.client.is_ready = True
        if self.fate.connected == 0 or not self.world.system.must_poll:
            self.client.state = "connected"
        if self.fate.relay:
            Relay(self, self.client.end.other)

    def reset_own(self):
        self.own_end.hang_up(reset=True)
        self.client.end.hang_up(reset=True)


class Relay(object):
    """A relay, or an attacker, that is connected to the client and makes its own connection to the listener."""

    def __init__(self, attempt, near):
        self.attempt, self.world, self.near = attempt, attempt.world, near
        self.how, takes = attempt.fate.relay, attempt.fate.takes
        has_clients_address = self.how in ("twin", "replacing") and not attempt.is_client_everywhere
        address = attempt.ours if has_clients_address else (attempt.usual, 50000)
        kind = "attacker" if attempt.fate.only_usual else "own"
        self.far, attempt.own_end = connection(address, attempt.address, kind)
        self.held = b""
        self.last_byte = 0  # when the relay that trickles passes it on
        self.has_begun = self.is_connected_on = False
        self.near.pass_on = self.forward
        self.far.pass_on = self.near.send
        self.near.ended, self.far.ended = self.far.hang_up, self.near.hang_up
        if self.how in ("eager", "trickling", "hesitant", "replacing"):
            self.world.after(takes, self.connect_on)
        if self.how in ("hanging up", "resetting", "replacing"):
            self.far.ended = self.near.ended = None
            self.world.after(takes, self.near.hang_up, self.how != "hanging up")

    def connect_on(self):
        self.is_connected_on = True
        if not self.attempt.listener.closed:
            self.attempt.queue.append(self.attempt.own_end)
        data, self.held = self.held, b""
        self.forward(data)

    def forward(self, data):
        if not self.is_connected_on:
            self.held += data
            if self.how in ("lazy", "twin") and not self.has_begun:
                self.has_begun = True
                self.world.after(self.attempt.fate.takes, self.connect_on)
        elif self.how == "trickling":
            for place in range(len(data)):
                self.last_byte = max(self.last_byte, self.world.time) + A_BYTE
                self.world.after(self.last_byte - self.world.time, self.far.send, data[place : place + 1])
        elif self.how == "hesitant":
            self.world.after(HESITATION, self.far.send, data)
        else:
            self.far.send(data)
