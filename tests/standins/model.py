"""The systems' sockets as the module sees them, in virtual time: no thread, no sleep, no network.

A World is one call's surroundings: a system with its ways (SYSTEMS, in one table, with where each is known from), a
fate for the client's connection (FATES), and strangers. What the module must never do is an AssertionError on the spot.
"""

import errno
import heapq
import itertools
import socket
from collections import namedtuple

A_CALL = 2e-6  # seconds that each call takes

def numbers(*names):
    return [getattr(errno, name) for name in names if hasattr(errno, name)]


System = namedtuple(
    "System",
    "name"
    " under_way"  # what the first connect_ex says
    " again"  # what it says when it is asked again meanwhile, in turn
    " done"  # ... once it is connected
    " refused"  # the reason, as SO_ERROR has it
    " asked_after_failing"  # what connect_ex then says: "reason", "anew" (it starts again) or a number
    " inherits"  # whether an accepted socket is non-blocking as the listener is
    " reset"  # what accept says of a stranger that has reset its connection; None: it is handed out
    " pending"  # what accept says of a stranger on whose socket an error was pending
    " gone"  # what every call on an accepted socket says whose stranger has gone; None: as the others
    " close"  # what close says then
    " nameless"  # the address that accept tells of one that has gone; "own": as of the others
    " name_early"  # the client's name while it connects: "own", "any" (0.0.0.0) or a number that is raised
    " name_late",  # ... and once it is connected: "own", "any" or "spelt" (another way than accept does)
)

SYSTEMS = [
    # connect(2), accept(2), and what strace shows on Linux 6.
    System(
        "Linux", errno.EINPROGRESS, [errno.EALREADY], 0, errno.ECONNREFUSED, "reason",
        False, None, numbers("EPROTO", "EPERM", "EHOSTUNREACH", "ENETDOWN"), None, None, "own", "own", "own",
    ),
    # FreeBSD's accept(2) and close(2), which has ECONNRESET.
    System(
        "FreeBSD", errno.EINPROGRESS, [errno.EALREADY], errno.EISCONN, errno.ECONNREFUSED, errno.EINVAL,
        True, errno.ECONNABORTED, [errno.ECONNABORTED], None, errno.ECONNRESET, "own", "own", "own",
    ),
    # CPython's reports of an accept() that told no peer.
    System(
        "macOS", errno.EINPROGRESS, [errno.EALREADY], errno.EISCONN, errno.ECONNREFUSED, errno.EINVAL,
        True, None, [errno.ECONNABORTED], None, None, None, "own", "own",
    ),
    # Winsock's documentation of connect, which names all three answers of the second question.
    System(
        "Winsock", 10035, [10037, 10022, 10035], 10056, 10061, "anew",
        True, 10054, [10054, 10053], None, None, "own", "own", "own",
    ),
    # A layered provider's getsockname, as reported of CPython's fallback on Windows.
    System(
        "Winsock, layered", 10035, [10022], 10056, 10061, "anew",
        True, 10054, [10054], None, None, "own", "any", "any",
    ),
    # Seen under Wine 8: the reason is SO_ERROR's alone.
    System(
        "Wine", 10035, [10037], 10056, 10061, 10053,
        True, 10054, [10053], None, None, "own", "own", "own",
    ),
    # Jython 2.7.3's _socket.py: no name before it is connected, ::1 spelt out, EBADF of what has gone.
    System(
        "Jython", errno.EINPROGRESS, [errno.EINPROGRESS], errno.EISCONN, errno.ENOTCONN, "reason",
        False, None, [errno.ENOTCONN], errno.EBADF, errno.EBADF, "own", "any", "spelt",
    ),
    # Seen by hand on mono and .NET: getsockname raises while it connects.
    System(
        ".NET", 10035, [10037], 10056, 10061, 10022,
        True, 10054, [10054], None, None, "own", 10022, "own",
    ),
]

# What becomes of the client's connection: seconds until it is there to be accepted, and until client is connected.
Fate = namedtuple("Fate", "name arrives connected fails relay takes result")


def fate(name, arrives=None, connected=None, fails=None, relay=None, takes=0.0, result="pair"):
    return Fate(name, arrives, connected, fails, relay, takes, result)


