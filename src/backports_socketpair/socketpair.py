# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The backports_socketpair authors
"""socket.socketpair() for Pythons that lack it: one file, to import or to vendor.

Windows before Python 3.5 and Jython have no socket.socketpair. Importing this module there
defines one, made of a TCP connection over the loopback interface, and sets it on ``socket``.
Where Python has its own, ``socket`` is left as it is. Either way this module's ``socketpair``
is the one that ``socket`` has.

The idea, to listen, connect and accept within one thread, is Geert Jansen's public-domain
recipe. New here is the answer to what was reported against its copies: a stranger's connection is
never taken for our own (CVE-2024-3219) and does not end the call, waiting has an end, both ends are
connected when they are returned, and nothing is left open whatever is raised.

Limits: AF_INET and AF_INET6, SOCK_STREAM only. It is TCP, with TCP's buffers, and each pair leaves
a port in TIME_WAIT. ``socket.socket`` is used as it is found, replaced by gevent or PySocks or not.

Runs on Python 2.7 and 3.4+, CPython, PyPy and Jython, with the standard library alone.
"""

from __future__ import absolute_import  # a vendor folder may hold a module named socket

import errno
import os
import socket
import time

__all__ = ["socketpair"]

# Literal addresses, since a hosts file may send "localhost" anywhere.
_LOOPBACK = {socket.AF_INET: "127.0.0.1"}
if hasattr(socket, "AF_INET6"):
    _LOOPBACK[socket.AF_INET6] = "::1"

# How accept() may spell a loopback address; the long form is Jython's.
_SPELLINGS = {"127.0.0.1": {"127.0.0.1"}, "::1": {"::1", "0:0:0:0:0:0:0:1"}}

# A number, since Jython has no SOMAXCONN and refuses listen() without one.
_BACKLOG = 128

# Seconds. Loopback connects in microseconds: what takes ten seconds is being held back.
_TIMEOUT = 10
# Seconds. Windows notices Ctrl-C only between two waits.
_LONGEST_WAIT = 0.5

# Windows may find a port busy that it has just handed out.
_TRIES = 10

# The bare numbers are Winsock's: errno has them on Windows alone, and there PyPy gives
# EWOULDBLOCK another value.
_CONNECTED = {0, errno.EISCONN, 10056}
_CONNECTING = {
    errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EAGAIN, errno.EALREADY, errno.EINTR,
    10035, 10036, 10037,
    10022,  # WSAEINVAL: how Winsock may answer a second connect while the first is under way
}
_PORT_BUSY = {errno.EADDRINUSE, 10048}
_NOBODY_CAME = {
    errno.EWOULDBLOCK, errno.EAGAIN, errno.EINTR, 10035,
    # Someone came and went before being accepted. ENOTCONN is Jython's name for it.
    errno.ECONNABORTED, errno.ECONNRESET, errno.ENOTCONN, 10053, 10054,
}

# Python 2 has no time.monotonic, but time.clock is one there, except on Unix (CPU time).
_now = getattr(time, "monotonic", None) or (time.time if os.name == "posix" else time.clock)


def _fallback_socketpair(family=socket.AF_INET, type=socket.SOCK_STREAM, proto=0):
    """Return two sockets that are connected: the accepted end, then the connecting end.

    family is AF_INET or AF_INET6, type SOCK_STREAM, proto 0; anything else is a ValueError.
    Both ends have the timeout that socket.getdefaulttimeout() says (seconds, or None to block)
    and send small writes at once (TCP_NODELAY).

    Raises socket.error: with the system's errno when a call fails, as it does for a family
    whose loopback address is absent; with ETIMEDOUT when the connection has not arrived within
    10 seconds, for which a firewall, antivirus or proxy is the usual cause. Whatever is raised,
    KeyboardInterrupt included, no socket is left open.

    After Geert Jansen's public-domain recipe.
    """
    _check_supported(family, type, proto)
    opened = []
    try:
        listener, client, address = _listen_and_connect(family, opened)
        server = _accept_own(listener, client, address, opened)
        for end in (server, client):
            # On Windows and BSD server may not block, while Python 2 believes that it does.
            end.settimeout(socket.getdefaulttimeout())
            # Nagle's algorithm would hold the second of two small writes back for 40 ms.
            _set_if_allowed(end, socket.IPPROTO_TCP, socket.TCP_NODELAY)
        listener.close()
        return server, client
    except BaseException:  # KeyboardInterrupt and SystemExit leave nothing open either
        for sock in opened:
            _close_quietly(sock)
        raise


def _check_supported(family, type, proto):
    # A list, in which a family that cannot be hashed is not found either.
    if family not in list(_LOOPBACK) or type != socket.SOCK_STREAM or proto != 0:
        raise ValueError(
            "socketpair() supports AF_INET and AF_INET6, SOCK_STREAM and protocol 0,"
            " not family=%r, type=%r, proto=%r" % (family, type, proto)
        )


