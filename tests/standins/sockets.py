"""A clock, and stand-ins for socket.socket. They pass each call that they do not change to a real socket."""

import errno
import select
import socket

from support import JYTHON, RealSocket


class StandIn(object):
    """A stand-in that passes every call on to a real socket. Tests override the calls that they want to change."""

    def __init__(self, *args, **kwargs):
        self.real = kwargs.pop("real", None) or RealSocket(*args, **kwargs)

    def __getattr__(self, name):
        return getattr(self.real, name)

    def accept(self):
        sock, peer = self.real.accept()
        # Python 3's accept() makes the new socket with socket.socket, which is already the stand-in.
        return (sock if isinstance(sock, StandIn) else type(self)(real=sock)), peer


def connect_ex_of(cls, sock):
    """Return the connect_ex() that sock inherits from cls. The class of sock overrides it."""
    if hasattr(cls, "connect_ex"):
        return lambda address: cls.connect_ex(sock, address)
    return sock.__getattr__("connect_ex")


def passing_calls(pass_on):
    """Return a stand-in class that makes every call through pass_on(name, call), even the call that makes a socket.

    For a call on an accepted socket, the name begins with "accepted ".
    """

    class Passing(StandIn):
        def __init__(self, *args, **kwargs):
            def make():
                StandIn.__init__(self, *args, **kwargs)

            # Only accept() passes keyword arguments. pass_on() sees neither this call nor others within accept().
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
    """A stand-in whose connect never completes, as if a firewall dropped its packets."""

    def connect_ex(self, address):
        return errno.EINPROGRESS

    def send(self, data):
        raise socket.error(errno.EAGAIN, "not connected yet")


class Clock(object):
    """A clock that advances only when a wait of a hurried stand-in times out. Such a wait takes almost no real time."""

    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds

    def hurried(self, cls=StandIn):
        """Return a stand-in class whose waits, if nothing has arrived yet, time out almost at once."""
        clock = self

        class Hurried(cls):
            timeout = None

            def setblocking(self, blocking):
                self.timeout = None
                self.real.setblocking(blocking)

            def settimeout(self, seconds):
                self.timeout = seconds
                # Jython's threads need some time to run.
                self.real.settimeout(max(seconds / 50.0, 0.001) if seconds and JYTHON else seconds)

            def accept(self):
                return self.waiting(lambda: cls.accept(self))

            def recv(self, size):
                return self.waiting(lambda: self.real.recv(size))

            def waiting(self, call):
                try:
                    # If nothing has arrived, a real wait would take at least a millisecond.
                    if self.timeout and not JYTHON and not select.select([self.real], [], [], 0)[0]:
                        raise socket.timeout("timed out")
                    return call()
                except socket.timeout:
                    clock.seconds += self.timeout
                    raise

        return Hurried
