"""What stands for socket.socket: passes on to a real one what a test has nothing to do in."""

import select
import socket

from support import JYTHON, RealSocket


class StandIn(object):
    """Passes every call on to a real socket. Tests override the calls they have something to do in."""

    def __init__(self, *args, **kwargs):
        self.real = kwargs.pop("real", None) or RealSocket(*args, **kwargs)

    def __getattr__(self, name):
        return getattr(self.real, name)

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


class Hurried(StandIn):
    """Has no wait last, though each runs out, and notes how long it should have been.

    The module adds up the waits that ran out, and so believes that the time has passed.
    """

    waits = None  # a list, in a class of the test's

    def settimeout(self, seconds):
        self.hurries = bool(seconds)
        if self.waits is not None and seconds:
            self.waits.append(seconds)
        # Where nobody is there a wait takes a millisecond at least, and Jython's threads have to come to their turn.
        self.real.settimeout(seconds / 50.0 if seconds and JYTHON else seconds)

    def accept(self):
        if self.hurries and not JYTHON and not select.select([self.real], [], [], 0)[0]:
            raise socket.timeout("timed out")
        return StandIn.accept(self)
