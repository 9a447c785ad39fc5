# SPDX-License-Identifier: MIT-0
# Copyright (c) 2026 The backports_socketpair authors
# type: ignore  # A stub beside this file has the types, and need not be there.
"""socket.socketpair() for Pythons that lack it, or whose own fails or is refused: one file, to import or to vendor.

Windows before Python 3.5, Jython and IronPython have no socket.socketpair. Importing this module there defines one,
made of a TCP connection over the loopback interface, and sets it on ``socket``. Where ``socket`` has one, ``socket``
is left as it is. Either way this module's ``socketpair`` is the one that ``socket`` has then.

The one that later Pythons have on Windows and WASI is an emulation, and fails where a program relays loopback or an
unrelated peer connects first; the system's own may be refused, as containers do. There
``fallback_socketpair`` of this file works.

The idea, to listen, connect and accept within one thread, is Geert Jansen's public-domain recipe. New here is the
answer to what was reported against its copies: an unrelated peer is not taken for our own client (CVE-2024-3219) and
does not end the call, a relay does no harm, waiting has an end, and where ports run out another address has more.

A pair is ours when its two ends name each other, which the system is asked of both. Otherwise a nonce tells which
connection has our client at its other end. Such a pair is relayed, and is believed when three in a row are, the
later two at addresses that nobody knew (IPv6, and macOS, have one alone). Whoever owns the relay reads what it relays.

Limits: AF_INET and AF_INET6, SOCK_STREAM only; it is TCP. ``socket.socket`` is used as it is found, replaced or not.
"""

from __future__ import absolute_import  # a vendor folder may hold a module named socket

import errno
import os
import select
import socket
import sys
import time

__all__ = ["fallback_socketpair", "socketpair"]


def _numbers(*names):
    """The numbers that these errors have here; a system has not all of them."""
    return {getattr(errno, name) for name in names if hasattr(errno, name)}


_JYTHON = os.name == "java"
_WASI = sys.platform == "wasi"
_REMEMBERS_PEERS = os.name != "posix"  # Windows and Jython tell the peer of a connection that was reset, too
# Literal addresses, since a hosts file may send "localhost" anywhere, and as getpeername() has them.
_LOOPBACK = {socket.AF_INET: "127.0.0.1"}
if hasattr(socket, "AF_INET6"):
    _LOOPBACK[socket.AF_INET6] = "0:0:0:0:0:0:0:1" if _JYTHON else "::1"
_FAMILIES = [None] + list(_LOOPBACK)  # a list, in which what cannot be hashed is not found either

# Windows lets another process take over a port that was not bound exclusively.
_EXCLUSIVE = getattr(socket, "SO_EXCLUSIVEADDRUSE", None)
_BACKLOG = 128  # a number, since Jython has no SOMAXCONN and refuses listen() without one
_TIMEOUT = 10  # seconds, for all tries: loopback connects in microseconds, what takes so long is being held back
_FIRST_WAIT = 0.001  # seconds; not 0, at which eventlet's accept() hands out a socket that blocks all green threads
_LONGEST_WAIT = 0.02  # seconds; the nonce may arrive unnoticed by accept(), and Windows hears Ctrl-C between waits
_FAILED_TRIES = 10  # of a port that is refused or a client that was lost; all else ends the call at once
_RELAYED_TRIES = 3  # in a row
_NONCE_SIZE = 16  # bytes
_MOST_CANDIDATES = 64  # a crowd must not use up our descriptors
_MOST_ERRORS = 2000  # of accept() in a row: many backlogs full, so they are not of those who connected

