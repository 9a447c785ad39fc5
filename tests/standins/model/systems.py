"""The systems and their ways, in one table, with where each is known from."""

import errno
from collections import namedtuple


def numbers(*names):
    """The numbers that these errors have here; a system has not all of them."""
    return [getattr(errno, name) for name in names if hasattr(errno, name)]


Ways = namedtuple(
    "Ways",
    "name"
    # connect_ex
    " under_way"  # what the first says
    " again"  # what the next ones say meanwhile, in turn
    " done"  # ... once it is connected
    " refused"  # the reason of a failure, as SO_ERROR has it
    " asked_after_failing"  # what connect_ex then says: "reason", "anew" (it starts again) or a number
    # an accepted socket
    " inherits"  # whether it is non-blocking as the listener is
    " reset"  # what accept says of a stranger that has reset its connection; None: it is handed out
    " names_reset"  # ... with its address; else with None
    " pending"  # what accept says of a stranger on whose socket an error was pending
    " gone"  # what every call on an accepted socket says whose stranger has gone; None: as the others
    " close"  # what close says then
    " dead_peer"  # what getpeername says then: a number, or None, which it returns, or "stays", as if it lived
    " reads_after_reset"  # whether what had come before the reset is still received
    # addresses
    " remembers_peer"  # whether a client that was reset still has one
    " no_peer"  # what getpeername of a client says that has no peer
    " early"  # the client's local address while it connects: "own", "any", "the end" or a number that is raised
    " local"  # a local address: "own", "any" (0.0.0.0 and the port); "spelt" is "own", and ::1 in full
    # the rest
    " os_name"  # os.name and sys.platform, where they are told by them; else None
    " platform"
    " too_soon"  # what send says before the client is connected
    " ports_refused"  # what bind, listen and connect say of a port that is refused
    " has_127"  # whether the other addresses of 127.0.0.0/8 are loopback addresses too
    " must_ask"  # whether connect_ex has to say that the client is connected before it can send
    " must_poll"  # whether only a poll for writing finishes a connect
    " tells_loss",  # whether a client that was reset is told of it
)

WINSOCK_NUMBERS = {"EAGAIN": 10035, "ECONNRESET": 10054, "EPIPE": 10053}


class System(Ways):
    def number(self, name):
        """What this system calls one of the errors that all have."""
        return WINSOCK_NUMBERS[name] if self.refused == 10061 else getattr(errno, name)


UNIX = System(
    name="Unix",
    under_way=errno.EINPROGRESS,
    again=[errno.EALREADY],
    done=errno.EISCONN,
    refused=errno.ECONNREFUSED,
    asked_after_failing=errno.EINVAL,
    inherits=False,
    reset=None,
    names_reset=True,
    pending=[errno.ECONNABORTED],
    gone=None,
    close=None,
    dead_peer=errno.ENOTCONN,
    remembers_peer=False,
    reads_after_reset=False,
    no_peer=errno.ENOTCONN,
    early="own",
    local="own",
    os_name=None,
    platform=None,
    too_soon=errno.ENOTCONN,
    ports_refused=numbers("EADDRINUSE", "EADDRNOTAVAIL"),
    has_127=True,
    must_ask=False,
    must_poll=False,
    tells_loss=True,
)

# Winsock's documentation: of connect, which names all three answers of the second question; of accept, which says
# WSAECONNRESET of who has gone. The ports' as reported of event loops on Windows.
WINSOCK = UNIX._replace(
    name="Winsock",
    under_way=10035,
    again=[10037, 10022, 10035],
    done=10056,
    refused=10061,
    asked_after_failing="anew",
    inherits=True,
    reset=10054,
    pending=[10054, 10053],
    dead_peer=10057,
    remembers_peer=True,  # seen under Wine 10
    os_name="nt",
    no_peer=10057,
    too_soon=10057,
    ports_refused=[10048, 10049, 10013, 10055],
)

SYSTEMS = [
    # connect(2), accept(2), getpeername(2), and what strace shows on Linux 6. A connection that was reset before it was
    # accepted stays in the queue with what it had sent.
    UNIX._replace(
        name="Linux",
        done=0,
        asked_after_failing="reason",
        pending=numbers("EPROTO", "EPERM", "EHOSTUNREACH", "ENETDOWN"),
        reads_after_reset=True,
        too_soon=errno.EAGAIN,
    ),
    # FreeBSD's accept(2) and close(2), which has ECONNRESET. lo0 has 127.0.0.1 alone.
    UNIX._replace(name="FreeBSD", inherits=True, reset=errno.ECONNABORTED, close=errno.ECONNRESET, has_127=False),
    # CPython's reports of an accept() that told no peer; getpeername(2), whose EINVAL is of a socket that was shut.
    UNIX._replace(name="macOS", inherits=True, names_reset=False, dead_peer=errno.EINVAL, has_127=False),
    WINSOCK,
    # A layered provider's getsockname, as reported of CPython's fallback on Windows.
    WINSOCK._replace(name="Winsock, layered", again=[10022], pending=[10054], early="any", local="any"),
    # Seen under Wine 8 and 10: the reason is SO_ERROR's alone, and a peer that has gone is None, at which accept says
    # ENOTCONN until Python 3.4.
    WINSOCK._replace(
        name="Wine",
        again=[10037],
        asked_after_failing=10053,
        reset=None,
        names_reset=False,
        pending=[10053, errno.ENOTCONN],
        dead_peer=None,
    ),
    # Jython 2.7.3's _socket.py, and seen: a peer from the first connect_ex on, a local address that stays what it was
    # when it was first asked for, sends of no byte on what has gone, EBADF of an accepted socket that has, whose peer
    # is told all the same.
    UNIX._replace(
        name="Jython",
        refused=errno.ENOTCONN,
        asked_after_failing="reason",
        pending=[errno.ENOTCONN],
        gone=errno.EBADF,
        close=errno.EBADF,
        dead_peer="stays",
        remembers_peer=True,
        early="any",
        local="spelt",
        os_name="java",
        must_ask=True,
        tells_loss=False,
    ),
    # Seen by hand on mono and .NET: getsockname raises while it connects.
    WINSOCK._replace(name=".NET", again=[10037], asked_after_failing=10022, pending=[10054], early=10022),
]
if hasattr(errno, "ENOTSUP"):
    # Seen on CPython 3.14 and wasmtime 46: SO_ERROR says EINPROGRESS until there was a poll for writing, and
    # getsockname meanwhile is a trap in the host, which ends the process.
    SYSTEMS.append(
        UNIX._replace(
            name="WASI",
            asked_after_failing="reason",
            early="the end",
            platform="wasi",
            too_soon=errno.ENOTSUP,
            must_poll=True,
        )
    )
