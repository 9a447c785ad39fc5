# SPDX-License-Identifier: MIT-0
# Copyright (c) 2026 The backports_socketpair authors
# type: ignore  # An optional stub has the types.
"""socket.socketpair() for Pythons that lack it: one file, to import or to vendor.

If ``socket.socketpair`` is missing (Windows before Python 3.5, Jython), importing this module adds it to ``socket``.
Otherwise the import changes nothing. ``socketpair`` in this module is ``socket.socketpair`` after the import.
``fallback_socketpair`` is always the function of this module. It connects two TCP sockets over loopback.

The design, which needs no thread, is from Geert Jansen's public-domain recipe. Users of the recipe reported these
problems, and this module handles them:

- Another process connects first (CVE-2024-3219). A nonce identifies the client's connection.
- Another process intercepts the client. The accepted end then has another peer, so the module tries a random address.
- Another program relays loopback connections. Pairs work, but if it relays every address, it can read the data.
- A port is reserved, an address is blocked, or a connection is reset. The module tries another port or address.
- The connection never completes. The module gives up after ten seconds.

Limits: AF_INET and AF_INET6, SOCK_STREAM only. If a program replaces ``socket.socket``, this uses the replacement.
"""

from __future__ import absolute_import  # import the standard socket, not a module beside this file

import errno
import os
import select
import socket
import sys
import time

__all__ = ["fallback_socketpair", "socketpair"]

_JYTHON = os.name == "java"
_WASI = sys.platform == "wasi"

# The usual address, which most proxies skip, and the wildcard. A hosts file may map "localhost" to any address.
_ADDRESSES = {socket.AF_INET: ("127.0.0.1", "0.0.0.0")}
if hasattr(socket, "AF_INET6"):
    _ADDRESSES[socket.AF_INET6] = ("0:0:0:0:0:0:0:1" if _JYTHON else "::1", "::")
# Without this option, another process on Windows can bind the same port, with SO_REUSEADDR.
_EXCLUSIVE = getattr(socket, "SO_EXCLUSIVEADDRUSE", None)

_MAX_ATTEMPTS = 10
_TIMEOUT = 10  # seconds, for all attempts together
_ATTEMPT_TIMEOUT = _TIMEOUT / 3.0  # seconds; so that three attempts fit, since some systems need the third
_MIN_WAIT = 0.001  # seconds; not 0, since eventlet's accept() then returns a blocking socket
_MAX_WAIT = 0.02  # seconds; Windows delivers Ctrl-C only between waits
_NONCE_SIZE = 16  # bytes

# Bare numbers are Winsock's: other systems lack their names in errno, and on Windows PyPy's EWOULDBLOCK differs.
_CONNECT_OK = {errno.EINPROGRESS, errno.EALREADY, errno.EAGAIN, errno.EWOULDBLOCK, errno.EINTR, errno.EISCONN}
_CONNECT_OK |= {10035, 10036, 10037, 10056}  # WSAEWOULDBLOCK, WSAEINPROGRESS, WSAEALREADY, WSAEISCONN
_NOT_READY = _CONNECT_OK | {errno.ENOTCONN, 10057}  # WSAENOTCONN
if _WASI:
    _NOT_READY.add(errno.ENOTSUP)  # send() raises this while the socket connects
# WASI raises ENOPROTOOPT for an IPv4-mapped address.
_NO_SUCH_ADDRESS = {errno.EADDRNOTAVAIL, errno.EINVAL, errno.ENOPROTOOPT, 10049, 10022}  # WSAEADDRNOTAVAIL, WSAEINVAL
_NO_DESCRIPTORS = {errno.EMFILE, errno.ENFILE, 10024}  # WSAEMFILE

# Python 2 has no time.monotonic(). On POSIX its time.clock() counts only CPU time.
_now = getattr(time, "monotonic", None) or (time.clock if os.name != "posix" else lambda: os.times()[4])


