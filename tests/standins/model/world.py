"""Time, the kernel's connections, strangers, and relays."""

import heapq
import itertools
import socket

from standins.model.fates import A_BYTE, HESITATION, MOMENTS

A_CALL = 2e-6  # seconds that each call takes
AF_INET, AF_INET6 = socket.AF_INET, getattr(socket, "AF_INET6", None)
USUAL = {AF_INET: "127.0.0.1", AF_INET6: "::1"}
# Another local address, of which our client's port may be somebody else's.
ELSEWHERE = {AF_INET: "127.0.0.9", AF_INET6: "2001:db8::1"}


class End(object):
    """One side of a connection, in the kernel."""

    def __init__(self, local, peer, kind):
        self.local = local
        self.peer = peer
        self.kind = kind
        self.other = None
        self.incoming = b""
        self.sent = b""
        self.finished = False  # nothing more comes
        self.reset = False
        self.lost = "ECONNRESET"  # how a reset is told
        self.closed = False
        self.pass_on = None  # a relay's: what it does with what comes
        self.ended = None  # ... and when nothing more comes

    def send(self, data):
        self.sent += data
        if self.other.closed:
            self.reset = True
        elif self.other.pass_on:
            self.other.pass_on(data)
        else:
            self.other.incoming += data

    def hang_up(self, reset=False):
        self.closed = True
        if self.other.finished and not self.other.reset:
            self.other.lost = "EPIPE"  # as Linux has it
        self.other.finished = True
        self.other.reset = self.other.reset or reset
        if self.other.ended:
            self.other.ended(reset)


def connection(local, peer, kind):
    """The two sides of a connection that somebody made from local to peer."""
    near, far = End(local, peer, kind), End(peer, local, kind)
    near.other, far.other = far, near
    return near, far


class World(object):
    """A call's surroundings."""

    def __init__(self, system, fates, strangers=(), **more):
        self.system = system
        self.fates = fates
        self.strangers = strangers
        self.crowd = more.pop("crowd", 0)  # how many silent ones are there before the client
        self.crowd_later = more.pop("crowd_later", 0)  # ... and soon after it
        self.flood = more.pop("flood", 0)  # ... and before it, each of which comes again when it is closed
        self.family = more.pop("family", AF_INET)
        self.clock = more.pop("clock", "runs")  # or "stands still", "is put back"
        self.late = more.pop("late", 0)  # seconds that each wait that runs out ends late
        self.at_once = more.pop("at_once", 16)  # how many bytes a send takes
        self.timeout = more.pop("timeout", None)  # the default one
        assert not more
        self.time = 0.0
        self.events = []
        self.order = itertools.count()
        self.made = []
        self.open = 0
        self.hosts = []  # that were listened on
        self.tries = []
        self.ports_refused = itertools.cycle(system.ports_refused)
        self.held = self.held_then = self.most_held = 0  # accepted and not closed: now, when one came last, at most
        self.decided = set()  # held, though it is known that it is not ours
        self.rejected_too_soon = set()

    # Time

    def now(self):
        if self.clock == "is put back":
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
        while self.events and self.events[0][0] <= self.time:
            self.happen()

    def wait(self, seconds, until):
        """Have so much time pass, or less if until is true by then, which is returned."""
        end = self.time + seconds
        while not until():
            if not self.events or self.events[0][0] > end:
                self.time = end
                return False
            self.happen()
        return True

    def wait_and_be_late(self, seconds, until):
        came = self.wait(seconds, until)
        if not came:
            self.wait(self.late, lambda: False)
        return came

    # Tries

    def opened(self, sock):
        if not self.open:
            fate = self.fates[min(len(self.tries), len(self.fates) - 1)]
            self.tries.append(Try(self, len(self.tries), fate))
            self.held = 0
            self.decided, self.rejected_too_soon = set(), set()
        self.open += 1
        self.made.append(sock)

    @property
    def current(self):
        return self.tries[-1]


