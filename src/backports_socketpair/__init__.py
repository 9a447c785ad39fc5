# SPDX-License-Identifier: MIT-0
# Copyright (c) 2026 The backports_socketpair authors
"""socket.socketpair() for Pythons that lack it, or whose own fails or is refused.

Importing this sets socket.socketpair if Python has none. install() also helps if Python's own function fails.
"""

import _socket
import errno
import functools
import socket
import sys
import time

from .socketpair import fallback_socketpair, socketpair

__all__ = ["fallback_socketpair", "install", "socketpair"]
__version__ = "5.0.0"
is_installed = False

# Running out of these is no refusal, and the fallback needs more of them.
_USED_UP = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_HELPED, _BY_SENDMSG = {}, {}  # one for each function and class, although threads may ask at once


def install():
    """Replace socket.socketpair with a function that makes up for what the system lacks or refuses.

    That is fallback_socketpair if the system has no pairs. Otherwise it calls the function that socket has now, and if
    the default family and type are refused, the fallback. If send() is refused, the pair uses sendmsg(). Call it before
    or after importing asyncio (Python 3.4's on Windows: after), and after gevent's patch_all().
    """
    global is_installed, socketpair
    socket.socketpair = socketpair = helped(socket.socketpair)
    is_installed = True
    names = list(getattr(socket, "__all__", ["socketpair"]))  # Jython has none
    if "socketpair" not in names:  # an older backport does not add it
        socket.__all__ = names + ["socketpair"]
    # Until Python 3.6, asyncio on Windows holds the function by name.
    windows_utils = sys.modules.get("asyncio.windows_utils")
    if hasattr(windows_utils, "socketpair"):
        windows_utils.socketpair = socketpair


def helped(own):
    """Return what install() sets in place of this function."""
    if own is fallback_socketpair or hasattr(own, "helps") or not hasattr(_socket, "socketpair"):
        return own if hasattr(own, "helps") else fallback_socketpair

    @functools.wraps(own)
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

    socketpair.helps = own
    return _HELPED.setdefault(own, socketpair)


def _is_default(family=None, type=socket.SOCK_STREAM, proto=0):
    return family is None and type == socket.SOCK_STREAM and proto == 0


def _refuses_send(end):
    # Python 2 has no sendmsg. In a stream nothing arrives of this; a datagram would.
    if hasattr(end, "sendmsg") and end.type & 0xF == socket.SOCK_STREAM:
        try:
            end.send(b"")
        except socket.error as error:
            return error.errno in (errno.EPERM, errno.EACCES)
    return False


def _by_sendmsg(cls):
    def send(self, data, flags=0):
        return self.sendmsg([data], [], flags)

    def sendall(self, data, flags=0):
        rest, timeout, started = memoryview(data).cast("B"), self.gettimeout(), time.monotonic()  # novm
        while True:
            rest = rest[self.sendmsg([rest[: 2**20]], [], flags) :]  # PyPy copies what it is given
            if not rest:
                return
            if timeout and time.monotonic() - started > timeout:  # novm
                raise socket.timeout("timed out")

    # Without slots of its own, since otherwise no socket could change to this class.
    return type(cls.__name__, (cls,), {"__slots__": (), "send": send, "sendall": sendall})


# Python 2 empties a module that nobody holds, even while its functions are in use.
helped.module = install.module = sys.modules.get(__name__)
