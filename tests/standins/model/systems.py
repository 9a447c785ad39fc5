"""A table of the modelled systems, with the source of each fact."""

import errno
from collections import namedtuple

Facts = namedtuple(
    "Facts",
    "name"
    " os_name"  # os.name
    " platform"  # sys.platform; None: leave it as it is
    # the client
    " under_way"  # the result of connect_ex() while the client connects
    " refused"  # the error of a refused connection
    " too_soon"  # the error of send() and recv() before the client is connected
    " send_failed"  # the error of send() after a refused connection; None: the same as connect's
    " must_ask"  # whether connect_ex() must report the connection before send() works
    " must_poll"  # whether only a poll for writing completes a connect
    " reports_loss"  # whether SO_ERROR and send() report that the client was reset
    # an accepted socket
    " reset"  # the error of accept() for a connection that was reset; None: it returns the connection
    " pending"  # the errors of accept() for a connection with another error
    " gone"  # the error of every call on a connection that was reset, if all calls fail
    " close"  # the error of close() on such a connection
    " dead_peer"  # the error of getpeername() on such a connection; None: it returns None
    " reads_after_reset"  # whether bytes from before the reset can be read
    # addresses
    " hides_host"  # whether getsockname() returns 0.0.0.0 or :: instead of the host
    " mapped"  # the error of setsockopt() that prepares an IPv6 socket for a mapped address
    " ports_refused"  # the errors of bind(), listen() and connect() if no port is free; bind() raises the first
    " has_127",  # whether the other addresses of 127.0.0.0/8 are loopback addresses too
)

WINSOCK_NUMBERS = {"EAGAIN": 10035, "ECONNRESET": 10054, "EADDRNOTAVAIL": 10049, "EMFILE": 10024, "ENFILE": 10024}


class System(Facts):
    def number(self, name):
        """Return this system's number for an error that all systems have."""
        return WINSOCK_NUMBERS[name] if self.refused == 10061 else getattr(errno, name)

    def has_only_usual(self, is_ipv6):
        return not self.has_127 or is_ipv6 and (self.os_name != "posix" or self.mapped)


UNIX = System(
    name="Unix",
    os_name="posix",
    platform=None,
    under_way=errno.EINPROGRESS,
    refused=errno.ECONNREFUSED,
    too_soon=errno.ENOTCONN,
    send_failed=None,
    must_ask=False,
    must_poll=False,
    reports_loss=True,
    reset=None,
    pending=[errno.ECONNABORTED],
    gone=None,
    close=None,
    dead_peer=errno.ENOTCONN,
    reads_after_reset=False,
    hides_host=False,
    mapped=None,
    ports_refused=[errno.EADDRINUSE, errno.EADDRNOTAVAIL],
    has_127=True,
)

# Sources: Winsock's documentation of accept() and connect(); for ports_refused, reports of event loops on Windows.
WINSOCK = UNIX._replace(
    name="Winsock",
    os_name="nt",
    under_way=10035,
    refused=10061,
    too_soon=10057,
    send_failed=10057,
    reset=10054,
    pending=[10054, 10053],
    dead_peer=10057,
    ports_refused=[10048, 10049, 10013, 10055],
)

SYSTEMS = [
    # Sources: connect(2), accept(2), getpeername(2), and strace on Linux 6.
    UNIX._replace(
        name="Linux",
        pending=[errno.EPERM, errno.EHOSTUNREACH, errno.ENETDOWN],
        reads_after_reset=True,
        too_soon=errno.EAGAIN,
    ),
    # Sources: FreeBSD's accept(2) and close(2), and macOS's getpeername(2). The interface lo0 has only 127.0.0.1.
    UNIX._replace(name="BSD", reset=errno.ECONNABORTED, close=errno.ECONNRESET, dead_peer=errno.EINVAL, has_127=False),
    WINSOCK,
    # Source: reports of CPython's fallback on Windows. A layered provider changes the result of getsockname().
    WINSOCK._replace(name="Winsock, layered", hides_host=True),
    # Observed under Wine 8 and 10. Up to Python 3.4, accept() raises ENOTCONN if the peer has gone.
    WINSOCK._replace(name="Wine", send_failed=10053, reset=None, pending=[10053, errno.ENOTCONN], dead_peer=None),
    # Source: Jython 2.7.3's _socket.py. Observed: calls on an accepted socket raise EBADF if its peer has gone.
    UNIX._replace(
        name="Jython",
        os_name="java",
        refused=errno.ENOTCONN,
        must_ask=True,
        reports_loss=False,
        pending=[errno.ENOTCONN],
        gone=errno.EBADF,
        close=errno.EBADF,
    ),
]
if hasattr(errno, "ENOTSUP"):
    # Observed on CPython 3.14 and wasmtime 46. SO_ERROR is EINPROGRESS until a poll for writing.
    WASI = UNIX._replace(name="WASI", platform="wasi", too_soon=errno.ENOTSUP, must_poll=True, mapped=errno.ENOPROTOOPT)
    SYSTEMS.append(WASI)
