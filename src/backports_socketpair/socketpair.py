# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The backports_socketpair authors
# type: ignore  # A stub beside this file has the types, and need not be there.
"""socket.socketpair() for Pythons that lack it, or whose own fails: one file, to import or to vendor.

Windows before Python 3.5 and Jython have no socket.socketpair. Importing this module there
defines one, made of a TCP connection over the loopback interface, and sets it on ``socket``.
Where Python has its own, ``socket`` is left as it is. Either way this module's ``socketpair``
is the one that ``socket`` has.

Windows from Python 3.5 on has one that is written in Python as well, and fails where a program on
the machine relays loopback, or a stranger connects first. ``install()`` puts the function
of this file, ``fallback_socketpair``, in its place.

The idea, to listen, connect and accept within one thread, is Geert Jansen's public-domain
recipe. New here is the answer to what was reported against its copies: a stranger's connection is
never taken for our own (CVE-2024-3219) and does not end the call, ours is known behind a relay as
well, waiting has an end, both ends are connected when they are returned, and nothing is left open
whatever is raised.

Limits: AF_INET and AF_INET6, SOCK_STREAM only. It is TCP, with TCP's buffers, and each pair leaves
a port in TIME_WAIT. ``socket.socket`` is used as it is found, replaced by gevent or PySocks or not.

Runs on Python 2.7 and 3.4+, CPython, PyPy and Jython, with the standard library alone.
"""

from __future__ import absolute_import  # a vendor folder may hold a module named socket

import _socket
import errno
import os
import socket
import sys
import time

__all__ = ["fallback_socketpair", "install", "socketpair"]


def _numbers(*names):
    """The numbers that these errors have here; a system has not all of them."""
    return {getattr(errno, name) for name in names if hasattr(errno, name)}


# Literal addresses, since a hosts file may send "localhost" anywhere.
_LOOPBACK = {socket.AF_INET: "127.0.0.1"}
if hasattr(socket, "AF_INET6"):
    _LOOPBACK[socket.AF_INET6] = "::1"

# A list, in which one that cannot be hashed is not found either.
_FAMILIES = list(_LOOPBACK)

# A number, since Jython has no SOMAXCONN and refuses listen() without one.
_BACKLOG = 128

# Seconds. Loopback connects in microseconds: what takes ten seconds is being held back.
_TIMEOUT = 10
# Seconds. Not 0, at which eventlet's accept() hands out a socket that blocks all green threads.
_FIRST_WAIT = 0.001
# Seconds. The proof may arrive, or our client be connected, without accept() noticing, and Windows
# notices Ctrl-C only between two waits.
_LONGEST_WAIT = 0.08
# Seconds, at most, that a clock is believed to have moved from one wait to the next.
_LONGEST_STEP = 0.5

# Windows may refuse a port that it has just handed out.
_TRIES = 10

# Bytes. Nobody guesses sixteen at random.
_PROOF_SIZE = 16
# Connections that have not proved themselves yet. A crowd must not use up our descriptors.
_MOST_GUESTS = 64

# The bare numbers are Winsock's: errno has them on Windows alone, and there PyPy gives
# EWOULDBLOCK another value.
_CONNECTED = {0, errno.EISCONN, 10056}
_WOULD_BLOCK = _numbers("EWOULDBLOCK", "EAGAIN", "EINTR") | {10035}
_CONNECTING = _WOULD_BLOCK | _numbers("EINPROGRESS", "EALREADY") | {10036, 10037}
# WSAEINVAL is how Winsock may answer a second connect while the first is under way.
_STILL_CONNECTING = _CONNECTING | {10022}
# ENOTCONN is Jython's.
_NO_NAME_YET = {errno.EINVAL, errno.ENOTCONN, 10022}
_NO_NAME = object()  # unlike what accept() tells of any peer, for which macOS has said None
_PORT_BUSY = {errno.EADDRINUSE, 10048}
# WSAEACCES: Windows says it of a port that something else reserved or bound exclusively.
_PORT_REFUSED = _PORT_BUSY | {10013}
# Of accept(): nobody is there, or what is wrong is wrong with whoever connected, not with us. Linux
# passes on the errors that were pending on the new socket; ENOTCONN is Jython's.
_NOBODY_CAME = (
    _WOULD_BLOCK
    | _numbers("ECONNABORTED", "ECONNRESET", "ENOTCONN", "EPROTO", "EPERM", "ENOPROTOOPT", "EOPNOTSUPP")
    | _numbers("ENETDOWN", "ENETUNREACH", "EHOSTDOWN", "EHOSTUNREACH", "ENONET")
    | {10053, 10054}
)

