"""What a pair costs: ours, CPython's own fallback and the native pair, taken in turn in one run.

    python3 tests/costs/benchmark.py [--quick] [--plot FILE]

Prints medians, and the ratio of ours to CPython's fallback where there is one. --quick takes a tenth of the rounds.
--plot draws into FILE (with matplotlib). The exit status is 1 if ours costs more than it promises: for a pair 1.40
times CPython's fallback, a thousandth of it for a write-write-read, and 1.10 times "import socket" for the import; on
Windows, for a pair 1.65 times. Behind a relay ours makes two pairs for one.

Runs on the Pythons without a socketpair of the system's too, with fewer rounds, such as tests/pythons/run.sh win313.
"""

from __future__ import division, print_function

import argparse
import ast
import gc
import os
import platform
import random
import shutil
import socket
import sys
import tempfile
import threading
import time
from timeit import default_timer

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SOURCES = os.path.join(os.path.dirname(TESTS), "src")
sys.path[:0] = [TESTS, SOURCES]

from standins.relay import Relay
from support import (
    HAS_EMULATION,
    HAS_NATIVE,
    JYTHON,
    WINDOWS,
    RealSocket,
    close,
    fallback,
    run_python,
    write_write_read,
)

FUNCTIONS = [("ours", fallback)]
if hasattr(socket, "_fallback_socketpair"):
    FUNCTIONS.append(("CPython's", socket._fallback_socketpair))
elif HAS_EMULATION:
    FUNCTIONS.append(("CPython's", socket.socketpair))
HAS_PEER = len(FUNCTIONS) == 2
if HAS_NATIVE:
    FUNCTIONS.append(("native", socket.socketpair))

# A pair takes Wine some fifty times as long as Linux, and of each Jython may keep twenty descriptors.
FEWER = 200 if JYTHON else 10 if WINDOWS else 1
# What a process happens to have at which addresses favours one or the other by two percent.
PROCESSES = 7 if HAS_PEER else 1
AT_ONCE = 10 if JYTHON else 500 if WINDOWS else 100000
BULK = 1 << (20 if JYTHON else 24 if WINDOWS else 26)  # bytes


