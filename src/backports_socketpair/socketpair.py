# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The backports_socketpair authors
# type: ignore  # A stub beside this file has the types, and need not be there.
"""socket.socketpair() for Pythons that lack it, or whose own fails: one file, to import or to vendor.

Windows before Python 3.5 and Jython have no socket.socketpair. Importing this module there
defines one, made of a TCP connection over the loopback interface, and sets it on ``socket``.
Where Python has its own, ``socket`` is left as it is. Either way this module's ``socketpair``
is the one that ``socket`` has.

Windows from Python 3.5 on has one that is written in Python as well, and fails where a program on
the machine relays loopback, or a stranger connects first. ``replace_emulation()`` puts the function
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

__all__ = ["fallback_socketpair", "replace_emulation", "socketpair"]


def _numbers(*names):
    """The numbers that these errors have here; a system has not all of them."""
    return {getattr(errno, name) for name in names if hasattr(errno, name)}


# Literal addresses, since a hosts file may send "localhost" anywhere.
_LOOPBACK = {socket.AF_INET: "127.0.0.1"}
if hasattr(socket, "AF_INET6"):
    _LOOPBACK[socket.AF_INET6] = "::1"

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
_NO_NAME_YET = {errno.EINVAL, 10022}
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
    call = _Call(family)
    try:
        _listen_and_connect(call)
        server = _accept_own(call)
        for end in (server, call.client):
            # On Windows and BSD server may not block, while Python 2 believes that it does.
            end.settimeout(call.timeout)
            # Nagle's algorithm would hold the second of two small writes back for 40 ms.
            _set_if_allowed(end, socket.IPPROTO_TCP, socket.TCP_NODELAY)
        call.listener.close()
        return server, call.client
    except BaseException:  # KeyboardInterrupt and SystemExit leave nothing open either
        for sock in call.opened:
            _close_quietly(sock)
        raise


def _check_supported(family, type, proto):
    # A list, in which a family that cannot be hashed is not found either.
    if family not in list(_LOOPBACK) or type != socket.SOCK_STREAM or proto != 0:
        raise ValueError(
            "socketpair() supports AF_INET and AF_INET6, SOCK_STREAM and protocol 0,"
            " not family=%r, type=%r, proto=%r" % (family, type, proto)
        )


class _Call(object):
    """What one call has made and learnt so far."""

    def __init__(self, family):
        self.family = family
        self.timeout = socket.getdefaulttimeout()
        self.opened = []  # every socket that has to be closed if the call fails
        self.listener = self.client = self.address = None
        self.connected = False  # as far as client has been asked
        self.came = 0
        self.guests = []  # accepted, and perhaps our client's connection
        self.turned_away = []  # see _keep_with
        self.proof = self.unsent = b""


class _Guest(object):
    """A connection that was accepted, the address that it comes from, and what it has said."""

    def __init__(self, sock, peer):
        self.sock = sock
        self.peer = peer
        self.said = None  # as long as nobody has listened


# Making: a listener, and a client on its way to it.


def _listen_and_connect(call):
    tries = 0
    while True:
        tries += 1
        worth_another_try = _PORT_REFUSED
        try:
            _listen(call)
            worth_another_try = _PORT_BUSY
            call.client = _open_socket(call)
            call.client.setblocking(False)
            call.connected = _ask_connect(call, _CONNECTING)
            return
        except socket.error as error:
            if _number(error) not in worth_another_try or tries == _TRIES:
                raise
        while call.opened:
            call.opened[-1].close()
            call.opened.pop()


def _open_socket(call):
    # By position: classes that replace socket.socket give its parameters other names.
    sock = socket.socket(call.family, socket.SOCK_STREAM, 0)
    call.opened.append(sock)
    if call.timeout is not None:
        # It is for the pair, not for us: Jython's bind() would heed it, and fail with a Java exception.
        sock.setblocking(True)
    return sock


def _listen(call):
    host = _LOOPBACK[call.family]
    call.listener = _open_socket(call)
    if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
        # Windows lets another process take over a port that was not bound exclusively.
        _set_if_allowed(call.listener, socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE)
    call.listener.bind((host, 0))
    call.listener.listen(_BACKLOG)
    # Jython has no port before listen(). Only the port is of use: a layered Windows provider
    # has said 0.0.0.0 for the host.
    call.address = host, call.listener.getsockname()[1]


def _ask_connect(call, under_way):
    """Start to connect, or ask again: whether client is connected; socket.error if it failed."""
    try:
        code = call.client.connect_ex(call.address)
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
    raise _connect_error(call, call.client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) or code)


def _connect_error(call, code):
    # By name, since os.strerror does not know Winsock's errors.
    name = errno.errorcode.get(code, "error %d" % code)
    return socket.error(code, "connect to %s port %d: %s" % (call.address + (name,)))


# Knowing: which of the connections that arrive is our client's.


def _accept_own(call):
    """Return the accepted end of client's connection, once client is connected as well."""
    patience = _Patience()
    while patience.left > 0:
        came = _accept_within(patience, call)
        own = _own_guest(came, call)
        if own:
            call.guests.remove(own)
            for stranger in list(call.guests):
                _turn_away(stranger, call)
            _keep_with(own.sock, call.turned_away)
            return own.sock
        _bound_guests(call)
    raise _timed_out(call)