# Python 2 has no time.monotonic, but time.clock is one there, except on Unix (CPU time).
_now = getattr(time, "monotonic", None) or (time.time if os.name == "posix" else time.clock)


def fallback_socketpair(family=socket.AF_INET, type=socket.SOCK_STREAM, proto=0):
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
    timeout = socket.getdefaulttimeout()
    opened = []
    try:
        listener, client, address, connected = _listen_and_connect(family, timeout, opened)
        server = _accept_own(listener, client, address, connected, opened)
        for end in (server, client):
            # On Windows and BSD server may not block, while Python 2 believes that it does.
            end.settimeout(timeout)
            # Nagle's algorithm would hold the second of two small writes back for 40 ms.
            _set_if_allowed(end, socket.IPPROTO_TCP, socket.TCP_NODELAY)
        listener.close()
        return server, client
    except BaseException:  # KeyboardInterrupt and SystemExit leave nothing open either
        for sock in opened:
            _close_quietly(sock)
        raise


def _check_supported(family, type, proto):
    if family not in _FAMILIES or type != socket.SOCK_STREAM or proto != 0:
        raise ValueError(
            "socketpair() supports AF_INET and AF_INET6, SOCK_STREAM and protocol 0,"
            " not family=%r, type=%r, proto=%r" % (family, type, proto)
        )


# Making: a listener, and a client on its way to it.


def _listen_and_connect(family, timeout, opened):
    """Return a listener, a client, the address that it connects to, and whether it has done so."""
    tries = 0
    while True:
        tries += 1
        worth_another_try = _PORT_REFUSED
        try:
            listener = _open_socket(family, timeout, opened)
            address = _listen(listener, _LOOPBACK[family])
            worth_another_try = _PORT_BUSY
            client = _open_socket(family, timeout, opened)
            client.setblocking(False)
            return listener, client, address, _ask_connect(client, address, _CONNECTING)
        except socket.error as error:
            if _number(error) not in worth_another_try or tries == _TRIES:
                raise
        while opened:
            opened[-1].close()
            opened.pop()


def _open_socket(family, timeout, opened):
    # By position: classes that replace socket.socket give its parameters other names.
    sock = socket.socket(family, socket.SOCK_STREAM, 0)
    opened.append(sock)
    if timeout is not None:
        # It is for the pair, not for us: Jython's bind() would heed it, and fail with a Java exception.
        sock.setblocking(True)
    return sock


def _listen(listener, host):
    """Listen on a free port of host and return the address, for connect()."""
    if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
        # Windows lets another process take over a port that was not bound exclusively.
        _set_if_allowed(listener, socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE)
    listener.bind((host, 0))
    listener.listen(_BACKLOG)
    # Jython has no port before listen(). Only the port is of use: a layered Windows provider
    # has said 0.0.0.0 for the host.
    return host, listener.getsockname()[1]


def _ask_connect(client, address, under_way):
    """Start to connect, or ask again: whether client is connected; socket.error if it failed."""
    try:
        code = client.connect_ex(address)
    except socket.error as error:
        # Some cooperative sockets raise what connect_ex should return; a raised 0 is no success.
        code = _number(error)
        if not code or code not in _CONNECTED | under_way:
            raise
    if code in _CONNECTED:
        return True
    if code in under_way:
        return False
    # Wine says ECONNABORTED of one that failed since it was last asked, and the reason only here.
    raise _connect_error(address, client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) or code)


def _connect_error(address, code):
    # By name, since os.strerror does not know Winsock's errors.
    name = errno.errorcode.get(code, "error %d" % code)
    return socket.error(code, "connect to %s port %d: %s" % (address + (name,)))


# Knowing: which of the connections that arrive is our client's.


