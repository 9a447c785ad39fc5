"""Tests behind a real relay of loopback. Run this file through tests/pythons/relayed.sh, which sets $RELAYED."""

import os
import re
import subprocess
import sys

import pytest

from standins.web import POOL, assert_serves, each_server
from support import has_address

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PYTHONS = os.path.join(TESTS, "pythons", "run.sh")
HOW = os.environ["RELAYED"]
WINDOWS_313 = [PYTHONS, "win313"]
INTERPRETERS = {
    "CPython 3.13": [sys.executable],
    "Windows CPython 2.7": [PYTHONS, "win27"],
    "Windows CPython 3.4": [PYTHONS, "win34"],
    "Windows CPython 3.13": WINDOWS_313,
    "Jython 2.7": [PYTHONS, "jython27"],
}
each_interpreter = pytest.mark.parametrize("python", list(INTERPRETERS.values()), ids=list(INTERPRETERS))
FAILS = "ConnectionError: Unexpected peer connection"  # through an eager relay; through a lazy one it never returns


def run(python, *args, **kwargs):
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.run([*python, *args], text=True, timeout=300, **output, **kwargs)


@each_interpreter
def test_machine_check_reports_a_relay_and_that_pairs_work(python):
    check = run(python, "-m", "backports_socketpair")
    assert check.returncode == 0
    families = re.findall(
        "^fallback (AF_INET6?): works.* A program on this machine relays loopback", check.stdout, re.MULTILINE
    )
    assert families == ["AF_INET"] + ["AF_INET6"] * has_address("AF_INET6", "::1")
    if python == WINDOWS_313:
        own = FAILS if HOW == "eager" else "TimeoutError: 10 pairs took more than 10 s"
        assert re.search("^socket.socketpair: FAILED. " + re.escape(own), check.stdout, re.MULTILINE)
        assert "install()" in check.stdout


@each_interpreter
def test_pair_tests_pass_behind_the_relay(python):
    files = [os.path.join(TESTS, "test_pair.py")]
    if python == WINDOWS_313:
        files.append(os.path.join(TESTS, "others", "with_asyncio.py"))
    tests = run(python, "-m", "pytest", "-p", "no:cacheprovider", "--capture=sys", "-q", *files)
    assert tests.returncode == 0, tests.stdout
    assert re.search(r"\b\d+ passed", tests.stdout)


@each_interpreter
def test_pair_is_made_in_a_fraction_of_a_second(python):
    program = "from timeit import repeat; from backports_socketpair import fallback_socketpair as pair; "
    program += "print(sorted(repeat(lambda: [end.close() for end in pair()], number=1, repeat=11))[5])"
    # Jython takes about 0.06 s for each attempt, and a relayed pair needs more than one.
    timing = run(python, "-c", program)
    assert timing.returncode == 0, timing.stdout
    assert float(timing.stdout.split()[-1]) < (0.3 if "jython27" in python else 0.1)


# Programs on Windows, whose own socketpair is an emulation

STARTS_PYTHON = """
import subprocess, sys
subprocess.run([sys.executable, "-c", "import asyncio; asyncio.run(asyncio.sleep(0))"], check=True)
print("RAN")
"""


@pytest.mark.parametrize("program", [POOL, STARTS_PYTHON], ids=["pool", "subprocess"])
def test_program_runs_with_the_emulation_replaced(tmp_path, program):
    (tmp_path / "program.py").write_text(program)
    replaced = run(WINDOWS_313, "-m", "backports_socketpair", "program.py", "spawn", cwd=tmp_path)
    assert (replaced.returncode, replaced.stdout) == (0, "RAN\n"), replaced.stdout
    if HOW == "eager":
        own = run(WINDOWS_313, "program.py", "spawn", cwd=tmp_path)
        assert own.returncode == 1
        assert FAILS in own.stdout


@each_server
def test_uvicorn_serves_a_page_with_the_emulation_replaced(tmp_path, arguments):
    assert_serves(tmp_path, WINDOWS_313, arguments, FAILS if HOW == "eager" else None)
