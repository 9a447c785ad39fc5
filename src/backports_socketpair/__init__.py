# SPDX-License-Identifier: MIT-0
# Copyright (c) 2026 The backports_socketpair authors
"""socket.socketpair() for Pythons without it. install() also helps if Python's own fails or its pairs refuse send()."""

import _socket
import errno
import socket
import sys
import time

from .socketpair import fallback_socketpair, socketpair

__all__ = ["fallback_socketpair", "install", "socketpair"]
__version__ = "5.0.0"

# Running out of descriptors or memory is no reason to fall back: the fallback needs even more of them.
_USED_UP = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_HELPED, _BY_SENDMSG = {}, {}  # one entry per function or class, even if several threads call install()


def install():
    """Replace socket.socketpair with a function that also works if Python's own fails, or if its pairs refuse send().

    If the system has no socketpair() (Windows), the new function is fallback_socketpair. Otherwise it calls the current
    function. If that fails with default arguments, it falls back, unless descriptors or memory ran out. If send() is
    refused, the pair uses sendmsg(). Call this after gevent's patch_all() and (Python 3.4 on Windows) after asyncio.
    """
    global socketpair
    socket.socketpair = socketpair = helped(socket.socketpair)
    names = list(getattr(socket, "__all__", ["socketpair"]))  # Jython has no __all__
    if "socketpair" not in names:  # an older backport does not add it
        socket.__all__ = names + ["socketpair"]
    # Up to Python 3.6, asyncio on Windows keeps its own reference to the function.
    windows_utils = sys.modules.get("asyncio.windows_utils")
    if hasattr(windows_utils, "socketpair"):
        windows_utils.socketpair = socketpair


def helped(own):
    """Return the function with which install() replaces own."""
    if hasattr(own, "helps"):
        return own
    if own is fallback_socketpair or not hasattr(_socket, "socketpair"):
        return fallback_socketpair

    def socketpair(*args, **kwargs):
        try:
            pair = own(*args, **kwargs)
        except socket.error as error:
            if error.errno in _USED_UP or not _is_default(*args, **kwargs):
                raise
            return fallback_socketpair()
        if _refuses_send(pair[0]):
            for end in pair:
                end.__class__ = _BY_SENDMSG.setdefault(end.__class__, _by_sendmsg(end.__class__))
        return pair

    socketpair.__doc__, socketpair.__wrapped__, socketpair.helps = own.__doc__, own, own
    return _HELPED.setdefault(own, socketpair)


def _is_default(family=None, type=socket.SOCK_STREAM, proto=0):
    return family is None and type == socket.SOCK_STREAM and proto == 0


def _refuses_send(end):
    # Python 2 has no sendmsg(). On a stream, sending no bytes has no effect. A datagram socket would send a datagram.
    if hasattr(end, "sendmsg") and end.type & 0xF == socket.SOCK_STREAM:
        try:
            end.send(b"")
        except socket.error as error:
            return error.errno in (errno.EPERM, errno.EACCES)
    return False


def _by_sendmsg(cls):
    class BySendmsg(cls):
        __slots__ = ()  # so that Python can change a socket's class to this one

        def send(self, data, flags=0):
            return self.sendmsg([data], [], flags)

        def sendall(self, data, flags=0):
            rest, timeout, started = memoryview(data).cast("B"), self.gettimeout(), time.monotonic()  # novm
            while rest:
                if timeout and time.monotonic() - started > timeout:  # novm
                    raise socket.timeout("timed out")
                rest = rest[self.send(rest[: 2**20], flags) :]  # PyPy copies the data that it sends

    return BySendmsg


install.module = sys.modules.get(__name__)  # Python 2 clears the globals of a module without references