def _accept_own(listener, client, address, connected, opened):
    """Return the accepted end of client's connection, once client is connected as well."""
    listener.settimeout(_FIRST_WAIT)
    sock, peer, ran_out = _accept(listener, opened)
    # Nobody else can have exactly client's address: on an ordinary machine this decides. On Jython
    # its connection may be there, and getpeername answer, before client can send.
    if peer == _name(client) and (connected or _ask_connect(client, address, _STILL_CONNECTING)):
        return sock
    return _Search(listener, client, address, connected, opened).find(sock, peer, ran_out)


def _accept(listener, opened):
    """Return the next connection and its peer's address, or None and None; and whether the wait ran out."""
    try:
        sock, peer = listener.accept()
        opened.append(sock)
        return sock, peer, False
    except socket.timeout:
        return None, None, True
    except socket.error as error:
        if _number(error) not in _NOBODY_CAME:
            raise
        return None, None, False


def _name(client):
    """Return client's address, or what is no address as long as it has none."""
    try:
        return client.getsockname()
    except socket.error as error:
        if _number(error) not in _NO_NAME_YET:
            raise
        return _NO_NAME


class _Guest(object):
    """A connection that was accepted, the address that it comes from, and what it has said."""

    def __init__(self, sock, peer):
        self.sock = sock
        self.peer = peer
        self.said = None  # as long as nobody has listened


class _Search(object):
    """For client's connection, where the first to come was not known by its address, or nobody came.

    A relay, as some proxies, VPNs and antiviruses are, connects on from an address of its own, and
    perhaps only when it was sent something. So client says random bytes, the proof, and its
    connection is the one that they come out of.
    """

    def __init__(self, listener, client, address, connected, opened):
        self.listener = listener
        self.client = client
        self.address = address
        self.connected = connected  # as far as client was asked
        self.opened = opened
        self.proof = self.unsent = b""
        self.came = 0
        self.guests = []  # who may yet be our client's
        self.strangers = []  # see part_from_strangers
        self.wait = _FIRST_WAIT  # for the next to come (seconds)
        self.left = _TIMEOUT  # for all waits (seconds)
        self.last_seen = _now()

    def find(self, sock, peer, ran_out):
        """Return client's connection; sock, from peer, is the first that came, if one did."""
        while True:
            own = self.own_guest(sock, peer)
            if own:
                self.part_from_strangers(own)
                return own.sock
            self.bound_guests()
            self.count_wait(ran_out)
            if self.left <= 0:
                raise self.timed_out()
            self.listener.settimeout(self.wait)
            sock, peer, ran_out = _accept(self.listener, self.opened)

    def own_guest(self, sock, peer):
        """Return the guest that is known to be client's, or None; sock is who has just come, if one has."""
        if sock is not None:
            self.came += 1
            self.guests.append(_Guest(sock, peer))
        of_our_address = self.guest_of_our_address()
        self.raise_late_failure()
        if not self.is_connected():
            return None
        # A proof that was sent has to be read off, and decides alone.
        if of_our_address and not self.proof:
            return of_our_address
        self.send_proof()
        heard = list(self.guests)
        if sock is not None:
            # Amid a crowd there is time for two: who has to go next, and who has just come.
            del heard[1:-1]
        return self.proved(heard)

    def guest_of_our_address(self):
        name = _name(self.client) if self.guests else _NO_NAME
        for guest in self.guests:
            if guest.peer == name:
                return guest
        return None

    def raise_late_failure(self):
        # Before connect is asked again, since Winsock then starts anew where it has failed.
        failure = self.client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if failure:
            raise _connect_error(self.address, failure)

    def is_connected(self):
        # .NET takes a needless question ill.
        self.connected = self.connected or _ask_connect(self.client, self.address, _STILL_CONNECTING)
        return self.connected

    def send_proof(self):
        if not self.proof:
            self.proof = self.unsent = os.urandom(_PROOF_SIZE)
        if self.unsent:
            try:
                self.unsent = self.unsent[self.client.send(self.unsent) :]
            except socket.error as error:
                if _number(error) not in _WOULD_BLOCK:
                    raise

    def proved(self, guests):
        """Return the one of these guests that has said the whole proof, or None."""
        for guest in guests:
            self.hear(guest)
            if guest.said == self.proof:
                return guest
        return None

    def hear(self, guest):
        """Take what guest has said of the proof, and turn it away if that was another or it hung up."""
        try:
            if guest.said is None:
                guest.sock.setblocking(False)
                guest.said = b""
            while len(guest.said) < _PROOF_SIZE:
                said = guest.sock.recv(_PROOF_SIZE - len(guest.said))
                if not said:
                    break
                guest.said += said
        except socket.error as error:
            if _number(error) in _WOULD_BLOCK:
                return
        # Not at the first wrong byte: who sees which byte we hang up at finds out all of them in turn.
        if guest.said != self.proof:
            self.turn_away(guest)

    def turn_away(self, guest):
        """Close a connection that is not ours. Nothing that comes of it ends the call."""
        self.guests.remove(guest)
        try:
            try:
                self.strangers.append(guest.sock.fileno())
            finally:
                guest.sock.close()
        except socket.error:
            # FreeBSD's close may say ECONNRESET; on Jython each of the two may say EBADF.
            pass
        self.opened.remove(guest.sock)

    def bound_guests(self):
        if len(self.guests) > _MOST_GUESTS:
            oldest, second = self.guests[:2]
            self.turn_away(second if oldest is self.guest_of_our_address() else oldest)

    def part_from_strangers(self, own):
        """Turn all others away, and see that none of them is collected before own is."""
        for guest in list(self.guests):
            if guest is not own:
                self.turn_away(guest)
        # Jython counts a connection out when it is closed and again when it is collected, and hangs up
        # on all that the listener accepted when it counts none. There fileno() is the socket itself.
        if self.strangers and os.name == "java":
            own.sock.fileno().strangers = self.strangers

    # Ending: how long we wait, and what is said then.

    def count_wait(self, ran_out):
        """Take what the last wait took from what is left."""
        now = _now()
        # A clock may stand still (freezegun, a debugger), and Python 2's may be set on Unix.
        spent = min(max(now - self.last_seen, 0), _LONGEST_STEP)
        self.last_seen = now
        if ran_out:
            spent = max(spent, self.wait)
            self.wait = min(2 * self.wait, _LONGEST_WAIT)
        else:
            self.wait = _FIRST_WAIT  # who has just come may say something in a moment
        self.left -= spent

    def timed_out(self):
        strangers = self.came - (self.guest_of_our_address() is not None)
        return socket.error(
            errno.ETIMEDOUT,
            "connect to %s port %d: our own connection was not made within %s s"
            " (%d from strangers were closed); a firewall, antivirus or proxy that intercepts"
            " loopback is the usual cause" % (self.address + (_TIMEOUT, strangers)),
        )


