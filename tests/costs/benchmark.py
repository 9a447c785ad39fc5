"""Measures what a pair costs, compared with Python's own: socket._fallback_socketpair or, on Windows, its socketpair.

    python3.13 tests/costs/benchmark.py [--quick]
    tests/pythons/run.sh win313 tests/costs/benchmark.py [--quick]

Prints medians for our function and Python's, measured in turn, and their ratio. For a pair and for the import, it is
the median of several ratios. --quick runs a tenth of the rounds, except for a pair. The exit status is 1 if a ratio is
above its bound: 1.40 for a pair, 1.10 for the import, and 0.001 for two writes and a read, since Python's pair waits
for a delayed ACK. On Windows the only bound is 1.65, for a pair.
"""

import ast
import os
import random
import shutil
import socket
import sys
import tempfile
import time
from statistics import median
from timeit import default_timer, timeit

COSTS = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(COSTS)
SOURCES = os.path.join(os.path.dirname(TESTS), "src")
sys.path[:0] = [TESTS, SOURCES]

from standins.relay import Relay
from support import WINDOWS, RealSocket, close, fallback, in_thread, run_python, write_write_read

FUNCTIONS = [fallback, getattr(socket, "_fallback_socketpair", socket.socketpair)]
FEWER = (10 if WINDOWS else 1) * (10 if "--quick" in sys.argv else 1)  # under Wine a pair takes fifty times as long
PROCESSES = 7  # in one process, memory addresses can favour one function by two percent
BULK = 1 << (24 if WINDOWS else 26)  # bytes


def in_turn(rounds, measure):
    """Return two lists: the results of measure() for each of FUNCTIONS. Each round calls both, in random order."""
    values = [[], []]
    for _ in range(max(3, rounds // FEWER)):
        for index in random.sample((0, 1), 2):
            values[index].append(measure(FUNCTIONS[index]))
    return values


# What is measured. The functions return seconds, unless a docstring says otherwise.


def pair(function, first_to_close=1):
    started = default_timer()
    ends = function()
    seconds = default_timer() - started
    close(ends[first_to_close], ends[1 - first_to_close])
    return seconds


def over_a_pair(use):
    def measure(function):
        ends = function()
        used = use(*ends)
        close(*ends)
        return used

    return measure


@over_a_pair
def there_and_back(first, second):
    def exchange():
        first.sendall(b"1")
        second.recv(1)
        second.sendall(b"2")
        first.recv(1)

    return timeit(exchange, number=50) / 50


def stream(size):
    """Return a function that measures the bytes per second of a stream, written in chunks of this size."""

    @over_a_pair
    def measure(first, second):
        chunk, started = b"x" * size, default_timer()
        in_thread(lambda: [first.sendall(chunk) for _ in range(BULK // size)])
        left = BULK
        while left:
            left -= len(second.recv(min(left, 1 << 18)))
        return BULK / (default_timer() - started)

    return measure


def relayed_pair():
    """Return the seconds for a pair of the fallback through a relay, which runs in threads of this process."""
    relay = Relay(socket.AF_INET, "eager")
    socket.socket = relay.relayed()
    seconds = pair(fallback)
    socket.socket = RealSocket
    relay.stop()
    return seconds


IN_TURN = "import sys; sys.path[:0] = %r; import benchmark as own; print(*map(own.median, own.in_turn(%d, own.pair)))"


def pair_medians():
    """Return the median seconds for a pair, for each of FUNCTIONS. Measure them in a new process."""
    code = IN_TURN % ([TESTS, COSTS], 300)  # few, since ports in TIME_WAIT make bind() slower
    return list(map(float, run_python("-c", code).split()))


def wait_for_ports(pairs):
    """Wait until enough of Linux's 28,000 ports are free. A pair keeps one for a minute after it is closed."""
    deadline = default_timer() + 75
    while not WINDOWS and default_timer() < deadline:
        with open("/proc/net/sockstat") as sockstat:
            if int(sockstat.read().split(" tw ")[1].split()[0]) <= 24000 - pairs:
                break
        time.sleep(1)


def growth(times):
    """Return the ratio of the last tenth's median to the first tenth's, as text."""
    tenth = len(times) // 10
    return "%.2f" % (median(times[-tenth:]) / median(times[:tenth]))


TIME_IMPORTS = """
import sys
sys.path.insert(0, %r)
from timeit import default_timer
started = default_timer()
import socket
between = default_timer()
import backports_socketpair
print([default_timer() - started, between - started])
"""


def import_times():
    """Return the seconds to import socket and then our package, and to import socket alone, one process per round."""
    with tempfile.TemporaryDirectory() as folder:
        code = TIME_IMPORTS % shutil.copytree(SOURCES, os.path.join(folder, "src"))
        # The first round is not counted. It byte-compiles the package, as pip does.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        outputs = [run_python("-c", code, env=environment) for _ in range(max(3, 400 // FEWER) + 1)]
    return list(zip(*map(ast.literal_eval, outputs[1:])))


def print_row(words, *cells):
    print("%-66s" % words + "".join("%14s" % cell for cell in cells), flush=True)


def print_medians(words, values, ratio=None, form="%.1f us", unit=1e6):
    ours, own = map(median, values)
    print_row(words, form % (ours * unit), form % (own * unit), "%.3g" % (ratio or ours / own))
    return ratio or ours / own


def main():
    print(sys.version)
    print_row("medians, taken in turn", "ours", "Python's", "ratio")
    runs = [pair_medians() for _ in range(PROCESSES)]
    pair_ratio = print_medians("a pair", zip(*runs), median(ours / own for ours, own in runs))
    wait_for_ports(20000 // FEWER)
    relayed = median(relayed_pair() for _ in range(max(3, 2000 // FEWER)))
    ratio = relayed / median(ours for ours, _ in runs)
    print_row("a pair through a relay, compared with one without", "%.1f us" % (relayed * 1e6), "fails", "%.3g" % ratio)
    print_medians("a byte there and back", in_turn(200, there_and_back))
    small_writes = over_a_pair(lambda *ends: median(write_write_read(*ends) for _ in range(5)))  # the first is fast
    small_ratio = print_medians("write, write, read", in_turn(50, small_writes))
    for size in (4, 64):  # with fewer than fifteen rounds, the result varies too much
        streams = in_turn(150, stream(size * 1024))
        print_medians("a stream of writes of %d KiB" % size, streams, form="%.0f MB/s", unit=1e-6)
    for first_to_close, words in enumerate(("accepted", "connecting")):
        wait_for_ports(20000 // FEWER)
        times = in_turn(10000, lambda function, end=first_to_close: pair(function, end))
        print_row(
            "last tenth of %d pairs and first, %s end closed first" % (2 * len(times[0]), words), *map(growth, times)
        )
    importing = import_times()
    ratios = [both / alone for both, alone in zip(*importing)]
    import_ratio = print_medians("import socket and our package; import socket alone", importing, median(ratios))
    if WINDOWS:
        return int(pair_ratio > 1.65)
    return int(pair_ratio > 1.40 or small_ratio > 0.001 or import_ratio > 1.10)


if __name__ == "__main__":
    sys.exit(main())