class Try(object):
    """A listener, and who comes to it: our client, or what is between it and the listener, and strangers."""

    def __init__(self, world, number, fate):
        self.world = world
        self.number = number
        self.fate = fate
        self.usual = USUAL[world.family]
        self.listener = self.address = self.client = self.own_end = None
        self.ours = (self.usual, 40000 + number)  # our client's address
        self.relay = (self.usual, 50000 + number)
        self.queue = []  # ends to be accepted

    def refuses(self, call, host=None):
        """Whether a port is refused by this call, as it is on all addresses, or on the usual one."""
        if self.fate.refuses == "used up":
            return (call, host) == ("connect", self.usual)
        return self.fate.refuses == call

    # Strangers

    def listened(self, listener, address):
        world = self.world
        self.listener, self.address = listener, address
        for number in range(world.crowd + world.crowd_later):
            world.after(0 if number < world.crowd else MOMENTS[1], self.stranger_comes, "silent", number)
        for number in range(world.flood):
            self.stranger_comes("coming again", number)
        for number, (kind, moment) in enumerate(world.strangers, 1000):
            world.after(moment, self.stranger_comes, kind, number)

    def stranger_comes(self, kind, number):
        if self.listener.closed:
            return
        near, far = connection(self.stranger_address(kind, number), self.address, kind)
        if kind == "closing":
            near.hang_up()
        elif kind in ("resetting", "pending"):
            near.hang_up(reset=True)
        elif kind == "had our port":
            near.send(b"d" * 16)
            near.hang_up(reset=True)
        elif kind in ("wrong", "wrong on our port"):
            near.send(b"w" * 16)
        elif kind == "wrong later":
            self.world.after(0.02, near.send, b"w" * 16)
        elif kind == "half":
            near.send(b"h" * 8)
        elif kind == "coming again":
            near.ended = lambda reset: self.world.after(0.0001, self.stranger_comes, kind, number)
        self.queue.append(far)

    def stranger_address(self, kind, number):
        if kind == "had our port":
            assert not self.client or self.fate.by == "library", "our client has that port"
            return self.ours
        if kind in ("silent on our port", "wrong on our port"):
            assert self.fate.by == "library", "two connections that live are from one address to another"
            return self.ours
        if kind == "on our port elsewhere":
            return ELSEWHERE[self.world.family], self.ours[1]
        return self.usual, 10000 + number

    # The client's fate

    def client_connects(self, client):
        fate, world, self.client = self.fate, self.world, client
        if fate.relay:
            # A library's relay is told by its host, too.
            peer = (ELSEWHERE[world.family], self.address[1]) if fate.by == "library" else self.address
            client.end = connection(self.ours, peer, "own")[0]
        else:
            client.end, self.own_end = connection(self.ours, self.address, "own")
            if fate.arrives is not None:
                world.after(fate.arrives, self.queue.append, self.own_end)
        if fate.result == "refused":
            world.after(fate.fails, client.fail, world.system.refused)
        elif self.refuses("connecting"):
            world.after(fate.fails, client.fail, next(world.ports_refused))
        elif fate.connected is not None:
            world.after(fate.connected, self.client_is_connected)
        if fate.result == "lost" and not fate.relay:
            world.after(fate.fails, self.reset_own)

    def client_is_connected(self):
        self.client.become_ready(at_once=self.fate.connected == 0)
        if self.fate.relay:
            Relay(self, self.client.end.other)

    def reset_own(self):
        self.own_end.hang_up(reset=True)
        self.client.end.hang_up(reset=True)


class Relay(object):
    """Connected with our client, it connects on to the listener from an address of its own, or does not."""

    def __init__(self, attempt, near):
        self.attempt = attempt
        self.world = attempt.world
        self.near = near
        kind = "attacker" if attempt.fate.by == "attacker" else "own"
        self.far, attempt.own_end = connection(attempt.relay, attempt.address, kind)
        self.asked = False
        self.held = b""
        self.last_byte = 0  # when it goes on, in the relay that trickles
        self.connected_on = False
        self.near.pass_on = self.forward
        self.far.pass_on = self.near.send
        self.near.ended, self.far.ended = self.far.hang_up, self.near.hang_up
        self.how, takes = attempt.fate.relay, attempt.fate.takes
        if self.how in ("eager", "trickling", "hesitant", "breaking off"):
            self.world.after(takes, self.connect_on)
        if self.how.startswith("hanging up"):
            self.world.after(takes, self.near.hang_up)
        if self.how.endswith("resetting"):
            self.world.after(takes, self.near.hang_up, True)
        if self.how.startswith("taking our port"):
            self.world.after(takes, self.come_from_our_port)

    def come_from_our_port(self):
        self.attempt.queue.append(connection(self.attempt.ours, self.attempt.address, "attacker")[1])

    def connect_on(self):
        self.connected_on = True
        if not self.attempt.listener.closed:
            self.attempt.queue.append(self.attempt.own_end)
        data, self.held = self.held, b""
        self.forward(data)

    def forward(self, data):
        if not self.connected_on:
            self.held += data
            if self.how == "lazy" and not self.asked:
                self.asked = True
                self.world.after(self.attempt.fate.takes, self.connect_on)
        elif self.how == "trickling":
            for place in range(len(data)):
                self.last_byte = max(self.last_byte, self.world.time) + A_BYTE
                self.world.after(self.last_byte - self.world.time, self.far.send, data[place : place + 1])
        elif self.how == "hesitant":
            self.world.after(HESITATION, self.far.send, data)
        elif self.how == "breaking off":
            self.far.send(data[:8])
            if data:
                self.far.hang_up()
        else:
            self.far.send(data)
