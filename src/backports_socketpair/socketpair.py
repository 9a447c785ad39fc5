# SPDX-License-Identifier: MIT-0
# Copyright (c) 2026 The backports_socketpair authors
# type: ignore  # A stub beside this file has the types, and need not be there.
"""socket.socketpair() for Pythons that lack it: one file, to import or to vendor.

If ``socket.socketpair`` is missing (Windows before Python 3.5, Jython), importing this module sets it. If it exists, it
is left alone. ``socketpair`` in this module is the function that ``socket`` has then. ``fallback_socketpair`` is the
one defined here, on every Python: a TCP connection over the loopback interface.

The idea of connecting to a listener within one thread is from Geert Jansen's public-domain recipe. These are the
problems reported with copies of the recipe, and what this module does about them:

- Another process connects first (CVE-2024-3219), or intercepts the client. The client sends a nonce, and its connection
  is the one that receives the nonce.
- A program relays loopback. The pair works, and the owner of the relay can read it.
- A port is reserved, an address is blocked, a connection is reset. Another attempt follows, somewhere else.
- The connection never completes. All attempts together take at most ten seconds.

Limits: AF_INET and AF_INET6, SOCK_STREAM only. If a class replaces ``socket.socket``, it is used.
"""

from __future__ import absolute_import  # a vendor folder may hold a module named socket

import errno
import os
import select
import socket
import sys
import time

__all__ = ["fallback_socketpair", "socketpair"]

_JYTHON = os.name == "java"
_WASI = sys.platform == "wasi"

# The usual loopback address, as getpeername() returns it, and the address that stands for all addresses. They are
# literal, since a hosts file may map "localhost" to anything.
_LOOPBACK = {socket.AF_INET: ("127.0.0.1", "0.0.0.0")}
if hasattr(socket, "AF_INET6"):
    _LOOPBACK[socket.AF_INET6] = ("0:0:0:0:0:0:0:1" if _JYTHON else "::1", "::")
_EXCLUSIVE = getattr(socket, "SO_EXCLUSIVEADDRUSE", None)  # on Windows another process could bind the same port

_TIMEOUT = 10  # seconds, for all attempts together
_ATTEMPT_TIMEOUT = _TIMEOUT / 3.0  # seconds; a system with one loopback address needs three attempts behind a relay
_MOST_ATTEMPTS = 10
_FIRST_WAIT = 0.001  # seconds; not 0, since eventlet's accept() then returns a socket that blocks all green threads
_LONGEST_WAIT = 0.02  # seconds; Windows handles Ctrl-C between waits
_NONCE_SIZE = 16  # bytes

# The numbers are Winsock's: errno has them on Windows alone, and PyPy's has another EWOULDBLOCK there.
_CONNECTING = {errno.EINPROGRESS, errno.EALREADY, errno.EAGAIN, errno.EWOULDBLOCK, errno.EINTR, errno.EISCONN}
_CONNECTING |= {10035, 10036, 10037, 10056}  # WSAEWOULDBLOCK, WSAEINPROGRESS, WSAEALREADY, WSAEISCONN
_TOO_SOON = _CONNECTING | {errno.ENOTCONN, 10057}  # WSAENOTCONN
if _WASI:
    _TOO_SOON.add(errno.ENOTSUP)  # from send() while connecting
# ENOPROTOOPT: on WASI, an IPv6 socket cannot have a mapped address.
_NO_SUCH_ADDRESS = {errno.EADDRNOTAVAIL, errno.EINVAL, errno.ENOPROTOOPT, 10049, 10022}  # WSAEADDRNOTAVAIL, WSAEINVAL
_NO_DESCRIPTORS = {errno.EMFILE, errno.ENFILE, 10024}  # WSAEMFILE

# Python 2 has no time.monotonic(). Its time.clock() is monotonic on Windows, and os.times() is elsewhere.
_now = getattr(time, "monotonic", None) or (time.clock if os.name != "posix" else lambda: os.times()[4])