# The bare numbers are Winsock's: errno has them on Windows alone, and there PyPy gives EWOULDBLOCK another value.
_CONNECTED = {0, errno.EISCONN, 10056}
_WOULD_BLOCK = _numbers("EWOULDBLOCK", "EAGAIN", "EINTR") | {10035}
_CONNECTING = _CONNECTED | _WOULD_BLOCK | _numbers("EINPROGRESS", "EALREADY") | {10036, 10037}
_TOO_SOON = _CONNECTING | _numbers("ENOTCONN", "ENOTSUP") | {10057}  # of send(); ENOTSUP is WASI's
# Of accept(): nobody is there, or what is wrong is wrong with whoever connected, not with us. Linux passes on the
# errors that were pending on the new socket; ENOTCONN is Jython's.
_NOBODY_CAME = (
    _WOULD_BLOCK
    | _numbers("ECONNABORTED", "ECONNRESET", "ENOTCONN", "EPROTO", "EPERM", "ENOPROTOOPT", "EOPNOTSUPP")
    | _numbers("ENETDOWN", "ENETUNREACH", "EHOSTDOWN", "EHOSTUNREACH", "ENONET")
    | {10053, 10054, 10057}
)
# A port that is refused: another loopback address has all its ports. Windows says WSAEACCES (10013) of one that
# something else reserved, and WSAENOBUFS (10055) when all are in TIME_WAIT.
_REFUSED = _numbers("EADDRINUSE", "EADDRNOTAVAIL") | {10048, 10049, 10013, 10055}
# A client that was lost: who met it in the listener's place may have reset it.
_LOST = _numbers("ECONNRESET", "ECONNABORTED", "EPIPE") | {10053, 10054}

# Python 2 has no time.monotonic, but time.clock is one there, except on Unix (CPU time), where os.times() has one.
_now = getattr(time, "monotonic", None) or (time.clock if os.name != "posix" else lambda: os.times()[4])


def fallback_socketpair(family=None, type=socket.SOCK_STREAM, proto=0):
    """Return two sockets that are connected: the accepted end, then the connecting end.

    family is AF_INET (or None, which means it) or AF_INET6, type SOCK_STREAM, proto 0; else it is a ValueError. Both
    ends have the timeout that socket.getdefaulttimeout() says (seconds), and send small writes at once (TCP_NODELAY).

    Raises socket.error: with the system's errno when a call fails, as it does for a family whose loopback address is
    absent; with ETIMEDOUT when no pair was made within 10 seconds, for which a firewall, antivirus or proxy is the
    usual cause. Nothing stays open once the exception is let go, but for what Python 3's own accept() loses when it is
    interrupted. After Geert Jansen's public-domain recipe.
    """
    if family not in _FAMILIES or type != socket.SOCK_STREAM or proto != 0:
        given = "family=%r, type=%r, proto=%r" % (family, type, proto)
        raise ValueError("socketpair() supports AF_INET and AF_INET6, SOCK_STREAM and protocol 0, not " + given)
    timeout, opened = socket.getdefaulttimeout(), []
    try:
        pair = _connected_pair(family or socket.AF_INET, opened)
        for end in pair:
            # On Windows and BSD the accepted end may not block: Python 2 believes that it does, so it is told anyway.
            if end.gettimeout() != timeout or str is bytes:
                end.settimeout(timeout)
            # Nagle's algorithm would hold the second of two small writes back for 40 ms.
            _set_if_allowed(end, socket.IPPROTO_TCP, socket.TCP_NODELAY)
        for sock in opened:
            if sock not in pair:
                _close(sock)
        return pair
    except BaseException:  # KeyboardInterrupt and SystemExit too
        _close_all(opened)
        raise


def _connected_pair(family, opened):
    """Return the two ends of one connection. Each try after the first listens on another address."""
    authentication = _Authentication(opened)
    host = _LOOPBACK[family]
    failed = relayed = 0
    while True:
        try:
            listener, address = _listen(family, host, opened)
            client = _open_socket(family, opened)
            client.setblocking(False)
            _ask_connect(client, address)
            server, is_direct = authentication.find_server(listener, client, address)
            # A relay relays every connection. Who only met our client on its way would have to be in place again
            # before the next one connects, knowing both ports and the address.
            relayed += 1
            if is_direct or relayed == _RELAYED_TRIES:
                return server, client
        except socket.error as error:
            failed += 1
            if failed == _FAILED_TRIES or _number(error) not in _REFUSED | _LOST:
                raise
            relayed = 0
        _close_all(opened)
        if family == socket.AF_INET:  # whose loopback is a network
            host = "127.%d.%d.%d" % tuple(1 + byte % 254 for byte in bytearray(os.urandom(3)))


# Making: a listener, and a client on its way to it.


def _listen(family, host, opened):
    """Return a listener on a free port of host, and its address for connect()."""
    listener = _open_socket(family, opened)
    if _EXCLUSIVE is not None:
        _set_if_allowed(listener, socket.SOL_SOCKET, _EXCLUSIVE)
    try:
        listener.bind((host, 0))
        listener.listen(_BACKLOG)
    except socket.error as error:
        # macOS has no other. Whoever holds all ports would choose the address for us where that counted too.
        if host == _LOOPBACK[family] or _number(error) not in {errno.EADDRNOTAVAIL, 10049}:
            raise
        return _listen(family, _LOOPBACK[family], opened)
    # After listen(), before which Jython has no port. A layered Windows provider has said 0.0.0.0 for the host.
    return listener, (host, listener.getsockname()[1])