def _number(error):
    # On Windows Python 3 renames some of Winsock's numbers in errno.
    return getattr(error, "winerror", None) or error.errno


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


# Where it is put.


def install():
    """Set socket.socketpair to fallback_socketpair where the system has none of its own, or refuses it.

    The system has none on Windows, whose Pythons since 3.5 have an emulation of their own, on Jython and on
    WASI; a container's or a sandbox's policy may refuse it. Elsewhere nothing is done: a program for all
    systems may call it, before or after asyncio was imported, and more than once.
    """
    if _system_has_own():
        return
    _set_on_socket()
    global socketpair
    socketpair = fallback_socketpair
    # Those that have the function by name: a package around this file, and until Python 3.6 asyncio on Windows.
    for name in (__name__.rpartition(".")[0], "asyncio.windows_utils"):
        holder = sys.modules.get(name)
        if callable(getattr(holder, "socketpair", None)):
            holder.socketpair = fallback_socketpair


def _system_has_own():
    """Whether the operating system has a socketpair, and makes one: a pair is tried, and closed."""
    if not hasattr(_socket, "socketpair"):
        return False
    try:
        for end in _socket.socketpair():
            end.close()
    except socket.error as error:
        # For want of descriptors or memory nothing is refused.
        return error.errno in _numbers("EMFILE", "ENFILE", "ENOBUFS", "ENOMEM")
    return True


def _set_on_socket():
    socket.socketpair = fallback_socketpair
    names = getattr(socket, "__all__", None)  # Jython has none
    if names is not None and "socketpair" not in names:
        names.append("socketpair")


# Python 2 empties a module that nobody holds, even while its functions are in use.
fallback_socketpair.module = install.module = sys.modules.get(__name__)

if not hasattr(socket, "socketpair"):
    _set_on_socket()

socketpair = socket.socketpair
