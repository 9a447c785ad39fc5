"""What comes of a function that makes pairs, in situations that it may be in: compare.py runs each in a process.

    python3 tests/costs/situations.py SITUATION IMPLEMENTATION

An implementation is a file that sets socket.socketpair, or the name of a function of socket.
"""

from __future__ import print_function

import errno
import os
import signal
import socket
import sys
from timeit import default_timer

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [TESTS, os.path.join(os.path.dirname(TESTS), "src")]

from standins.relay import Relay
from standins.sockets import StandIn, passing_calls
from standins.strangers import Flooder, connect_and_reset, full_listener
from support import SENT, WINDOWS, RealSocket, close, load, open_sockets, what_arrives, write_write_read


def function_of(implementation):
    if implementation.startswith("socket."):
        return getattr(socket, implementation[len("socket.") :])
    if hasattr(socket, "socketpair"):
        del socket.socketpair
    # Python 2 empties a module that nobody holds.
    loaded.append(load(implementation, "implementation"))
    return socket.socketpair


loaded = []
strangers = []  # those of the situations, so as not to count them


def outcome_of(make, *args):
    """Call make and say in a few words what came of it."""
    before = open_sockets()
    started = default_timer()
    try:
        pair = make(*args)
    except Exception as error:
        took = default_timer() - started
        words = [name_of(error)]
        close(*strangers)
        if took > 1:
            words.append("after %.0f s" % took)
        if open_sockets() != before:
            words.append("and %d sockets left open" % (open_sockets() - before))
        return " ".join(words)
    outcome = outcome_of_pair(*pair)
    close(*pair)
    close(*strangers)
    return outcome


def name_of(error):
    if isinstance(error, AttributeError):
        return "AttributeError: " + str(error).split("'")[-2]
    number = getattr(error, "errno", None)
    return type(error).__name__ + (" " + errno.errorcode[number] if number else "")


def outcome_of_pair(first, second):
    arrived = what_arrives(first, second)
    if arrived == list(reversed(SENT)):
        return "right pair"
    errors = [each for each in arrived if isinstance(each, Exception)]
    return "no pair: " + name_of(errors[0]) if len(errors) == 2 else "stranger let in"


def on_connect(function):
    """Have function(sock, address, connect) called in the place of each connect(address)."""

    class Hooked(StandIn):
        def connect(self, address):
            return function(self.real, address, self.real.connect)

        def connect_ex(self, address):
            return function(self.real, address, self.real.connect_ex)

    socket.socket = Hooked


def bind(sock, address):
    """Bind a client that is not bound yet."""
    if not sock.getsockname()[1]:
        sock.bind(address)


def strangers_first(count):
    def connect_after_strangers(sock, address, connect):
        while len(strangers) < count:
            strangers.append(RealSocket(sock.family, socket.SOCK_STREAM))
            strangers[-1].connect(address)
            strangers[-1].sendall(b"stranger")
        return connect(address)

    on_connect(connect_after_strangers)


# The situations: each takes the function, and returns a few words


def plain_ipv4(make):
    return outcome_of(make, socket.AF_INET)


def plain_ipv6(make):
    return outcome_of(make, socket.AF_INET6)


def one_stranger(make):
    strangers_first(1)
    return outcome_of(make)


def sixty_strangers(make):
    strangers_first(60)
    return outcome_of(make)


def stranger_with_our_port(make):
    def connect_after_namesake(sock, address, connect):
        if not strangers:
            stranger = RealSocket(socket.AF_INET, socket.SOCK_STREAM)
            strangers.append(stranger)
            bind(sock, ("127.0.0.1", 0))
            stranger.bind(("127.0.0.2", sock.getsockname()[1]))
            stranger.connect(address)
            stranger.sendall(b"stranger")
        return connect(address)

    on_connect(connect_after_namesake)
    return outcome_of(make)


def dead_stranger_with_our_port(make):
    bound = []

    def connect_after_dead(sock, address, connect):
        if sock not in bound:
            bound.append(sock)
            bind(sock, (address[0], connect_and_reset(sock.family, address)))
        return connect(address)

    on_connect(connect_after_dead)
    return outcome_of(make)