def fallback_socketpair(family=None, type=socket.SOCK_STREAM, proto=0):
    """Return two connected sockets: the accepted end, then the connecting end.

    family is AF_INET (None, the default, means this) or AF_INET6. type is SOCK_STREAM. proto is 0. Both ends have a
    timeout of socket.getdefaulttimeout() seconds, and TCP_NODELAY set.

    Raise ValueError for other arguments. Raise socket.error after ten attempts or about ten seconds, with the errno of
    the last failure. ETIMEDOUT often means that a firewall, an antivirus or a proxy blocks loopback connections. After
    an error no socket is open. Ctrl-C may leave one for the garbage collector, or leak one in Python 3's accept().
    """
    if family not in [None] + list(_ADDRESSES) or type != socket.SOCK_STREAM or proto != 0:
        given = "family=%r, type=%r, proto=%r" % (family, type, proto)
        raise ValueError("socketpair() supports AF_INET and AF_INET6, SOCK_STREAM and protocol 0, got " + given)
    family = family or socket.AF_INET
    usual, wildcard = _ADDRESSES[family]
    timeout, clock, relayed = socket.getdefaulttimeout(), _Clock(), 0
    for number in range(1, _MAX_ATTEMPTS + 1):
        opened = []
        try:
            host = usual if number % 2 else _random_host(family, opened) or usual
            attempt = _Attempt(family, host, wildcard if host == usual else host, clock, opened)
            server, is_direct = attempt.find_server()
            # A connection that is not direct is relayed. At the usual address the relay may be an attacker, which on
            # Linux can connect to the client from the listener's port, and get the nonce. It cannot predict a random
            # address, so accept a relay there. If the system has no such address, accept the third in a row.
            if is_direct or host != usual or relayed == 2:
                return _finish(server, attempt.client, timeout, opened)
            relayed += 1
        except socket.error:
            if number == _MAX_ATTEMPTS or clock.elapsed() >= _TIMEOUT:
                raise
            relayed = 0
        finally:
            _close_all(opened)
    raise socket.error(errno.ECONNABORTED, "connections to %s are relayed" % usual)


def _random_host(family, opened):
    """Return a loopback address that no other process can predict, or None if the system has only the usual one."""
    # Never 127.0.0.1: no byte is 0.
    host = socket.inet_ntoa(b"\x7f" + os.urandom(2).replace(b"\0", b"\1") + b"\x01")
    if family != socket.AF_INET:
        if os.name != "posix":  # Jython and Wine cannot connect to IPv4-mapped addresses; Wine looks like Windows
            return None
        host = "::ffff:" + host
    try:
        _bound_socket(family, host, opened)  # fails if the system has no such address
    except socket.error as error:
        if error.errno in _NO_SUCH_ADDRESS:
            return None
        raise
    finally:
        _close_all(opened)
    return host


class _Clock(object):
    """The seconds since the call began, or the sum of its waits if larger: a user's tests may freeze the clock."""

    def __init__(self):
        self.started, self.waited = _now(), 0

    def elapsed(self):
        return max(_now() - self.started, self.waited)