def _listen_and_connect(family, opened):
    """Return a listener, a client that is connecting to it, and the listener's address."""
    tries = 0
    while True:
        tries += 1
        listener = _open_socket(family, opened)
        address = _listen(listener, _LOOPBACK[family])
        client = _open_socket(family, opened)
        client.setblocking(False)
        try:
            _advance_connect(client, address)
            return listener, client, address
        except socket.error as error:
            if error.errno not in _PORT_BUSY or tries == _TRIES:
                raise
        client.close()
        listener.close()


def _open_socket(family, opened):
    # By position: classes that replace socket.socket give its parameters other names.
    sock = socket.socket(family, socket.SOCK_STREAM, 0)
    opened.append(sock)
    return sock


def _listen(listener, host):
    """Listen on a free port of host and return the address, for connect()."""
    # Any default timeout may be in force, and where a Jython listener does not block, a bind that
    # fails is no socket.error but a Java exception.
    listener.setblocking(True)
    if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
        # Windows lets another process take over a port that was not bound exclusively.
        _set_if_allowed(listener, socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE)
    listener.bind((host, 0))
    listener.listen(_BACKLOG)
    # Jython has no port before listen(). Only the port is of use: a layered Windows provider
    # has said 0.0.0.0 for the host.
    return host, listener.getsockname()[1]


def _advance_connect(client, address):
    """Start to connect, or ask again: whether client is connected; socket.error if it failed."""
    try:
        code = client.connect_ex(address)
    except socket.error as error:
        # Some cooperative sockets raise what connect_ex should return.
        code = error.errno
        if code not in _CONNECTED | _CONNECTING:
            raise
    if code in _CONNECTED:
        return True
    if code in _CONNECTING:
        return False
    # Wine says ECONNABORTED of one that failed since it was last asked, and the reason only here.
    raise _connect_error(client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) or code, address)


def _connect_error(code, address):
    # By name, since os.strerror does not know Winsock's errors.
    name = errno.errorcode.get(code, "error %d" % code)
    return socket.error(code, "connect to %s port %d: %s" % (address + (name,)))


def _accept_own(listener, client, address, opened):
    """Return the accepted end of client's connection, once client is connected as well."""
    server = None
    strangers = []
    wait = 0.0  # on Linux the client is in the queue already
    deadline = _now() + _TIMEOUT
    while True:
        sock, peer = _accept_within(wait, listener, opened)
        if sock is None:
            wait = min(2 * wait + 0.001, _LONGEST_WAIT)
        elif _is_from(client, address, peer):
            server = sock
        else:
            # Any local process may connect. To give up would let it keep a program from starting.
            strangers.append(sock.fileno())  # see _keep_with
            sock.close()
            opened.remove(sock)
        # Windows reports a connect that failed later on here, and starts anew when asked below.
        late_failure = client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if late_failure:
            raise _connect_error(late_failure, address)
        # On Jython server may be there, and getpeername answer, before client can send.
        if _advance_connect(client, address) and server:
            _keep_with(server, strangers)
            return server
        if _now() > deadline:
            raise socket.error(
                errno.ETIMEDOUT,
                "connect to %s port %d: our own connection was not made within %s s"
                " (%d from strangers were closed); a firewall, antivirus or proxy that intercepts"
                " loopback is the usual cause" % (address + (_TIMEOUT, len(strangers))),
            )


def _accept_within(seconds, listener, opened):
    """Return the next connection and its peer's address, or None and None."""
    listener.settimeout(seconds)
    try:
        sock, peer = listener.accept()
        opened.append(sock)
        return sock, peer
    except socket.timeout:
        return None, None
    except socket.error as error:
        if error.errno in _NOBODY_CAME:
            return None, None
        raise


def _is_from(client, address, peer):
    """Whether peer, as accept() told it, is client's address."""
    # Not getpeername(), which fails when a stranger has gone. The host matters too: on Linux
    # 127.0.0.2 may have client's very port. macOS has told no peer at all for one that has gone.
    # Of client's own name only the port is of use: Jython says 0.0.0.0 until it is connected.
    return bool(peer) and peer[0] in _SPELLINGS[address[0]] and peer[1] == client.getsockname()[1]


def _keep_with(server, strangers):
    """See that no stranger is collected before server is."""
    # Jython counts a connection out when it is closed and again when it is collected, and hangs up
    # on all that the listener accepted when it counts none. There fileno() is the socket itself.
    if strangers and os.name == "java":
        server.fileno().strangers = strangers


def _set_if_allowed(sock, level, option):
    try:
        sock.setsockopt(level, option, 1)
    except socket.error:
        pass


def _close_quietly(sock):
    # An exception is on its way out already, and there may be more sockets to close.
    try:
        sock.close()
    except BaseException:
        pass


if not hasattr(socket, "socketpair"):
    socket.socketpair = _fallback_socketpair
    if hasattr(socket, "__all__"):  # Jython has none
        socket.__all__.append("socketpair")

socketpair = socket.socketpair