def flood(make):
    flooder = Flooder()

    class Flooded(StandIn):
        def listen(self, *backlog):
            self.real.listen(*backlog)
            flooder.flood(*self.real.getsockname()[:2])

    socket.socket = Flooded
    outcomes = [outcome_of(make) for _ in range(20)]
    flooder.stop()
    return in_short(outcomes)


def never_completed(make):
    listener, _fillers = full_listener(socket.AF_INET, "127.0.0.1")
    on_connect(lambda sock, address, connect: connect(listener.getsockname()))
    return outcome_of(make)


def default_timeout(make, seconds):
    socket.setdefaulttimeout(seconds)
    outcomes = []
    for _ in range(100):
        try:
            pair = make()
        except socket.error as error:
            outcomes.append(name_of(error))
            continue
        timeouts = [end.gettimeout() for end in pair]
        outcome = outcome_of_pair(*pair)
        close(*pair)
        if timeouts != [seconds, seconds]:
            outcome += ", timeouts %s and %s" % tuple(timeouts)
        outcomes.append(outcome)
    return in_short(outcomes)


def default_timeout_7_5(make):
    return default_timeout(make, 7.5)


def default_timeout_0(make):
    return default_timeout(make, 0.0)


def ctrl_c(make):
    """Ctrl-C at each call in turn; what is then open is counted before any collection."""
    calls = []
    interrupted_at = [None]

    def count(name, call):
        calls.append(name)
        if len(calls) == interrupted_at[0]:
            raise KeyboardInterrupt
        return call()

    socket.socket = passing_calls(count)
    pair = make()
    total = len(calls)
    close(*(end.real for end in pair))
    del pair
    left_open = []
    for number in range(1, total + 1):
        del calls[:]
        interrupted_at[0] = number
        before = open_sockets()
        try:
            close(*(end.real for end in make()))
        except KeyboardInterrupt:
            pass
        if open_sockets() > before:
            left_open.append(calls[-1])
    if left_open:
        return "something left open after %d of %d calls" % (len(left_open), total)
    return "nothing left open"


def busy_port(make):
    attempts = []

    def connect_but_once(sock, address, connect):
        attempts.append(address)
        if len(attempts) == 1:
            raise socket.error(errno.EADDRINUSE, "Address already in use")
        return connect(address)

    on_connect(connect_but_once)
    return outcome_of(make)


def relayed(make, how):
    def make_relayed():
        relay = Relay(socket.AF_INET, how)
        socket.socket = relay.relayed()
        try:
            return make()
        except Exception:
            relay.stop()
            raise

    return outcome_of(make_relayed)


def eager_relay(make):
    return relayed(make, "eager")


def lazy_relay(make):
    return relayed(make, "lazy")


def failing_once(call, code):
    """Have a call fail once."""
    failed = []

    def pass_on(name, forward):
        if name == call and not failed:
            failed.append(name)
            raise socket.error(code, os.strerror(code))
        return forward()

    socket.socket = passing_calls(pass_on)


def bind_refused(make):
    failing_once("bind", 10013 if WINDOWS else errno.EADDRINUSE)
    return outcome_of(make)


def strangers_error(make):
    failing_once("accept", errno.ECONNABORTED if WINDOWS else errno.EPROTO)
    return outcome_of(make)


def two_small_writes(make):
    ends = make()
    return "%.1f ms" % (sorted(write_write_read(*ends) for _ in range(11))[5] * 1e3)


def ports_used_up(make):
    """Each pair leaves a port in TIME_WAIT, where there are 1,000."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", "w") as ports:
        ports.write("40000 40999")
    for number in range(3000):
        try:
            first, second = make()
        except socket.error as error:
            return "%s after %d" % (name_of(error), number)
        close(first, second)
    return "right pair"


def signals(make):
    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, 0.0001, 0.0001)
    outcomes = [outcome_of(make) for _ in range(200)]
    signal.setitimer(signal.ITIMER_REAL, 0)
    return in_short(outcomes)


def in_short(outcomes):
    counts = [(outcomes.count(outcome), outcome) for outcome in set(outcomes)]
    if len(counts) == 1:
        return outcomes[0]
    return ", ".join("%d x %s" % each for each in sorted(counts, reverse=True))


if __name__ == "__main__":
    name, implementation = sys.argv[1:]
    print(globals()[name](function_of(implementation)))
    sys.stdout.flush()
    # Threads that are left, as Jython's are, do not keep it.
    os._exit(0)