def _accept_within(patience, call):
    """Return the guest that came, or None."""
    call.listener.settimeout(patience.wait)
    try:
        sock, peer = call.listener.accept()
    except socket.timeout:
        patience.spend(ran_out=True)
        return None
    except socket.error as error:
        if _number(error) not in _NOBODY_CAME:
            raise
        patience.spend(ran_out=False)
        return None
    call.opened.append(sock)
    patience.spend(ran_out=False)
    call.came += 1
    call.guests.append(_Guest(sock, peer))
    return call.guests[-1]


def _own_guest(came, call):
    """Return the guest that is our client's connection, or None while that is not known."""
    of_our_address = _of_our_address(call)
    if came not in of_our_address:
        # Before connect is asked again, since Winsock then starts anew where it has failed.
        late_failure = call.client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if late_failure:
            raise _connect_error(call, late_failure)
    if of_our_address and not call.proof:
        # On Jython it may be there, and getpeername answer, before client can send.
        return of_our_address[0] if _is_connected(call) else None
    # Nobody came, or somebody else. A relay, as some proxies, VPNs and antiviruses are, has an
    # address of its own, and may connect on only when it was sent something.
    if not _is_connected(call):
        return None
    _send_proof(call)
    # Amid a crowd there is time for two: who has come, and who has to go next.
    return _proved_guest([each for each in call.guests if came in (None, each) or each is call.guests[0]], call)


def _of_our_address(call):
    """Return the guests that come from exactly client's address, which nobody else can have."""
    if not call.guests:
        return []
    try:
        name = call.client.getsockname()
    except socket.error as error:
        if _number(error) not in _NO_NAME_YET:
            raise
        return []
    return [guest for guest in call.guests if guest.peer == name]


def _is_connected(call):
    if not call.connected:
        call.connected = _ask_connect(call, _STILL_CONNECTING)
    return call.connected


def _send_proof(call):
    """Have client say what only the other end of its own connection can hear."""
    if not call.proof:
        call.proof = call.unsent = os.urandom(_PROOF_SIZE)
    if call.unsent:
        try:
            call.unsent = call.unsent[call.client.send(call.unsent) :]
        except socket.error as error:
            if _number(error) not in _WOULD_BLOCK:
                raise


def _proved_guest(guests, call):
    """Return the guest that has said the whole proof, or None, and turn away who said another."""
    for guest in guests:
        _hear(guest, call)
        if guest.said == call.proof:
            return guest
    return None


def _hear(guest, call):
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
    # Not at the first wrong byte: whoever sees which byte we hang up at finds out all of them in turn.
    if guest.said != call.proof:
        _turn_away(guest, call)


def _bound_guests(call):
    if len(call.guests) > _MOST_GUESTS:
        of_our_address = _of_our_address(call)
        _turn_away([guest for guest in call.guests if guest not in of_our_address][0], call)


def _turn_away(guest, call):
    """Close a connection that is not ours. Nothing that comes of it ends the call."""
    call.guests.remove(guest)
    try:
        try:
            call.turned_away.append(guest.sock.fileno())
        finally:
            guest.sock.close()
    except socket.error:
        # FreeBSD's close may say ECONNRESET; on Jython each of the two may say EBADF.
        pass
    call.opened.remove(guest.sock)


def _keep_with(server, turned_away):
    """See that no stranger is collected before server is."""
    # Jython counts a connection out when it is closed and again when it is collected, and hangs up
    # on all that the listener accepted when it counts none. There fileno() is the socket itself.
    if turned_away and os.name == "java":
        server.fileno().turned_away = turned_away


# Ending: how long we wait, and what is cleaned up.


class _Patience(object):
    """How long to wait for the next connection, and how much is left for all of them (seconds)."""

    def __init__(self):
        self.wait = _FIRST_WAIT
        self.left = _TIMEOUT
        self.last_seen = _now()

    def spend(self, ran_out):
        """Count a wait, which ran out or was ended before."""
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


def _timed_out(call):
    return socket.error(
        errno.ETIMEDOUT,
        "connect to %s port %d: our own connection was not made within %s s"
        " (%d from strangers were closed); a firewall, antivirus or proxy that intercepts"
        " loopback is the usual cause"
        % (call.address + (_TIMEOUT, call.came - len(_of_our_address(call)))),
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


def replace_emulation():
    """Set socket.socketpair to fallback_socketpair where it is not the operating system's.

    That is on Windows, whose Pythons since 3.5 have an emulation of their own, on Jython, and where
    an older backport came first. Elsewhere nothing is done: a program for all systems may call it,
    before or after asyncio was imported, and more than once.
    """
    if hasattr(_socket, "socketpair"):
        return
    _set_on_socket()
    global socketpair
    socketpair = fallback_socketpair
    # Those that have the function by name: a package around this file, and until Python 3.6 asyncio on Windows.
    for name in (__name__.rpartition(".")[0], "asyncio.windows_utils"):
        holder = sys.modules.get(name)
        if callable(getattr(holder, "socketpair", None)):
            holder.socketpair = fallback_socketpair


def _set_on_socket():
    socket.socketpair = fallback_socketpair
    names = getattr(socket, "__all__", None)  # Jython has none
    if names is not None and "socketpair" not in names:
        names.append("socketpair")


# Python 2 empties a module that nobody holds, even while its functions are in use.
fallback_socketpair.module = replace_emulation.module = sys.modules.get(__name__)

if not hasattr(socket, "socketpair"):
    _set_on_socket()

socketpair = socket.socketpair