SOON, LATE, VERY_LATE = 0.0002, 0.4, 1.2
FATES = [
    fate("at once", 0, 0),
    fate("soon", SOON, SOON),
    fate("late", LATE, LATE),
    fate("very late", VERY_LATE, VERY_LATE),
    fate("connected before it can be accepted", 2 * SOON, 0),
    fate("connected long before it can be accepted", LATE, SOON),
    fate("accepted before it is connected", 0, 2 * SOON),
    fate("accepted long before it is connected", SOON, LATE),
    fate("refused at once", fails=0, result="refused"),
    fate("refused soon", fails=SOON, result="refused"),
    fate("refused late", fails=LATE, result="refused"),
    fate("never", result="timed out"),
    fate("accepted but never connected", arrives=SOON, result="timed out"),
    fate("reset before it is accepted", SOON, SOON / 2, fails=SOON / 2, result="lost"),
    fate("relayed", connected=0, relay="eager", takes=0.001),
    fate("relayed late", connected=LATE, relay="eager", takes=0.001),
    fate("relayed by one that takes a second", connected=SOON, relay="eager", takes=1.0),
    fate("relayed when the first byte has come", connected=SOON, relay="lazy", takes=0.001),
    fate("relayed late when the first byte has come", connected=LATE, relay="lazy", takes=0.001),
    fate("relayed by one that takes a second from the first byte", connected=SOON, relay="lazy", takes=1.0),
    fate("relayed a byte at a time", connected=SOON, relay="trickling", takes=0.001),
    fate("relayed by one that hangs up", connected=SOON, relay="hanging up", takes=0.3, result="timed out"),
    fate("relayed by one that resets", connected=SOON, relay="resetting", takes=0.3, result="lost"),
    fate("relayed by one that never connects on", connected=SOON, relay="never", result="timed out"),
]
A_BYTE = 0.01  # seconds, in the relay that trickles

STRANGERS = ["wrong later", "silent", "closing", "resetting", "wrong", "half", "pending"]
MOMENTS = [0.0, 0.0015, 0.25]  # seconds after the listener listens, the first before the client connects
OWN, RELAYS, ANY = ("127.0.0.1", 40000), ("127.0.0.1", 50000), ("0.0.0.0", 0)


class End(object):
    """One side of a connection, in the kernel."""

    def __init__(self):
        self.other = None
        self.incoming = b""
        self.sent = b""
        self.finished = False  # nothing more comes
        self.reset = False
        self.pass_on = None  # a relay's: what it does with what comes

    def send(self, data):
        self.sent += data
        if self.other.pass_on:
            self.other.pass_on(data)
        else:
            self.other.incoming += data

    def hang_up(self, reset=False):
        self.other.finished = True
        self.other.reset = reset


def connection():
    near, far = End(), End()
    near.other, far.other = far, near
    return near, far