def fallback_socketpair(family=None, type=socket.SOCK_STREAM, proto=0):
    """Return two connected sockets: the accepted end, then the connecting end.

    family is AF_INET (the default, also for None) or AF_INET6, type is SOCK_STREAM, proto is 0. Both ends have the
    timeout of socket.getdefaulttimeout() (seconds). TCP_NODELAY is set.

    Raise ValueError for other arguments. Raise socket.error after ten failed attempts or ten seconds, with the errno of
    the last failure. ETIMEDOUT often means that a firewall, an antivirus or a proxy intercepts loopback. After an
    exception no socket stays open, except one that an interrupted accept() of Python 3 may lose.
    """
    if family not in [None] + list(_LOOPBACK) or type != socket.SOCK_STREAM or proto != 0:
        given = "family=%r, type=%r, proto=%r" % (family, type, proto)
        raise ValueError("socketpair() supports AF_INET and AF_INET6, SOCK_STREAM and protocol 0, not " + given)
    family = family or socket.AF_INET
    usual, everywhere = _LOOPBACK[family]
    timeout, clock, relayed = socket.getdefaulttimeout(), _Clock(), 0
    for number in range(1, _MOST_ATTEMPTS + 1):
        opened = []
        try:
            host = usual if number % 2 else _unknown_host(family, opened) or usual
            attempt = _Attempt(family, host, everywhere if host == usual else host, clock, opened)
            server, is_direct = attempt.find_server()
            # At the usual address, an attacker may relay the connection. At an address that nobody can know, only a
            # relay of all loopback can. A system without such an address shows one by relaying three times in a row.
            if is_direct or host != usual or relayed == 2:
                return _finish(server, attempt.client, timeout, opened)
            relayed += 1
        except socket.error:
            if number == _MOST_ATTEMPTS or clock.elapsed() >= _TIMEOUT:
                raise
            relayed = 0
        finally:
            _close_all(opened)
    raise socket.error(errno.ECONNABORTED, "connections to %s are relayed, but not all in a row" % usual)


def _unknown_host(family, opened):
    """Return a loopback address that nobody can know, or None if the system has only the usual one."""
    # Never 127.0.0.1.
    host = socket.inet_ntoa(b"\x7f" + os.urandom(2).replace(b"\0", b"\1") + b"\x01")
    if family != socket.AF_INET:
        if os.name != "posix":  # Wine cannot connect to a mapped address, and Jython resolves it
            return None
        host = "::ffff:" + host
    try:
        _bound_socket(family, host, opened)
    except socket.error as error:
        if error.errno in _NO_SUCH_ADDRESS:
            return None
        raise
    finally:
        _close_all(opened)
    return host


class _Clock(object):
    """Seconds since it was made, or the seconds of our own waits if the clock stands still or is set back."""

    def __init__(self):
        self.started, self.waited = _now(), 0

    def elapsed(self):
        return max(_now() - self.started, self.waited)


class _Attempt(object):
    """A listener, and a client that connects to it."""

    def __init__(self, family, host, client_host, clock, opened):
        self.clock, self.opened = clock, opened
        self.deadline = min(clock.elapsed() + _ATTEMPT_TIMEOUT, _TIMEOUT)
        self.nonce = os.urandom(_NONCE_SIZE)
        self.kept = []  # on Jython
        # Both are bound before anybody can see the listener. The client's port is one that no other socket has, at any
        # address. Otherwise another process could use it: Linux gives out a port for each address anew.
        self.listener = _bound_socket(family, host, opened)
        self.client = _bound_socket(family, client_host, opened)
        self.client.setblocking(False)  # not sooner: Jython's bind() would raise a Java exception
        self.listener.listen(128)  # a number, since Jython has no SOMAXCONN
        # Of getsockname() only the port: a layered Windows provider has returned 0.0.0.0. Jython has no port sooner.
        self.address = host, self.listener.getsockname()[1]
        self.is_connected()

    def is_connected(self):
        """Start to connect, or ask again. Return whether the client is connected."""
        try:
            code = self.client.connect_ex(self.address)
        except socket.error as error:  # some cooperative sockets raise what connect_ex() should return
            if not _is_too_soon(error):
                raise
            code = error.errno
        if code and code not in _CONNECTING:
            raise self.error(code)
        return code in (0, errno.EISCONN)

    def find_server(self):
        """Return the accepted end of the client's connection, and whether nothing relays the connection."""
        candidates, most, unsent, wait = [], 64, self.nonce, _FIRST_WAIT
        while True:
            try:
                newcomer = self.accept(wait)
            except socket.error as error:
                if error.errno not in _NO_DESCRIPTORS or not candidates:
                    raise
                newcomer, most = None, len(candidates) - 1  # strangers hold the descriptors
            if newcomer is not None:
                candidates.append(_Candidate(newcomer))
            wait = _FIRST_WAIT if newcomer is not None else min(2 * wait, _LONGEST_WAIT)
            unsent = self.send_nonce(unsent)
            server = self.read(candidates, most, newcomer is not None)
            if server is not None and self.is_direct(server):
                return server, True
            self.check_client()
            if server is not None:
                return server, False
            if self.clock.elapsed() >= self.deadline:
                raise self.error(errno.ETIMEDOUT)

    def accept(self, wait):
        """Return a new connection, or None if none arrives within wait seconds."""
        try:
            self.listener.settimeout(wait)
            sock, _ = self.listener.accept()
        except socket.error as error:
            if not _is_too_soon(error):
                raise
            if isinstance(error, socket.timeout):
                self.clock.waited += wait
            return None
        self.opened.append(sock)
        if _JYTHON and sock._sock:
            # Jython counts a connection of the listener out when it is closed, and again when it is collected. At zero
            # it closes all of them, so none may be collected while the pair is in use.
            self.kept.append(sock._sock)
            sock._sock.kept = self.kept
        return sock

    def send_nonce(self, unsent):
        """Send the rest of the nonce, if the client is connected. Return what is left of it."""
        if unsent and not (_JYTHON and not self.is_connected()):
            try:
                if _WASI:
                    select.select([], [self.client], [], 0)  # there, only a poll for writing completes a connect
                return unsent[self.client.send(unsent) :]
            except socket.error as error:
                if not _is_too_soon(error):  # under Wine only SO_ERROR has the reason
                    raise self.error(self.client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) or error.errno)
        return unsent

    def read(self, candidates, most, has_newcomer):
        """Return the connection that has received the nonce, or None. Close those that cannot be ours."""
        oldest = candidates[: max(0, len(candidates) - most)]
        others = candidates[len(oldest) :]
        # While strangers keep coming, reading all of them would delay us.
        for candidate in oldest + (others[-16:] if has_newcomer else others):
            is_complete = candidate.read(0) or len(candidates) == 1 and has_newcomer and candidate.read(_FIRST_WAIT)
            if candidate.received == self.nonce:
                return candidate.sock
            # Closing at the first wrong byte would reveal the nonce byte by byte.
            if is_complete or candidate in oldest:
                candidates.remove(candidate)
                self.opened.remove(candidate.sock)
                _close_all([candidate.sock])
        return None

    def is_direct(self, server):
        """Return whether the client is the peer of server. If not, something relays the connection."""
        try:
            return self.client.getsockname() == server.getpeername()
        except socket.error:
            return False

    def check_client(self):
        """Raise socket.error if the client could not connect, was reset, or has received anything."""
        # On Windows, calling connect_ex() again would restart a connection that has failed.
        code = self.client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code and code not in _CONNECTING:
            raise self.error(code)
        if _JYTHON and not self.is_connected():
            return  # recv() would report the end of the stream
        try:
            self.client.recv(1)
        except socket.error as error:
            if _is_too_soon(error):
                return
            raise
        raise self.error(errno.ECONNRESET)

    def error(self, code):
        # os.strerror() does not know Winsock's errors.
        words = errno.errorcode.get(code, "error %s" % code)
        return socket.error(code, "connect to %s port %d: %s" % (self.address + (words,)))