def median(values):
    return sorted(values)[len(values) // 2]


def timed(function, *args):
    started = default_timer()
    function(*args)
    return default_timer() - started


def in_turn(rounds, measure):
    """What measure says of each of FUNCTIONS, that often, in their order.

    In each round they take turns in another order, since it matters what the processor did just before.
    """
    values = [[] for _ in FUNCTIONS]
    order = list(range(len(FUNCTIONS)))
    for _ in range(rounds):
        random.shuffle(order)
        for index in order:
            values[index].append(measure(FUNCTIONS[index][1]))
    return values


# Each takes the function that makes a pair, and returns seconds if nothing else is said.


def pair(function):
    ends = []
    seconds = timed(lambda: ends.extend(function()))
    close(*reversed(ends))
    return seconds


def over_a_pair(use):
    def measure(function):
        first, second = function()
        try:
            for end in (first, second):
                end.settimeout(30)
            return use(first, second)
        finally:
            close(second, first)

    return measure


@over_a_pair
def wake_up(first, second):
    def there_and_back():
        first.sendall(b"1")
        second.recv(1)
        second.sendall(b"2")
        first.recv(1)

    return median([timed(there_and_back) for _ in range(50)])


@over_a_pair
def small_writes(first, second):
    return median([write_write_read(first, second) for _ in range(5)])


def stream_of_writes(size):
    """What measures bytes per second that go in writes of size bytes."""
    chunk = b"x" * size

    @over_a_pair
    def stream(first, second):
        sender = threading.Thread(target=lambda: [first.sendall(chunk) for _ in range(BULK // size)])

        def receive():
            sender.start()
            left = BULK
            while left:
                left -= len(second.recv(min(left, 1 << 18)))
            sender.join()

        return BULK / timed(receive)

    return stream


def relayed_pair(function):
    """Seconds for a pair whose client comes to a relay, in a thread of this process; None if there is none."""
    relay = Relay(socket.AF_INET, "eager")
    socket.socket = relay.relayed()
    try:
        return pair(function)
    except socket.error:
        return None
    finally:
        socket.socket = RealSocket
        relay.stop()


def wait_for_ports(pairs):
    """Wait until Linux's 28,000 ports will do for so many pairs: each keeps one for a minute after it is closed."""
    deadline = default_timer() + 75
    while ports_in_time_wait() > 24000 - pairs and default_timer() < deadline:
        time.sleep(1)


def ports_in_time_wait():
    try:
        with open("/proc/net/sockstat") as sockstat:
            return int(sockstat.read().split(" tw ")[1].split()[0])
    except EnvironmentError:  # not on Linux
        return 0


def one_after_another(count, first_to_close):
    """Seconds for each of count pairs, made and closed, in the order of FUNCTIONS."""
    wait_for_ports(count * len(FUNCTIONS))

    def make_and_close(function):
        ends = function()
        close(ends[first_to_close], ends[1 - first_to_close])

    return in_turn(count, lambda function: timed(make_and_close, function))


def growth(times):
    """How much longer the last tenth takes than the first."""
    tenth = max(1, len(times) // 10)
    return median(times[-tenth:]) / median(times[:tenth])


def in_own_process(call):
    """What a call of this file's returns in a process in which nothing was done before."""
    folders = [TESTS, os.path.dirname(os.path.abspath(__file__))]
    code = "import sys, os; sys.path[:0] = %r; from benchmark import *; print(%s); sys.stdout.flush(); os._exit(0)"
    return ast.literal_eval(run_python("-c", code % (folders, call)))


def pair_medians(rounds):
    """Seconds for a pair, of each of FUNCTIONS."""
    return [median(values) for values in in_turn(rounds, pair)]


def open_at_once(function):
    """How many pairs can be open at once, and the bytes of the process's memory for each (None if not known)."""
    gc.collect()
    before = resident_memory()
    pairs = []
    try:
        while len(pairs) < AT_ONCE:
            pairs.append(function())
    except socket.error:  # no descriptor is left
        pass
    count = len(pairs)
    close(*pairs.pop())  # to read the file with
    after = resident_memory()
    for first, second in pairs:
        close(second, first)
    return count, None if before is None else (after - before) / count


def resident_memory():
    try:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, EnvironmentError, ValueError):
        return None


TIME_IMPORTS = """
import sys
sys.path.insert(0, %r)
from timeit import default_timer
started = default_timer()
import socket
between = default_timer()
%s
resumed = default_timer()
import backports_socketpair
print("%%r %%r" %% (between - started, default_timer() - resumed))
"""


def import_times(rounds, before=""):
    """Median seconds of importing socket, and then ours, and what both take over the first alone.

    Each round is a process of its own, in which before is run between the imports.
    """
    folder = tempfile.mkdtemp()
    try:
        sources = os.path.join(folder, "src")
        shutil.copytree(SOURCES, sources)
        # Byte-compiled by the first round, as an installed package is.
        environment = dict(os.environ)
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        code = TIME_IMPORTS % (sources, before)
        outputs = [run_python("-c", code, env=environment) for _ in range(rounds + 1)][1:]
        times = [list(map(float, output.split())) for output in outputs]
        ratios = [(ours + sockets) / sockets for sockets, ours in times]
        return median([sockets for sockets, _ in times]), median([ours for _, ours in times]), median(ratios)
    finally:
        shutil.rmtree(folder)


# What is printed


def microseconds(value):
    return "%.1f us" % (value * 1e6)


def megabytes_per_second(value):
    return "%.0f MB/s" % (value / 1e6)


def print_row(words, cells, ratio=None):
    print(("%-36s" + "%14s" * len(cells)) % ((words,) + tuple(cells)) + ("" if ratio is None else "  %15s" % ratio))
    sys.stdout.flush()


def print_medians(words, values, form):
    medians = [median(each) for each in values]
    ratio = "%.3g" % (medians[0] / medians[1]) if HAS_PEER else None
    print_row(words, [form(each) for each in medians], ratio)
    return medians


def print_pairs(rounds):
    runs = [in_own_process("pair_medians(%d)" % rounds) for _ in range(PROCESSES)]
    ratio = median([run[0] / run[1] for run in runs]) if HAS_PEER else None
    medians = [median(each) for each in zip(*runs)]
    print_row("a pair", [microseconds(each) for each in medians], "%.3f" % ratio if HAS_PEER else None)
    return medians, ratio


def print_relayed(count):
    cells = []
    for name, function in FUNCTIONS:
        times = [relayed_pair(function) for _ in range(count if name == "ours" else 3)]
        cells.append("fails" if None in times else microseconds(median(times)))
    print_row("a pair through a relay", cells)


def print_import(words, measured):
    sockets, ours, ratio = measured
    print_row(words, [microseconds(sockets), microseconds(ours)], "both %.3g of the first" % ratio)
    return ratio


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--plot", metavar="FILE")
    options = parser.parse_args()

    def rounds(number):
        return max(3, number // FEWER // (10 if options.quick else 1))

    pairs_each = max(1000 // FEWER, rounds(20000) // PROCESSES)
    wait_for_ports(pairs_each * PROCESSES)
    print("%s %s on %s" % (platform.python_implementation(), platform.python_version(), platform.platform()))
    names = [name for name, _ in FUNCTIONS]
    print_row("medians, taken in turn", names, "ours/CPython's" if HAS_PEER else None)
    pairs, pair_ratio = print_pairs(pairs_each)
    wake_ups = print_medians("a wake-up, there and back", in_turn(rounds(200), wake_up), microseconds)
    exchanges = print_medians("a write-write-read", in_turn(rounds(50), small_writes), microseconds)
    print_relayed(rounds(2000))
    for size in (4096, 65536):
        # Fewer than these mean nothing.
        streams = in_turn(max(15, rounds(60)) if FEWER == 1 else rounds(60), stream_of_writes(size))
        print_medians("a stream of writes of %d KiB" % (size // 1024), streams, megabytes_per_second)

    runs = {}
    count = rounds(20000 // (1 + HAS_PEER))
    for first_to_close, words in ((1, "second"), (0, "first")):
        times = runs[words] = one_after_another(count, first_to_close)
        print_medians("%d of %d pairs, %s closed first" % (count, count * (1 + HAS_PEER), words), times, microseconds)
        print_row("   the last tenth over the first", ["%.2f" % growth(each) for each in times])

    wait_for_ports(rounds(24000))
    at_once = [in_own_process("open_at_once(FUNCTIONS[%d][1])" % index) for index in range(len(FUNCTIONS))]
    print_row("pairs open at once", ["%s%d" % (">" if n == AT_ONCE else "", n) for n, _ in at_once])
    if at_once[0][1] is not None:
        print_row("   memory of the process for each", ["%.0f bytes" % memory for _, memory in at_once])

    importing = print_import("import socket, then ours", import_times(rounds(400)))
    if HAS_NATIVE:
        print_import("the same, socketpair missing", import_times(rounds(400), "del socket.socketpair"))

    if options.plot:
        plot(options.plot, runs, {"a pair": pairs, "a wake-up": wake_ups, "write-write-read": exchanges})
    if not HAS_PEER:
        return 0
    if WINDOWS:
        return int(pair_ratio > 1.65)
    return int(pair_ratio > 1.40 or exchanges[0] > exchanges[1] / 1000 or importing > 1.10)


def plot(path, runs, medians):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (bars, lines) = pyplot.subplots(1, 2, figsize=(12, 4.5))
    width = 0.8 / len(FUNCTIONS)
    for index, (name, _) in enumerate(FUNCTIONS):
        places = [place + index * width for place in range(len(medians))]
        bars.bar(places, [values[index] * 1e6 for values in medians.values()], width, label=name)
    bars.set_xticks([place + 0.4 - width / 2 for place in range(len(medians))])
    bars.set_xticklabels(list(medians))
    bars.set_yscale("log")
    bars.set_ylabel("microseconds")
    bars.legend()
    for words, times in runs.items():
        for (name, _), values in zip(FUNCTIONS, times):
            step = max(1, len(values) // 100)
            points = range(0, len(values) - step + 1, step)
            costs = [median(values[point : point + step]) * 1e6 for point in points]
            lines.plot(list(points), costs, label="%s, %s end closed first" % (name, words))
    lines.set_xlabel("pairs made and closed before")
    lines.set_ylabel("microseconds for the next")
    lines.set_ylim(bottom=0)
    lines.legend()
    figure.suptitle("%s %s" % (platform.python_implementation(), platform.python_version()))
    figure.tight_layout()
    figure.savefig(path)


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # Jython's threads would keep it