class World(object):
    def __init__(self, system, fate, strangers, crowd=0, crowd_later=0, clock_runs=True):
        self.system = system
        self.fate = fate
        self.strangers = strangers
        self.crowd = crowd
        self.crowd_later = crowd_later
        self.clock_runs = clock_runs
        self.time = 0.0
        self.events = []
        self.order = itertools.count()
        self.queue = []  # ends to be accepted, with their peers' addresses
        self.client = self.listener = self.own_end = None
        self.made = []
        self.held = self.most_held = 0  # accepted and not closed

    # Time

    def now(self):
        return self.time if self.clock_runs else 0.0

    def after(self, delay, action, *args):
        heapq.heappush(self.events, (self.time + delay, next(self.order), action, args))

    def pass_time(self, seconds, until=()):
        """Have so much time pass, or less if there is something in until."""
        end = self.time + seconds
        while not until:
            if not self.events or self.events[0][0] > end:
                self.time = end
                return
            self.time, _, action, args = heapq.heappop(self.events)
            action(*args)

    # Strangers

    def listened(self):
        self.crowd_comes(range(self.crowd))
        self.after(MOMENTS[1], self.crowd_comes, range(self.crowd, self.crowd + self.crowd_later))
        for number, (kind, moment) in enumerate(self.strangers, 1000):
            if moment:
                self.after(moment, self.stranger_comes, kind, number)
            else:
                self.stranger_comes(kind, number)

    def crowd_comes(self, numbers):
        for number in numbers:
            self.stranger_comes("silent", number)

    def stranger_comes(self, kind, number):
        if self.listener.closed:
            return
        near, far = connection()
        far.kind = kind
        peer = ("127.0.0.1", 41000 + number)
        if kind == "closing":
            near.hang_up()
        elif kind in ("resetting", "pending"):
            near.hang_up(reset=True)
        elif kind == "wrong":
            near.send(b"w" * 16)
        elif kind == "wrong later":
            self.after(0.05, near.send, b"w" * 16)
        elif kind == "half":
            near.send(b"h" * 8)
        self.queue.append((far, peer))

    # The client's fate

    def client_connects(self):
        fate, near = self.fate, End()
        self.client.end = near
        if fate.fails is not None and fate.result == "refused":
            self.do(fate.fails, self.client_fails, self.system.refused)
        if fate.connected is not None:
            self.do(fate.connected, self.client_connected)
        if not fate.relay:
            near, self.own_end = connection()
            self.client.end = near
            self.own_end.kind = "own"
            if fate.arrives is not None:
                self.do(fate.arrives, self.queue.append, (self.own_end, OWN))
            if fate.result == "lost":
                self.do(fate.fails, self.client_lost)

    def do(self, delay, action, *args):
        if delay:
            self.after(delay, action, *args)
        else:
            action(*args)

    def client_connected(self):
        self.client.state = "connected"
        if self.fate.relay:
            Relay(self)

    def client_fails(self, number):
        self.client.state = "failed"
        self.client.pending = number

    def client_lost(self):
        self.client.pending = 10054 if self.system.refused > 10000 else errno.ECONNRESET
        self.client.end.reset = self.own_end.reset = True


class Relay(object):
    """Connected with client, it connects on to the listener from an address of its own, or does not."""

    def __init__(self, world):
        self.world = world
        world.client.end, self.near = connection()
        self.far, world.own_end = connection()
        world.own_end.kind = "own"
        self.asked = False
        self.held = b""
        self.connected_on = False
        self.near.pass_on = self.forward
        self.far.pass_on = self.near.send
        how, takes = world.fate.relay, world.fate.takes
        if how in ("eager", "trickling"):
            world.after(takes, self.connect_on)
        elif how == "hanging up":
            world.after(takes, self.near.hang_up)
        elif how == "resetting":
            world.after(takes, world.client_lost)

    def connect_on(self):
        self.connected_on = True
        if not self.world.listener.closed:
            self.world.queue.append((self.world.own_end, RELAYS))
        data, self.held = self.held, b""
        self.forward(data)

    def forward(self, data):
        world = self.world
        if not self.connected_on:
            self.held += data
            if world.fate.relay == "lazy" and not self.asked:
                self.asked = True
                world.after(world.fate.takes, self.connect_on)
        elif world.fate.relay == "trickling":
            for place in range(len(data)):
                world.after((place + 1) * A_BYTE, self.far.send, data[place : place + 1])
        else:
            self.far.send(data)


