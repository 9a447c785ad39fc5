"""What stands for the module socket, and for socket.socket, in the world that Sockets was given last."""

import re
import socket

from standins.model.world import AF_INET, AF_INET6

NONCE = 16  # bytes
BACKLOG = 128
MOST = 64  # candidates that are kept
OPTION = -5
SPELT = "0:0:0:0:0:0:0:1"


def plain(host):
    return "::1" if host == SPELT else host


class Socket(object):
    world = None

    def __init__(self, family=AF_INET, type=socket.SOCK_STREAM, proto=0, end=None):
        world = self.world
        assert family == world.family
        self.system = world.system
        self.closed = 0  # how often
        self.timeout = world.timeout  # as Python believes
        self.blocks = self.timeout is None  # as the system has it
        self.exclusive = False
        self.end = end
        self.state = "accepted" if end else "new"
        self.is_ready = False  # a client, in the kernel
        self.number = 0  # that a client failed with
        self.has_told = False  # a client, that it is connected
        self.has_told_failure = False  # ... that it has failed, or was reset
        self.asked = self.received = 0
        self.host = self.name = None
        world.opened(self)
        self.attempt = world.current

    def call(self, silent=False):
        assert not self.closed, "used after it was closed"
        self.world.a_call_passes()
        if self.state == "accepted" and self.end.reset and self.system.gone and not silent:
            self.world.decided.add(self)
            raise socket.error(self.system.gone, "gone")

    def fail(self, number):
        self.state = "failed"
        self.number = number

    def become_ready(self, at_once):
        self.is_ready = True
        if at_once or not self.system.must_poll:
            self.state = "connected"

    # Options

    def settimeout(self, seconds):
        self.call()
        self.timeout = seconds
        self.blocks = seconds is None

    def gettimeout(self):
        return self.timeout

    def setblocking(self, blocks):
        self.settimeout(None if blocks else 0.0)

    def setsockopt(self, level, option, value):
        self.call()
        assert (level, option, value) in [
            (socket.SOL_SOCKET, OPTION, 1),
            (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
        ]
        self.exclusive = self.exclusive or option == OPTION

    def getsockopt(self, level, option):
        self.call()
        assert (level, option) == (socket.SOL_SOCKET, socket.SO_ERROR)
        if self.state == "connecting" and self.system.must_poll:
            return self.system.under_way
        if not self.system.tells_loss or self.has_told_failure:
            return 0
        if self.state == "failed":
            self.has_told_failure = True
            return self.number
        if self.end and self.end.reset:
            self.has_told_failure = True
            return self.system.number(self.end.lost)
        return 0

    # Addresses

    def told(self, address):
        """address as this system tells it."""
        host, port = address
        if self.world.family == AF_INET6:
            return SPELT if (host, self.system.local) == ("::1", "spelt") else host, port, 0, 0
        return host, port

    def told_local(self, address):
        unspecified = "::" if self.world.family == AF_INET6 else "0.0.0.0"
        return self.told((unspecified, address[1]) if self.system.local == "any" else address)

    def getsockname(self):
        self.call()
        if self.state in ("listening", "accepted"):
            return self.told_local(self.attempt.address)
        assert self.state != "new"
        if self.name:
            return self.name
        if self.state == "connected" or self.system.early == "own":
            return self.told_local(self.attempt.ours)
        assert self.system.early != "the end", "the process ends here"
        if self.system.early != "any":
            raise socket.error(self.system.early, "no name yet")
        name = self.told(("0.0.0.0", self.attempt.ours[1]))
        if self.system.must_ask:
            self.name = name
        return name

    def getpeername(self):
        self.call(silent=self.system.dead_peer == "stays")
        if self.state == "accepted":
            if not self.end.reset or self.system.dead_peer == "stays":
                return self.told(self.end.peer)
            if self.system.dead_peer is None:
                return None
            raise socket.error(self.system.dead_peer, "it has gone")
        if self.state == "connected" and (self.system.remembers_peer or not self.end.reset):
            return self.told(self.end.peer)
        if self.state == "connecting" and self.system.must_ask:
            return self.told(self.end.peer)
        raise socket.error(self.system.no_peer, "not connected")

    # Making

    def bind(self, address):
        self.call()
        world, self.host = self.world, plain(address[0])
        assert address[1] == 0 and self.exclusive
        assert self.blocks or not self.system.must_ask, "a Java exception"
        seen = [host for number, host in world.hosts if number == self.attempt.number]
        world.hosts.append((self.attempt.number, self.host))
        if self.attempt.number == 0 or seen or world.family != AF_INET:
            assert self.host == self.attempt.usual and (world.family == AF_INET or not seen)
        else:
            assert re.match(r"127(\.(?!0\b|255\b)\d{1,3}){3}$", self.host), self.host
            # Three alike are no accident, while two may be, once in some thousand runs of every order.
            assert [host for _, host in world.hosts].count(self.host) < 3, "an address that is known by now"
        if self.host != self.attempt.usual and not self.system.has_127:
            raise socket.error(self.system.ports_refused[1], "no such address")
        self.refuse("bind")

    def listen(self, backlog):
        self.call()
        assert backlog == BACKLOG
        self.refuse("listen")
        self.state = "listening"
        self.attempt.listened(self, (self.host, 30000 + self.attempt.number))

    def refuse(self, call):
        if self.attempt.refuses(call):
            raise socket.error(next(self.world.ports_refused), call)

    def connect_ex(self, address):
        self.call()
        attempt, system = self.attempt, self.system
        assert (plain(address[0]), address[1]) == attempt.address
        assert not self.blocks, "connect would block"
        if self.state == "new":
            if attempt.refuses("connect", attempt.address[0]):
                return next(self.world.ports_refused)
            self.state = "connecting"
            attempt.client_connects(self)
            if self.state == "failed":
                self.has_told_failure = True
                return self.number
            self.has_told = self.state == "connected"
            return 0 if self.has_told else system.under_way
        if self.state == "connecting":
            self.asked += 1
            return system.again[self.asked % len(system.again)]
        if self.state == "connected":
            self.has_told = True
            return system.done
        if system.asked_after_failing == "anew":
            self.state = "connecting"
            self.world.after(2.0, self.fail, self.number)
            return system.under_way
        return self.number if system.asked_after_failing == "reason" else system.asked_after_failing

    # The connection

    def accept(self):
        self.call()
        assert self.timeout is not None, "accept would block for ever"
        assert self.timeout > 0, "eventlet would hand out a socket that is none of its own"
        world, system, queue = self.world, self.system, self.attempt.queue
        assert not world.decided, "one is kept that has ended, or has received sixteen bytes"
        assert not world.rejected_too_soon, "one was rejected that may have been ours"
        if not world.wait_and_be_late(self.timeout, lambda: queue):
            raise socket.timeout("timed out")
        end = queue.pop(0)
        if end.kind == "pending":
            raise socket.error(system.pending[end.peer[1] % len(system.pending)], "of the new socket")
        if end.reset and system.reset:
            raise socket.error(system.reset, "it has gone")
        accepted = Socket(world.family, end=end)
        # Python 3's accept() sees to it that what inherits this blocks, where there is no default timeout.
        accepted.blocks = accepted.blocks and (not system.inherits or str is not bytes)
        world.held = world.held_then = world.held + 1
        world.most_held = max(world.most_held, world.held)
        return accepted, self.told(end.peer) if system.names_reset or not end.reset else None

    def recv(self, size):
        self.call()
        end, world = self.end, self.world
        assert not self.blocks, "recv would block for ever"
        if self.state != "accepted":
            return self.recv_of_client(size)
        if self.timeout:
            world.wait_and_be_late(self.timeout, lambda: end.incoming or end.finished)
        if end.incoming and (self.system.reads_after_reset or not end.reset):
            data, end.incoming = end.incoming[:size], end.incoming[size:]
            self.received += len(data)
            assert self.received <= NONCE, "more is read than the nonce"
            if self.received == NONCE:
                world.decided.add(self)
            return data
        if not end.finished:
            if self.timeout:
                raise socket.timeout("timed out")
            raise socket.error(self.system.number("EAGAIN"), "nothing yet")
        world.decided.add(self)
        if end.reset:
            raise socket.error(self.system.number("ECONNRESET"), "reset")
        return b""

    def recv_of_client(self, size):
        if self.state != "connected" and self.system.must_ask:
            return b""
        if self.state != "connected":
            raise socket.error(self.system.no_peer, "not connected")
        data, self.end.incoming = self.end.incoming[:size], self.end.incoming[size:]
        if self.end.reset:
            self.has_told_failure = True
            raise socket.error(self.system.number("ECONNRESET"), "reset")
        if not data and not self.end.finished:
            raise socket.error(self.system.number("EAGAIN"), "nothing yet")
        return data

    def send(self, data):
        self.call()
        assert not self.blocks, "send would block"
        if self.timeout:
            if not self.world.wait_and_be_late(self.timeout, lambda: self.is_ready or self.state == "failed"):
                raise socket.timeout("timed out")
            self.poll()
        if self.state != "connected":
            raise socket.error(self.system.too_soon, "not connected")
        assert self.has_told or not self.system.must_ask, "a send that may fail"
        if self.end.reset:
            if not self.system.tells_loss:
                return 0
            self.has_told_failure, told = True, self.has_told_failure
            raise socket.error(self.system.number("EPIPE" if told else self.end.lost), "reset")
        self.end.send(data[: self.world.at_once])
        return len(data[: self.world.at_once])

    def poll(self):
        """What a poll for writing does besides, where nothing else finishes a connect."""
        self.call()
        if self.state == "connecting" and self.is_ready:
            self.state = "connected"

    @property
    def _sock(self):
        return self

    def close(self):
        world = self.world
        self.closed += 1
        if self.closed > 1:
            return
        world.a_call_passes()
        world.open -= 1
        if self.state == "accepted":
            self.close_accepted()
        elif self.end:
            self.end.hang_up()

    def close_accepted(self):
        world, end = self.world, self.end
        if not (self in world.decided or end.reset or end.finished or world.held_then > MOST):
            world.rejected_too_soon.add(self)
        world.decided.discard(self)
        world.held -= 1
        was_reset = end.reset
        end.hang_up(reset=bool(end.incoming))
        if was_reset and self.system.close:
            raise socket.error(self.system.close, "closed all the same")


class Sockets(object):
    """What stands for the module socket."""

    error, timeout = socket.error, socket.timeout
    AF_INET, AF_INET6, SOCK_STREAM = AF_INET, AF_INET6, socket.SOCK_STREAM
    SOL_SOCKET, SO_ERROR, SO_EXCLUSIVEADDRUSE = socket.SOL_SOCKET, socket.SO_ERROR, OPTION
    IPPROTO_TCP, TCP_NODELAY = socket.IPPROTO_TCP, socket.TCP_NODELAY
    socket = Socket

    def __init__(self, world):
        Socket.world = world

    def getdefaulttimeout(self):
        return Socket.world.timeout


class Select(object):
    """What stands for the module select."""

    @staticmethod
    def select(reading, writing, failing, seconds):
        assert (failing, seconds) == ([], 0), "a wait that no model has"
        for sock in writing:
            sock.poll()
        return [sock for sock in reading if sock.end.incoming or sock.end.finished], [], []