class _Attempt(object):
    """A listener, and a client that starts to connect to it."""

    def __init__(self, family, host, client_host, clock, opened):
        self.clock, self.opened = clock, opened
        self.deadline = min(clock.elapsed() + _ATTEMPT_TIMEOUT, _TIMEOUT)
        self.nonce = os.urandom(_NONCE_SIZE)
        self.kept = []  # on Jython, see accept()
        # Bind both before listen(), which other processes can see. At the usual address the client binds the wildcard:
        # otherwise, on Linux, a socket connecting elsewhere could get the client's port, then switch to its address.
        self.listener = _bound_socket(family, host, opened)
        self.client = _bound_socket(family, client_host, opened)
        self.client.setblocking(False)  # after bind(): Jython cannot bind a non-blocking socket
        self.listener.listen(128)  # a number, since Jython has no SOMAXCONN
        # Use only the port: some Winsock LSPs return 0.0.0.0. Jython assigns the port in listen().
        self.address = host, self.listener.getsockname()[1]
        self.connect()

    def connect(self):
        """Start or continue to connect. Return whether the client is connected."""
        try:
            code = self.client.connect_ex(self.address)
        except socket.error as error:  # some cooperative sockets raise the error that connect_ex() should return
            if not _is_not_ready(error):
                raise
            code = error.errno
        if code and code not in _CONNECT_OK:
            raise self.failure(code)
        return code in (0, errno.EISCONN)

    def find_server(self):
        """Return the accepted end of the client's connection, and whether the connection is direct, not relayed."""
        candidates, room, unsent, wait = [], 64, self.nonce, _MIN_WAIT
        while True:
            try:
                accepted = self.accept(wait)
            except socket.error as error:
                if error.errno not in _NO_DESCRIPTORS or not candidates:
                    raise
                accepted, room = [], len(candidates) - 1  # find_nonce() then closes the oldest
            candidates += accepted
            wait = _MIN_WAIT if accepted else min(2 * wait, _MAX_WAIT)
            unsent = self.send_nonce(unsent)
            own = self.find_nonce(candidates, room, bool(accepted))
            is_direct = own is not None and self.is_direct(own)
            self.check_client(is_direct)  # after is_direct(): another process can take the port of a reset client
            if own is not None:
                return own.sock, is_direct
            if self.clock.elapsed() >= self.deadline:
                raise self.failure(errno.ETIMEDOUT)

    def accept(self, wait):
        """Return a list with the new connection, or an empty list if none arrives within wait seconds."""
        try:
            self.listener.settimeout(wait)
            sock, peer = self.listener.accept()
        except socket.error as error:
            if not _is_not_ready(error):
                raise
            if isinstance(error, socket.timeout):
                self.clock.waited += wait
            return []
        self.opened.append(sock)
        if _JYTHON and sock._sock:
            # Jython counts a listener's connections. It subtracts each one twice: in close(), and when it is collected.
            # At zero it closes the rest. So let no connection be garbage-collected while the pair is in use.
            self.kept.append(sock._sock)
            sock._sock.kept = self.kept
        return [_Candidate(sock, peer)]

    def send_nonce(self, unsent):
        """Send the rest of the nonce, if the client is connected. Return the unsent bytes."""
        if not unsent or (_JYTHON and not self.connect()):
            return unsent
        try:
            if _WASI:
                select.select([], [self.client], [], 0)  # WASI completes a connection only in a poll for writing
            return unsent[self.client.send(unsent) :]
        except socket.error as error:
            if _is_not_ready(error):
                return unsent
            # Wine reports the reason only in SO_ERROR.
            raise self.failure(self.client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) or error.errno)

    def find_nonce(self, candidates, room, is_growing):
        """Return the candidate with the whole nonce, or None. Close failed ones, and the oldest ones beyond room."""
        surplus = candidates[: max(0, len(candidates) - room)]
        others = candidates[len(surplus) :]
        # Reading all is slow in a flood. So after a new connection, read the 16 newest, and the surplus a last time.
        for candidate in surplus + (others[-16:] if is_growing else others):
            is_over = candidate.read(0) or (is_growing and len(candidates) == 1 and candidate.read(_MIN_WAIT))
            if candidate.received == self.nonce:
                return candidate
            # Closing at the first wrong byte, before 16 bytes have come, would reveal the nonce byte by byte.
            if is_over or candidate in surplus:
                candidates.remove(candidate)
                _close_all([candidate.sock])
                self.opened.remove(candidate.sock)
        return None

    def is_direct(self, candidate):
        """Return whether the client is the peer of the candidate. A relay connects from another port."""
        try:  # while the client is connected, no other process can have its address and port
            return candidate.peer == self.client.getsockname()
        except socket.error:
            return False

    def check_client(self, is_direct):
        """Raise socket.error if the client has failed or, unless is_direct, has received data or end of stream."""
        # Not connect_ex(): on Windows it restarts a failed connection.
        code = self.client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code and code not in _CONNECT_OK:
            raise self.failure(code)
        # Data cannot be from the accepted end, which sends none. On Jython an unconnected client's recv() returns b"".
        if is_direct or (_JYTHON and not self.connect()):
            return
        try:
            self.client.recv(1)
        except socket.error as error:
            if _is_not_ready(error):
                return
            raise
        raise self.failure(errno.ECONNRESET)

    def failure(self, code):
        name = errno.errorcode.get(code, "error %s" % code)  # os.strerror() does not know Winsock's errors
        return socket.error(code, "connect to %s port %d: %s" % (self.address + (name,)))


