"""CPython's own suites of asyncio and selectors, unmodified, socket.socketpair replaced before they are imported."""

import re
import subprocess
import sys

import pytest

from support import SOURCE

PROGRAM = """
import os, sys, unittest
sys.path.append(os.path.dirname(os.path.dirname(sys.argv[1])))
import socket
from backports_socketpair import fallback_socketpair

def failing(*args, **kwargs):
    raise OSError("no pair")

socket.socketpair = {function}
unittest.main(module=None, argv=["unittest"] + {suites!r})
"""


def run(function, *suites):
    """How many tests ran, whether all passed, and what was told."""
    program = PROGRAM.format(function=function, suites=list(suites))
    process = subprocess.run(
        [sys.executable, "-c", program, SOURCE],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
        timeout=600,
    )
    ran = re.search(r"^Ran (\d+) tests", process.stdout, re.MULTILINE)
    return int(ran.group(1)), process.returncode == 0, process.stdout


@pytest.mark.parametrize("suite, count", [("test.test_asyncio", 2500), ("test.test_selectors", 100)])
def test_all_of_the_suite_passes(suite, count):
    ran, passed, told = run("fallback_socketpair", suite)
    assert passed, told
    assert ran > count


@pytest.mark.parametrize("suite", ["test.test_asyncio.test_streams", "test.test_selectors"])
def test_suite_fails_with_a_function_that_raises_so_that_ours_is_known_to_be_in_force(suite):
    _, passed, told = run("failing", suite)
    assert not passed
    assert "OSError: no pair" in told
