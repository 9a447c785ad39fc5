"""Stand-ins for the modules socket, select and os. They act in the world that is given to install()."""

import errno
import os
import socket

from standins.model.world import AF_INET, AF_INET6

NONCE = 16  # bytes
BACKLOG = 128
EXCLUSIVE, IPPROTO_IPV6, V6ONLY = -5, -6, -7
OPTIONS = [(socket.SOL_SOCKET, EXCLUSIVE, 1), (IPPROTO_IPV6, V6ONLY, 0), (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]


class Socket(object):
    world = None

    def __init__(self, family=AF_INET, type=socket.SOCK_STREAM, proto=0, end=None):
        world = self.world
        assert (family, type, proto) == (world.family, socket.SOCK_STREAM, 0)
        self.system, self.timeout, self.options = world.system, world.timeout, []
        self.closed = 0  # number of calls of close()
        self.end, self.state = end, "accepted" if end else "new"
        self.is_ready = False  # the kernel has connected this client
        self.number = 0  # the error of a client that failed
        self.has_reported = False  # connect_ex() has reported the connection
        self.received = 0
        world.opens(self)
        self.attempt = world.attempts[-1]

    def call(self):
        assert not self.closed, "used after it was closed"
        self.world.a_call_passes()
        if self.state == "accepted" and self.end.is_reset and self.system.gone:
            self.attempt.decided.add(self)
            raise socket.error(self.system.gone, "gone")

    # Options

    def settimeout(self, seconds):
        self.call()
        self.timeout = seconds

    def setblocking(self, blocks):
        self.settimeout(None if blocks else 0.0)

    def setsockopt(self, level, option, value):
        self.call()
        assert (level, option, value) in OPTIONS
        if option == V6ONLY and self.system.mapped:
            self.attempt.has_tried_address = True
            raise socket.error(self.system.mapped, "no mapped addresses")
        self.options.append(option)

    def getsockopt(self, level, option):
        self.call()
        assert (level, option) == (socket.SOL_SOCKET, socket.SO_ERROR)
        if self.state == "connecting" and self.system.must_poll:
            return self.system.under_way
        if not self.system.reports_loss:
            return 0
        return self.system.number("ECONNRESET") if self.end.is_reset else self.number

    # Addresses

    def reported(self, address):
        return address + (0, 0) if self.world.family == AF_INET6 else address

    def getsockname(self):
        self.call()
        address = {"listening": self.attempt.address, "connected": self.attempt.ours}[self.state]
        if self.system.hides_host:
            address = ("::" if self.world.family == AF_INET6 else "0.0.0.0"), address[1]
        return self.reported(address)

    def getpeername(self):
        self.call()
        if self.end.is_reset and self.system.dead_peer:
            raise socket.error(self.system.dead_peer, "it has gone")
        return None if self.end.is_reset else self.reported(self.end.peer)

    # The listener and the client

    def fail(self, number):
        self.state, self.number = "failed", number

    def bind(self, address):
        self.call()
        assert address[1] == 0 and EXCLUSIVE in self.options
        assert not address[0].startswith("::ffff:") or V6ONLY in self.options
        assert self.timeout is None or not self.system.must_ask, "a Java exception"
        self.attempt.binds(address[0])
        self.state = "bound"

    def listen(self, backlog):
        self.call()
        assert backlog == BACKLOG
        assert [sock.state for sock in self.world.made[-2:] if not sock.closed] == ["bound", "bound"]
        if self.attempt.fate.refuses == "listen":
            raise socket.error(next(self.world.ports_refused), "no port")
        self.state = "listening"
        self.attempt.listens(self)

    def connect_ex(self, address):
        self.call()
        attempt, system = self.attempt, self.system
        assert address == attempt.address
        assert self.timeout == 0, "connect would block"
        if self.state == "bound":
            if attempt.fate.refuses == "connect":
                return next(self.world.ports_refused)
            self.state = "connecting"
            attempt.client_connects(self)
            self.has_reported = self.state == "connected"
            return 0 if self.has_reported else self.number or system.under_way
        assert system.must_ask, "on Windows a second call restarts a connection that has failed"
        self.has_reported = self.state == "connected"
        return {"connecting": errno.EALREADY, "connected": errno.EISCONN, "failed": self.number}[self.state]

    def accept(self):
        self.call()
        assert self.timeout, "accept would block for ever, or eventlet would return a blocking socket"
        world, system, attempt = self.world, self.system, self.attempt
        assert not attempt.decided, "a candidate is kept that has been read to its end"
        assert not attempt.rejected_too_soon, "a candidate was rejected that might be the client's"
        if not world.wait_and_be_late(self.timeout, lambda: attempt.queue):
            raise socket.timeout("timed out")
        world.take_descriptor()
        end = attempt.queue.pop(0)
        number = system.reset if end.is_reset else None
        if end.kind == "pending":
            number = system.pending[end.peer[1] % len(system.pending)]
        if number:
            if number not in (errno.ENOTCONN, 10057):  # these can also mean that no connection has arrived
                attempt.failed = number
            raise socket.error(number, "of the new connection")
        attempt.held += 1
        attempt.most_held = max(attempt.most_held, attempt.held)
        # Some systems return no address if the peer has gone.
        return Socket(world.family, end=end), None if end.is_reset else self.reported(end.peer)

    # The connection

    def recv(self, size):
        self.call()
        assert self.timeout is not None, "recv would block for ever"
        end, world, attempt = self.end, self.world, self.attempt
        if self.state != "accepted":
            return self.recv_of_client(size)
        if self.timeout:
            world.wait_and_be_late(self.timeout, lambda: end.incoming or end.is_finished)
        if end.incoming and (self.system.reads_after_reset or not end.is_reset):
            data, end.incoming = end.incoming[:size], end.incoming[size:]
            self.received += len(data)
            if self.received >= NONCE:
                attempt.decided.add(self)
                if end is attempt.own_end and attempt.fate.fails == "read":
                    attempt.reset_own()
            return data
        if not end.is_finished:
            if self.timeout:
                raise socket.timeout("timed out")
            raise socket.error(self.system.number("EAGAIN"), "nothing yet")
        attempt.decided.add(self)
        if end.is_reset:
            raise socket.error(self.system.number("ECONNRESET"), "reset")
        return b""

    def recv_of_client(self, size):
        if self.state != "connected":
            if self.system.must_ask:
                return b""
            raise socket.error(self.system.too_soon, "not connected")
        if self.end.is_reset:
            raise socket.error(self.system.number("ECONNRESET"), "reset")
        data, self.end.incoming = self.end.incoming[:size], self.end.incoming[size:]
        if not data and not self.end.is_finished:
            raise socket.error(self.system.number("EAGAIN"), "nothing yet")
        return data

    def send(self, data):
        self.call()
        assert self.timeout == 0, "send would block"
        if self.state != "connected":
            raise socket.error(self.send_failed() or self.system.too_soon, "not connected")
        assert self.has_reported or not self.system.must_ask, "a send that may fail"
        if self.end.is_reset:
            if not self.system.reports_loss:
                return 0
            raise socket.error(self.system.number("ECONNRESET"), "reset")
        self.end.send(data[: self.world.at_once])
        return len(data[: self.world.at_once])

    def send_failed(self):
        """After a failed connect, return the error of send(). Some systems give connect's error only in SO_ERROR."""
        if self.number and self.system.send_failed:
            return self.system.send_failed
        number, self.number = self.number, 0
        return number

    @property
    def _sock(self):
        return self

    def close(self):
        self.closed += 1
        if self.closed > 1:
            return
        self.world.a_call_passes()
        self.world.open -= 1
        if self.state == "accepted":
            self.close_accepted()
        elif self.end:
            self.end.hang_up()

    def close_accepted(self):
        attempt, end = self.attempt, self.end
        if not (self in attempt.decided or end.is_reset or end.is_finished or attempt.held > attempt.may_keep):
            attempt.rejected_too_soon.add(self)
        attempt.decided.discard(self)
        attempt.held -= 1
        was_reset = end.is_reset
        end.hang_up(reset=bool(end.incoming))
        if was_reset and self.system.close:
            raise socket.error(self.system.close, "closed nevertheless")


class Sockets(object):
    """A stand-in for the module socket."""

    error, timeout, inet_ntoa = socket.error, socket.timeout, staticmethod(socket.inet_ntoa)
    AF_INET, AF_INET6, SOCK_STREAM = AF_INET, AF_INET6, socket.SOCK_STREAM
    SOL_SOCKET, SO_ERROR = socket.SOL_SOCKET, socket.SO_ERROR
    IPPROTO_TCP, TCP_NODELAY = socket.IPPROTO_TCP, socket.TCP_NODELAY
    IPPROTO_IPV6, IPV6_V6ONLY = IPPROTO_IPV6, V6ONLY
    socket = Socket
    getdefaulttimeout = staticmethod(lambda: Socket.world.timeout)


class Os(object):
    urandom = os.urandom


class Select(object):
    @staticmethod
    def select(reading, writing, failing, seconds):
        assert (reading, failing, seconds) == ([], [], 0)
        for sock in writing:
            sock.call()
            if sock.state == "connecting" and sock.is_ready:
                sock.state = "connected"


def install(copy, world):
    """Put this copy of the module into this world: replace its imports, its clock and the exclusive-port option."""
    Socket.world = world
    copy.socket, copy.select, copy.os, copy._now = Sockets, Select, Os, world.now
    Os.name = world.system.os_name
    copy._EXCLUSIVE = EXCLUSIVE