def _open_socket(family, opened):
    # By position: classes that replace socket.socket give its parameters other names.
    sock = socket.socket(family, socket.SOCK_STREAM, 0)
    opened.append(sock)
    if socket.getdefaulttimeout() is not None:
        # It is for the pair, not for us: Jython's bind() would heed it, and fail with a Java exception.
        sock.setblocking(True)
    return sock


def _ask_connect(client, address):
    """Start to connect, or ask again: whether client is connected; socket.error if it failed."""
    try:
        code = client.connect_ex(address)
    except socket.error as error:
        # Some cooperative sockets raise what connect_ex should return; a raised 0 is no success.
        code = _number(error)
        if not code or code not in _CONNECTING:
            raise
    if code not in _CONNECTING:
        raise _connect_error(address, code)
    return code in _CONNECTED


def _connect_error(address, code):
    # By name, since os.strerror does not know Winsock's errors.
    name = errno.errorcode.get(code, "error %d" % code)
    return socket.error(code, "connect to %s port %d: %s" % (address + (name,)))


# Authenticating: which of the connections that arrive has our client at its other end.


class _Candidate(object):
    """An accepted connection that may be our client's, and what it has received of the nonce."""

    def __init__(self, sock):
        self.sock = sock
        self.received = b""

    def receive(self, seconds):
        """Wait so long, and return whether it has received all that counts: sixteen bytes, its end or an error."""
        try:
            self.sock.settimeout(seconds)
            while len(self.received) < _NONCE_SIZE:
                data = self.sock.recv(_NONCE_SIZE - len(self.received))
                if not data:
                    break
                self.received += data
        except socket.timeout:
            return False
        except socket.error as error:
            return _number(error) not in _WOULD_BLOCK
        return True


def _is_direct(client, server, address):
    """Whether the two ends name each other, as those of a living connection do, and a dead one has no peer."""
    # The system's own socket, where it is wrapped: PySocks has getpeername() tell the address beyond its proxy.
    client = getattr(client, "_sock", client)
    try:
        if _REMEMBERS_PEERS and select.select([client], [], [], 0)[0]:
            return False  # it was reset, or sent something
        # In this order, since on WASI getsockname() of a client that is connecting ends the process.
        return client.getpeername()[:2] == address and client.getsockname() == server.getpeername()
    except (socket.error, TypeError):  # Windows has None for a peer that has gone
        return False


def _raise_if_lost(client, address):
    """Raise socket.error if client has failed to connect, or was reset or sent something since."""
    # Winsock starts anew where connect_ex is asked. WASI says EINPROGRESS of what is under way.
    code = client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code in _CONNECTING:
        if _JYTHON and not _ask_connect(client, address):
            return  # until then recv() says that the peer has ended
        code = errno.ECONNRESET  # if it is sent something, which our own accepted end does not do
        try:
            client.recv(1)
        except socket.error as error:
            code = _number(error)
            if code in _TOO_SOON:
                return
    raise _connect_error(address, code)


