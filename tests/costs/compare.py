"""Tries the same situations with our fallback and with other implementations, and prints a table of the outcomes.

    python3.13 tests/costs/compare.py

The others are the socket._fallback_socketpair of the Python that runs this script, and those that two releases of
kafka-python vendor, which pip downloads. 2.0.2 vendors the withdrawn backports.socketpair. The last column is Windows
CPython 3.13's own function, an emulation, under Wine. Each cell is a process of its own, with a time limit. The script
also needs python2.7, and what tests/pythons/run.sh and namespace.sh need. The exit status is 0 if the fallback's
outcome is right in every situation, and the emulation's outcome is the one that ON_WINDOWS expects.
"""

import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor

from situations import SITUATIONS, TESTS

PYTHONS = os.path.join(TESTS, "pythons")
OURS = os.path.join(TESTS, "..", "src", "backports_socketpair", "socketpair.py")
CPYTHON, EMULATION = "socket._fallback_socketpair", "socket.socketpair"
LIMIT = 15  # seconds; ours gives up after 10
AS_IT_SHOULD_BE = r"right pair|TimeoutError ETIMEDOUT after 10 s|0\.\d ms"

JYTHON, WINDOWS_313 = [[os.path.join(PYTHONS, "run.sh"), name] for name in ("jython27", "win313")]
PLAIN = "plain pair, AF_INET"
PORTS = "3,000 pairs in a row with 1,000 ports"
OTHERS = {
    PORTS: (PORTS, [os.path.join(PYTHONS, "namespace.sh"), sys.executable]),
    "Python 2.7 on Linux": (PLAIN, ["python2.7"]),
    "Jython 2.7": (PLAIN, JYTHON),
}
# The situations that Wine can reproduce, and the beginning of the emulation's outcome, as a regular expression.
ON_WINDOWS = {
    PLAIN: "right pair",
    "plain pair, AF_INET6": "right pair",
    "a stranger connects first": "ConnectionError",
    "a stranger connects and resets, then the client gets the stranger's port": "",
    "the connection never completes": "hang",
    "default timeout 7.5": ".*timeouts 7.5 and None",
    "default timeout 0": "",
    "bind fails once": "OSError",
    "accept fails once because of a stranger": "Connection",
    "a program relays loopback": "ConnectionError",
    "a program relays loopback after the first byte": "hang",
    "write, write, read": r"\d\d",
}


def cell(words, implementation):
    situation, python = OTHERS.get(words, (words, [sys.executable]))
    if implementation in (CPYTHON, EMULATION) and python[-1] != sys.executable:
        return "not available"
    if implementation == EMULATION:
        if words not in ON_WINDOWS:
            return "not tried"
        python = WINDOWS_313
    command = python + [os.path.join(TESTS, "costs", "situations.py"), situation, implementation]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        # Jython starts slowly, and run.sh may have to build it first.
        out, _ = process.communicate(timeout=300 if python == JYTHON else LIMIT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return "hang, over %d s" % LIMIT
    assert process.returncode == 0, (words, implementation)
    return out.strip()


def kafka_copy(release, folder):
    """Download a release of kafka-python, and return the path of the file that it vendors."""
    pip = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps", "-d", folder]
    subprocess.check_call([*pip, "kafka-python==" + release])
    with zipfile.ZipFile(os.path.join(folder, "kafka_python-%s-py2.py3-none-any.whl" % release)) as wheel:
        return wheel.extract("kafka/vendor/socketpair.py", os.path.join(folder, release))


def print_row(*cells):
    print("| " + " | ".join(cells) + " |", flush=True)


def main():
    failures = []
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor() as pool:
        implementations = {"backports_socketpair": OURS, "CPython " + platform.python_version(): CPYTHON}
        for release in ("2.3.1", "2.0.2"):
            implementations["kafka-python " + release] = kafka_copy(release, folder)
        implementations["Windows CPython 3.13"] = EMULATION
        print_row("situation", *implementations)
        print_row(*["---"] * (len(implementations) + 1))
        for words in dict.fromkeys([*SITUATIONS, *OTHERS]):
            cells = list(pool.map(cell, [words] * len(implementations), implementations.values()))
            print_row(words, *cells)
            if not re.fullmatch(AS_IT_SHOULD_BE, cells[0]) or not re.match(ON_WINDOWS.get(words, ""), cells[-1]):
                failures.append(words)
    print("Not as expected:", failures)
    return int(failures != [])


if __name__ == "__main__":
    sys.exit(main())
