"""The same situations over our fallback and its peers; prints a table of what came of each.

    python3.13 tests/costs/compare.py

The peers are the socket._fallback_socketpair of the Python that runs this, and the copies in two releases of
kafka-python, which pip fetches; that of 2.0.2 is the older backports.socketpair's code. The last column is the
emulation of Windows CPython 3.13, under Wine. Each cell is a process of its own, with a limit in time. Besides this
Python it takes pypy3, python2.7 and what tests/pythons/run.sh takes. The exit status is 0 if ours did what it should in
every situation.
"""

from __future__ import print_function

import errno
import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import zipfile
from timeit import default_timer

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SOURCES = os.path.join(os.path.dirname(TESTS), "src")
sys.path[:0] = [TESTS, SOURCES]

from standins.relay import Relay
from standins.sockets import StandIn, passing_calls
from standins.strangers import Flooder, full_listener
from support import WINDOWS, RealSocket, close, load, open_sockets

OURS = os.path.join(SOURCES, "backports_socketpair", "socketpair.py")
CPYTHON = "socket._fallback_socketpair"
EMULATION = "socket.socketpair"
KAFKA_RELEASES = ("2.3.1", "2.0.2")
LIMIT = 15  # seconds; ours gives up after 10


def function_of(implementation):
    if implementation == CPYTHON:
        return socket._fallback_socketpair
    if implementation == EMULATION:
        return socket.socketpair
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
    for end in (first, second):
        end.settimeout(3)
    try:
        second.sendall(b"ours")
    except socket.error:
        pass  # its peer may be gone, and first have another
    try:
        if first.recv(100) != b"ours":
            return "stranger let in"
        first.sendall(b"ours")
        return "right pair" if second.recv(100) == b"ours" else "stranger let in"
    except socket.error as error:
        return "no pair: " + name_of(error)


def on_connect(function):
    """Have function(sock, address, connect) called in the place of each connect(address)."""

    class Hooked(StandIn):
        def connect(self, address):
            return function(self.real, address, self.real.connect)

        def connect_ex(self, address):
            return function(self.real, address, self.real.connect_ex)

    socket.socket = Hooked


def strangers_first(count):
    def connect_after_strangers(sock, address, connect):
        while len(strangers) < count:
            strangers.append(RealSocket(sock.family, socket.SOCK_STREAM))
            strangers[-1].connect(address)
            strangers[-1].sendall(b"stranger")
        return connect(address)

    on_connect(connect_after_strangers)


# The situations


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
            sock.bind(("127.0.0.1", 0))
            stranger.bind(("127.0.0.2", sock.getsockname()[1]))
            stranger.connect(address)
            stranger.sendall(b"stranger")
        return connect(address)

    on_connect(connect_after_namesake)
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
    tries = []

    def connect_but_once(sock, address, connect):
        tries.append(address)
        if len(tries) == 1:
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


def write_write_read(make):
    first, second = make()

    def exchange():
        started = default_timer()
        first.sendall(b"1")
        first.sendall(b"2")
        received = b""
        while len(received) < 2:
            received += second.recv(2)
        second.sendall(b"3")
        first.recv(1)
        return default_timer() - started

    return "%.1f ms" % (sorted(exchange() for _ in range(11))[5] * 1e3)


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


PYTHON3 = [sys.executable]
PYPY3 = ["pypy3"]
PYTHON27 = ["python2.7"]
JYTHON = [os.path.join(TESTS, "pythons", "run.sh"), "jython27"]
WINDOWS_313 = [os.path.join(TESTS, "pythons", "run.sh"), "win313"]
SITUATIONS = [
    ("plain pair, AF_INET", plain_ipv4, PYTHON3),
    ("plain pair, AF_INET6", plain_ipv6, PYTHON3),
    ("a stranger connects first", one_stranger, PYTHON3),
    ("sixty strangers connect first", sixty_strangers, PYTHON3),
    ("a stranger on 127.0.0.2 with our port", stranger_with_our_port, PYTHON3),
    ("a process that keeps connecting, 20 pairs", flood, PYTHON3),
    ("the connection never completes", never_completed, PYTHON3),
    ("default timeout 7.5, 100 pairs", default_timeout_7_5, PYTHON3),
    ("default timeout 0, 100 pairs", default_timeout_0, PYTHON3),
    ("Ctrl-C at each call", ctrl_c, PYTHON3),
    ("Ctrl-C at each call, on PyPy 3, which collects late", ctrl_c, PYPY3),
    ("connect finds the port busy, once", busy_port, PYTHON3),
    ("bind is refused a port, once", bind_refused, PYTHON3),
    ("accept passes on a stranger's error, once", strangers_error, PYTHON3),
    ("a program relays loopback", eager_relay, PYTHON3),
    ("the same, once it has the first byte", lazy_relay, PYTHON3),
    ("write, write, read", write_write_read, PYTHON3),
    ("signals at 10 kHz, 200 pairs", signals, PYTHON3),
    ("Python 2.7 on Linux", plain_ipv4, PYTHON27),
    ("Jython 2.7", plain_ipv4, JYTHON),
]