class Socket(object):
    """What stands for socket.socket, in the world that Sockets was given last."""

    world = None

    def __init__(self, family=socket.AF_INET, type=socket.SOCK_STREAM, proto=0, end=None):
        self.closed = 0  # how often
        self.timeout = None  # as Python believes
        self.blocks = True  # as the system has it
        self.end = end
        self.state = "new"
        self.pending = 0
        self.asked = 0
        self.has_told = False
        self.world.made.append(self)

    def call(self):
        assert not self.closed, "used after it was closed"
        self.world.time += A_CALL
        if self.state == "accepted" and self.end.reset and self.world.system.gone:
            raise socket.error(self.world.system.gone, "gone")

    def bind(self, address):
        self.call()
        assert address == ("127.0.0.1", 0)

    def listen(self, backlog):
        self.call()
        self.state = "listening"
        self.world.listener = self
        self.world.listened()

    def getsockname(self):
        self.call()
        system = self.world.system
        if self.state == "listening":
            return "127.0.0.1", 30000
        assert self.state not in ("new", "accepted")
        name = system.name_late if self.state == "connected" else system.name_early
        if name == "own":
            return OWN
        if name == "any":
            return ANY
        if name == "spelt":
            return ("0:0:0:0:0:0:0:1", OWN[1])
        raise socket.error(name, "no name yet")

    def settimeout(self, seconds):
        self.call()
        self.timeout = seconds
        self.blocks = seconds is None

    def setblocking(self, blocks):
        self.settimeout(None if blocks else 0.0)

    def setsockopt(self, level, option, value):
        self.call()

    def getsockopt(self, level, option):
        self.call()
        assert (level, option) == (socket.SOL_SOCKET, socket.SO_ERROR)
        pending, self.pending = self.pending, 0
        return pending

    def connect_ex(self, address):
        self.call()
        assert address == ("127.0.0.1", 30000)
        assert not self.blocks, "connect would block"
        world, system = self.world, self.world.system
        if self.state == "new":
            self.state = "connecting"
            world.client = self
            world.client_connects()
            if self.state == "failed":
                return system.refused
            self.has_told = self.state == "connected"
            return 0 if self.has_told else system.under_way
        if self.state == "connecting":
            self.asked += 1
            return system.again[self.asked % len(system.again)]
        if self.state == "connected":
            if self.pending:
                return self.pending
            assert not self.has_told, "asked again though it has said that it is connected"
            self.has_told = True
            return system.done
        if system.asked_after_failing == "anew":
            self.state, reason, self.pending = "connecting", self.pending or system.refused, 0
            world.after(2.0, world.client_fails, reason)
            return system.under_way
        return self.pending if system.asked_after_failing == "reason" else system.asked_after_failing

    def accept(self):
        self.call()
        assert self.timeout is not None, "accept would block for ever"
        assert self.timeout > 0, "eventlet would hand out a socket that is none of its own"
        world, system = self.world, self.world.system
        world.pass_time(self.timeout, until=world.queue)
        if not world.queue:
            raise socket.timeout("timed out")
        end, peer = world.queue.pop(0)
        if end.kind == "pending":
            raise socket.error(system.pending[int(peer[1]) % len(system.pending)], "of the new socket")
        if end.reset and system.reset:
            raise socket.error(system.reset, "it has gone")
        if end.reset and system.nameless != "own":
            peer = system.nameless
        accepted = Socket(end=end)
        accepted.state = "accepted"
        accepted.blocks = not system.inherits
        world.held += 1
        world.most_held = max(world.most_held, world.held)
        return accepted, peer

    def recv(self, size):
        self.call()
        end = self.end
        if end.reset:
            raise socket.error(10054 if self.world.system.refused > 10000 else errno.ECONNRESET, "reset")
        if not end.incoming:
            if end.finished:
                return b""
            assert not self.blocks, "recv would block for ever"
            raise socket.error(errno.EAGAIN if self.world.system.refused < 10000 else 10035, "nothing yet")
        data, end.incoming = end.incoming[:size], end.incoming[size:]
        return data

    def send(self, data):
        self.call()
        assert self.state == "connected", "a send that would fail"
        assert not self.blocks, "send would block"
        self.end.send(data)
        return len(data)

    def fileno(self):
        self.call()
        return self

    def close(self):
        self.closed += 1
        self.world.time += A_CALL
        if self.closed > 1 or self.state != "accepted":
            return
        self.world.held -= 1
        if self.end.reset and self.world.system.close:
            raise socket.error(self.world.system.close, "closed all the same")


class Sockets(object):
    """What stands for the module socket."""

    error, timeout = socket.error, socket.timeout
    AF_INET, SOCK_STREAM = socket.AF_INET, socket.SOCK_STREAM
    SOL_SOCKET, SO_ERROR, SO_EXCLUSIVEADDRUSE = socket.SOL_SOCKET, socket.SO_ERROR, -5
    IPPROTO_TCP, TCP_NODELAY = socket.IPPROTO_TCP, socket.TCP_NODELAY
    socket = Socket

    def __init__(self, world):
        Socket.world = world

    def getdefaulttimeout(self):
        return None
