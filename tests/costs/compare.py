"""The same situations over our fallback and its peers; prints a table of what came of each.

    python3.13 tests/costs/compare.py

The peers are the socket._fallback_socketpair of the Python that runs this, and the copies in two releases of
kafka-python, which pip fetches; that of 2.0.2 is the older backports.socketpair's code. The last column is the
emulation of Windows CPython 3.13, under Wine. Each cell is a process of its own, with a limit in time. Besides this
Python it takes pypy3, python2.7 and what tests/pythons/run.sh and namespace.sh take. The exit status is 0 if ours did
what it should in every situation.
"""

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
from concurrent.futures import ThreadPoolExecutor

COSTS = os.path.dirname(os.path.abspath(__file__))
PYTHONS = os.path.join(os.path.dirname(COSTS), "pythons")
OURS = os.path.join(COSTS, "..", "..", "src", "backports_socketpair", "socketpair.py")
CPYTHON = "socket._fallback_socketpair"
EMULATION = "socket.socketpair"
KAFKA_RELEASES = ("2.3.1", "2.0.2")
LIMIT = 15  # seconds; ours gives up after 10

PYTHON3 = [sys.executable]
PYPY3 = ["pypy3"]
PYTHON27 = ["python2.7"]
FEW_PORTS = [os.path.join(PYTHONS, "namespace.sh"), sys.executable]
JYTHON = [os.path.join(PYTHONS, "run.sh"), "jython27"]
WINDOWS_313 = [os.path.join(PYTHONS, "run.sh"), "win313"]
SITUATIONS = [
    ("plain pair, AF_INET", "plain_ipv4", PYTHON3),
    ("plain pair, AF_INET6", "plain_ipv6", PYTHON3),
    ("a stranger connects first", "one_stranger", PYTHON3),
    ("sixty strangers connect first", "sixty_strangers", PYTHON3),
    ("a stranger on 127.0.0.2 with our port", "stranger_with_our_port", PYTHON3),
    ("a stranger reset from our client's port", "dead_stranger_with_our_port", PYTHON3),
    ("a process that keeps connecting, 20 pairs", "flood", PYTHON3),
    ("the connection never completes", "never_completed", PYTHON3),
    ("default timeout 7.5, 100 pairs", "default_timeout_7_5", PYTHON3),
    ("default timeout 0, 100 pairs", "default_timeout_0", PYTHON3),
    ("Ctrl-C at each call", "ctrl_c", PYTHON3),
    ("Ctrl-C at each call, on PyPy 3, which collects late", "ctrl_c", PYPY3),
    ("connect finds the port busy, once", "busy_port", PYTHON3),
    ("bind is refused a port, once", "bind_refused", PYTHON3),
    ("accept passes on a stranger's error, once", "strangers_error", PYTHON3),
    ("a program relays loopback", "eager_relay", PYTHON3),
    ("the same, once it has the first byte", "lazy_relay", PYTHON3),
    ("write, write, read", "two_small_writes", PYTHON3),
    ("signals at 10 kHz, 200 pairs", "signals", PYTHON3),
    ("ports are used up", "ports_used_up", FEW_PORTS),
    ("Python 2.7 on Linux", "plain_ipv4", PYTHON27),
    ("Jython 2.7", "plain_ipv4", JYTHON),
]

AS_IT_SHOULD_BE = r"right pair|nothing left open|TimeoutError ETIMEDOUT after 10 s|0\.\d ms"
# What the machine under Wine has all for.
ON_WINDOWS = (
    "plain_ipv4",
    "plain_ipv6",
    "one_stranger",
    "dead_stranger_with_our_port",
    "never_completed",
    "default_timeout_7_5",
    "bind_refused",
    "strangers_error",
    "eager_relay",
    "lazy_relay",
    "two_small_writes",
)


def run_cell(row, implementation):
    _, situation, python = SITUATIONS[row]
    if implementation in (CPYTHON, EMULATION) and python[-1] != sys.executable:
        return "not there"
    if implementation == EMULATION:
        if situation not in ON_WINDOWS:
            return "not tried"
        python = WINDOWS_313
    process = subprocess.Popen(
        python + [os.path.join(COSTS, "situations.py"), situation, implementation],
        stdout=subprocess.PIPE,
        universal_newlines=True,
        start_new_session=True,
    )
    try:
        # Jython takes its time to start, and may have to be built first.
        out, _ = process.communicate(timeout=LIMIT if python not in (PYPY3, PYTHON27, JYTHON) else 300)
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
        with zipfile.ZipFile(os.path.join(folder, "kafka_python-%s-py2.py3-none-any.whl" % release)) as wheel:
            copy = os.path.join(folder, release + ".py")
            with open(copy, "wb") as target:
                target.write(wheel.read("kafka/vendor/socketpair.py"))
        yield "kafka-python " + release, copy


def main():
    if not hasattr(socket, "_fallback_socketpair"):
        sys.exit("CPython's fallback is compared as well: run this with Python 3.13 or newer")
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
    sys.exit(main())