AS_IT_SHOULD_BE = r"right pair|nothing left open|TimeoutError ETIMEDOUT after 10 s|0\.\d ms"
# What the machine under Wine has all for.
ON_WINDOWS = (
    plain_ipv4,
    plain_ipv6,
    one_stranger,
    never_completed,
    default_timeout_7_5,
    bind_refused,
    strangers_error,
    eager_relay,
    lazy_relay,
    write_write_read,
)


def run_cell(row, implementation):
    _, situation, python = SITUATIONS[row]
    if implementation in (CPYTHON, EMULATION) and python is not PYTHON3:
        return "not there"
    if implementation == EMULATION:
        if situation not in ON_WINDOWS:
            return "not tried"
        python = WINDOWS_313
    process = subprocess.Popen(
        python + [os.path.abspath(__file__), str(row), implementation],
        stdout=subprocess.PIPE,
        universal_newlines=True,
        start_new_session=True,
    )
    try:
        # Jython takes its time to start, and may have to be built first.
        out, _ = process.communicate(timeout=LIMIT if python in (PYTHON3, WINDOWS_313) else 300)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return "hang, over %d s" % LIMIT
    assert process.returncode == 0, (SITUATIONS[row], implementation)
    return out.strip()


def fetch_kafka_copies(folder):
    for release in KAFKA_RELEASES:
        subprocess.check_call(
            [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check"]
            + ["--no-deps", "-d", folder, "kafka-python==" + release]
        )
        with zipfile.ZipFile(
            os.path.join(folder, "kafka_python-%s-py2.py3-none-any.whl" % release)
        ) as wheel:
            copy = os.path.join(folder, release + ".py")
            with open(copy, "wb") as target:
                target.write(wheel.read("kafka/vendor/socketpair.py"))
        yield "kafka-python " + release, copy


def main():
    if not hasattr(socket, "_fallback_socketpair"):
        sys.exit("CPython's fallback is compared as well: run this with Python 3.13 or newer")
    from concurrent.futures import ThreadPoolExecutor  # which the Pythons of the cells have not all

    folder = tempfile.mkdtemp()
    pool = ThreadPoolExecutor()
    try:
        implementations = [
            ("backports_socketpair", OURS),
            ("CPython " + platform.python_version(), CPYTHON),
        ]
        implementations += list(fetch_kafka_copies(folder))
        implementations.append(("Windows CPython 3.13", EMULATION))
        print_row(["situation"] + [name for name, _ in implementations])
        print_row(["---"] * (len(implementations) + 1))
        failures = 0
        for row, (words, _, _) in enumerate(SITUATIONS):
            cells = list(pool.map(lambda each, row=row: run_cell(row, each[1]), implementations))
            print_row([words] + cells)
            failures += re.match("(%s)$" % AS_IT_SHOULD_BE, cells[0]) is None
    finally:
        shutil.rmtree(folder)
    return int(failures > 0)


def print_row(cells):
    print("| " + " | ".join(cells) + " |")
    sys.stdout.flush()


if __name__ == "__main__":
    if len(sys.argv) == 1:
        sys.exit(main())
    else:
        print(SITUATIONS[int(sys.argv[1])][1](function_of(sys.argv[2])))
        sys.stdout.flush()
        # Threads that are left, as Jython's are, do not keep it.
        os._exit(0)