class _Candidate(object):
    """An accepted connection, and what it has received."""

    def __init__(self, sock):
        self.sock = sock
        self.received = b""

    def read(self, wait):
        """Read for at most wait seconds. Return whether 16 bytes, the end of the stream or an error arrived."""
        try:
            self.sock.settimeout(wait)
            while len(self.received) < _NONCE_SIZE:
                data = self.sock.recv(_NONCE_SIZE + 1 - len(self.received))
                if not data:
                    break
                self.received += data
        except socket.error as error:
            return not _is_too_soon(error)
        return True


def _finish(server, client, timeout, opened):
    """Set up both ends, close the other sockets, and return the pair."""
    for end in (server, client):
        end.settimeout(timeout)
        # Nagle's algorithm would delay the second of two small writes by 40 ms.
        _set_if_allowed(end, socket.IPPROTO_TCP, socket.TCP_NODELAY)
    _close_all([sock for sock in opened if sock is not server and sock is not client])
    del opened[:]
    return server, client


def _bound_socket(family, host, opened):
    # By position: classes that replace socket.socket give the parameters other names.
    sock = socket.socket(family, socket.SOCK_STREAM, 0)
    opened.append(sock)
    if socket.getdefaulttimeout() is not None:
        sock.setblocking(True)
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


def _is_too_soon(error):
    return isinstance(error, socket.timeout) or error.errno in _TOO_SOON


def _close_all(socks):
    """Close these sockets, whatever is raised meanwhile. Ctrl-C and the like are raised when all are closed."""
    interruption = None
    while socks:
        try:
            while socks:
                socks[-1].close()
                del socks[-1]
        except socket.error:  # FreeBSD may say ECONNRESET, and Jython EBADF; the socket is closed
            del socks[-1]
        except BaseException as error:
            if interruption is not None:
                del socks[-1:]
            interruption = error  # it may have come before the socket was closed, so close it again
    if interruption is not None:
        raise interruption


if not hasattr(socket, "socketpair"):
    socket.socketpair = fallback_socketpair
    if "socketpair" not in getattr(socket, "__all__", ["socketpair"]):  # Jython has no __all__
        socket.__all__ = list(socket.__all__) + ["socketpair"]
socketpair = socket.socketpair
# Python 2 empties a module to which nothing refers, even while its functions are in use.
fallback_socketpair.module = sys.modules.get(__name__)