class _Candidate(object):
    """An accepted connection, the address of its peer, and the bytes that it has received."""

    def __init__(self, sock, peer):
        self.sock, self.peer, self.received = sock, peer, b""

    def read(self, wait):
        """Read, with at most wait seconds for each recv(). Return True after 16 bytes, end of stream, or an error."""
        try:
            self.sock.settimeout(wait)
            while len(self.received) < _NONCE_SIZE:
                data = self.sock.recv(_NONCE_SIZE + 1 - len(self.received))  # a 17th byte shows that it is no nonce
                if not data:
                    break
                self.received += data
        except socket.error as error:
            return not _is_not_ready(error)
        return True


def _finish(server, client, timeout, opened):
    """Set the options of both ends, close the other opened sockets, and return the pair."""
    for end in (server, client):
        end.settimeout(timeout)
        _set_if_allowed(end, socket.IPPROTO_TCP, socket.TCP_NODELAY)  # Nagle's algorithm delays small writes
    _close_all([sock for sock in opened if sock is not server and sock is not client])
    del opened[:]
    return server, client


def _bound_socket(family, host, opened):
    # Pass arguments by position, since some replacements of socket.socket name the parameters differently.
    sock = socket.socket(family, socket.SOCK_STREAM, 0)
    opened.append(sock)
    if socket.getdefaulttimeout() is not None:
        sock.setblocking(True)  # Jython's bind() fails on a socket with a timeout
    if host.startswith("::ffff:"):
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    if _EXCLUSIVE is not None:
        _set_if_allowed(sock, socket.SOL_SOCKET, _EXCLUSIVE)
    sock.bind((host, 0))
    return sock


def _set_if_allowed(sock, level, option):
    try:
        sock.setsockopt(level, option, 1)
    except socket.error:
        pass


def _is_not_ready(error):
    # A socket.timeout with an errno is the system's ETIMEDOUT (since Python 3.10) or, on Jython, from settimeout().
    return error.errno in _NOT_READY or (isinstance(error, socket.timeout) and (_JYTHON or error.errno is None))


def _close_all(socks):
    """Close all sockets, and empty the list. Then raise the interruption, such as Ctrl-C, if one came."""
    interruption = None
    for sock in socks:
        try:
            sock.close()
        except socket.error:  # FreeBSD may raise ECONNRESET, and Jython EBADF, but the socket is closed
            pass
        except BaseException as error:
            interruption = error
            if socks.count(sock) == 1:
                socks.append(sock)  # so that the loop closes it again, if Ctrl-C came too early
    del socks[:]
    if interruption is not None:
        raise interruption


if not hasattr(socket, "socketpair"):
    socket.socketpair = fallback_socketpair
    if hasattr(socket, "__all__") and "socketpair" not in socket.__all__:
        socket.__all__ = list(socket.__all__) + ["socketpair"]
socketpair = socket.socketpair
# Keep a reference to this module: Python 2 clears the globals of a module that has none.
fallback_socketpair.module = sys.modules.get(__name__)
