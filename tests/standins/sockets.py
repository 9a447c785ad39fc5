"""What stands for socket.socket: passes on to a real one what a test has nothing to do in."""

import errno
import select
import socket

from support import JYTHON, RealSocket


class StandIn(object):
    """Passes every call on to a real socket. Tests override the calls they have something to do in."""

    def __init__(self, *args, **kwargs):
        self.real = kwargs.pop("real", None) or RealSocket(*args, **kwargs)

    def __getattr__(self, name):
        return getattr(self.real, name)

    @property
    def _sock(self):
        """The system's own socket, in Python 2 and PySocks: it is this that stands for it. Jython counts its own."""
        return self.real._sock if JYTHON else self

    def accept(self):
        sock, peer = self.real.accept()
        # Python 3 makes the accepted socket with socket.socket, which is the stand-in already.
        return (sock if isinstance(sock, StandIn) else type(self)(real=sock)), peer


def connect_ex_of(cls, sock):
    """connect_ex as cls has it, for a class that overrides it."""
    if hasattr(cls, "connect_ex"):
        return lambda address: cls.connect_ex(sock, address)
    return sock.__getattr__("connect_ex")


def passing_calls(pass_on):
    """A stand-in whose every call goes through pass_on(name, call), the making of a socket included.

    The name of a call on an accepted socket begins with "accepted ".
    """

    class Passing(StandIn):
        def __init__(self, *args, **kwargs):
            def make():
                StandIn.__init__(self, *args, **kwargs)

            # An accepted socket, which is given by name, is part of the call to accept, with what Python calls on it.
            self.role = None if kwargs else ""
            make() if kwargs else pass_on("socket", make)

        def __getattr__(self, name):
            method = getattr(self.real, name)
            if self.role is None:
                return method
            return lambda *args: pass_on(self.role + name, lambda: method(*args))

        def accept(self):
            accepted = pass_on("accept", lambda: StandIn.accept(self))
            accepted[0].role = "accepted "
            return accepted

    return Passing


class Unconnected(StandIn):
    """Its connect is under way for good, as where a firewall drops what it sends."""

    def connect_ex(self, address):
        return errno.EINPROGRESS

    def send(self, data):
        raise socket.error(errno.EAGAIN, "not connected yet")


class Clock(object):
    """Goes on by what hurried stand-ins wait for in vain, which takes no time, and by what a test adds."""

    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds

    def hurried(self, cls=StandIn):
        """A stand-in that has no wait last."""
        clock = self

        class Hurried(cls):
            timeout = None

            def setblocking(self, blocking):
                self.timeout = None
                self.real.setblocking(blocking)

            def settimeout(self, seconds):
                self.timeout = seconds
                # Jython's threads have to come to their turn.
                self.real.settimeout(max(seconds / 50.0, 0.001) if seconds and JYTHON else seconds)

            def accept(self):
                return self.waiting(lambda: cls.accept(self))

            def recv(self, size):
                return self.waiting(lambda: self.real.recv(size))

            def waiting(self, call):
                try:
                    # Where nobody is there a wait takes a millisecond at least.
                    if self.timeout and not JYTHON and not select.select([self.real], [], [], 0)[0]:
                        raise socket.timeout("timed out")
                    return call()
                except socket.timeout:
                    clock.seconds += self.timeout
                    raise

        return Hurried