class _Authentication(object):
    """Finds the accepted ends of our clients' connections, each among all that its listener accepts."""

    def __init__(self, opened):
        self.opened = opened
        self.started = _now()
        self.waited = 0  # seconds

    def find_server(self, listener, client, address):
        """Return the accepted end of client's connection, and whether the two ends name each other."""
        self.listener, self.client, self.address = listener, client, address
        self.candidates, self.came, self.errors, self.wait = [], 0, 0, _FIRST_WAIT
        self.nonce = self.unsent = b""
        self.accepted = []  # on Jython
        while True:
            newcomer = self.accept()
            # What was sent has to be read off. On Jython a dead connection has a peer, and the client one too soon.
            to_ask = newcomer is not None and self.unsent == self.nonce and not _JYTHON
            if to_ask and _is_direct(self.client, newcomer, self.address):
                return newcomer, True
            self.send_nonce()
            server = self.authenticated(newcomer)
            if server is not None:
                if _JYTHON:
                    # It counts a connection out when it is closed and again when it is collected, and hangs up on all
                    # that the listener accepted when it counts none.
                    server._sock.strangers = self.accepted
                return server, _is_direct(self.client, server, self.address)
            self.check_deadline()

    def accept(self):
        """Return the connection that comes within the wait, or None."""
        try:
            self.listener.settimeout(self.wait)
            sock, _ = self.listener.accept()
            self.opened.append(sock)
            if _JYTHON:
                self.accepted.append(sock._sock)
        except socket.timeout:
            self.waited += self.wait
            self.wait = min(2 * self.wait, _LONGEST_WAIT)
            return None
        except socket.error as error:
            self.errors += _number(error) not in _WOULD_BLOCK  # signals may interrupt any number of waits
            if _number(error) not in _NOBODY_CAME or self.errors == _MOST_ERRORS:
                raise
            return None
        self.came, self.errors, self.wait = self.came + 1, 0, _FIRST_WAIT
        return sock

    def send_nonce(self):
        """Send what is left of the nonce, as soon as that is possible; socket.error if client has failed."""
        if not self.nonce:
            self.nonce = self.unsent = os.urandom(_NONCE_SIZE)
        _raise_if_lost(self.client, self.address)
        if not self.unsent or _JYTHON and not _ask_connect(self.client, self.address):
            return
        try:
            if _WASI:
                select.select([], [self.client], [], 0)  # there, only a poll for writing finishes a connect
            self.unsent = self.unsent[self.client.send(self.unsent) :]
        except socket.error as error:
            if _number(error) not in _TOO_SOON:
                raise

    def authenticated(self, newcomer):
        """Return the connection that has received the nonce, and nothing else before it, or None."""
        to_read, seconds = self.candidates[:], 0
        if newcomer is not None:
            self.candidates.append(_Candidate(newcomer))
            # The one that is too many, as it goes, and the newcomer. A crowd would hold us up with more, and so the
            # first to come alone is given a moment.
            to_read = self.candidates[:-_MOST_CANDIDATES] + self.candidates[-1:]
            seconds = _FIRST_WAIT if self.came == 1 else 0
        for candidate in to_read:
            # Not at the first wrong byte: who sees which byte ends it finds out all of them in turn.
            if candidate.receive(seconds) or len(self.candidates) > _MOST_CANDIDATES:
                if candidate.received == self.nonce:
                    return candidate.sock
                self.reject(candidate)
        return None

    def reject(self, candidate):
        """Close a connection that is not ours. Nothing that comes of it ends the call."""
        self.candidates.remove(candidate)
        _close(candidate.sock)
        self.opened.remove(candidate.sock)

    def check_deadline(self):
        """Raise socket.error after ten seconds of the clock, or of waits where it stands still or is put back."""
        if max(_now() - self.started, self.waited) >= _TIMEOUT:
            words = "connect to %s port %d: our own connection was not made within %s s (%d connections came);"
            words += " a firewall, antivirus or proxy that intercepts loopback is the usual cause"
            raise socket.error(errno.ETIMEDOUT, words % (self.address + (_TIMEOUT, self.came)))


def _number(error):
    # On Windows Python 3 renames some of Winsock's numbers in errno.
    return getattr(error, "winerror", None) or error.errno


def _set_if_allowed(sock, level, option):
    try:
        sock.setsockopt(level, option, 1)
    except socket.error:
        pass


def _close(sock):
    try:
        sock.close()
    except socket.error:
        pass  # FreeBSD may say ECONNRESET, and Jython EBADF: it is closed all the same


def _close_all(socks):
    """Close these sockets and forget them, one after the other, whatever comes in between."""
    if socks:
        try:
            _close(socks[-1])
        except BaseException:  # it may have come before the socket was closed
            _close(socks[-1])
            raise
        finally:
            socks.pop()
            _close_all(socks)


# What importing runs, beyond definitions, is the last five lines.


def _set_on_socket():
    socket.socketpair = fallback_socketpair
    if "socketpair" not in getattr(socket, "__all__", ["socketpair"]):  # Jython has none
        socket.__all__ = list(socket.__all__) + ["socketpair"]


# Python 2 empties a module that nobody holds, even while its functions are in use.
fallback_socketpair.module = sys.modules.get(__name__)
if not hasattr(socket, "socketpair"):
    _set_on_socket()
socketpair = socket.socketpair
