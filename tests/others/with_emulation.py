"""Our own assertions over the emulation that Windows Pythons since 3.5 have: those that fail are why to replace it."""

import os
import re
import socket
import subprocess
import sys
import threading

import pytest

from support import HAS_EMULATION

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

FAIL = {
    "test_both_ends_have_the_default_timeout[native-7.5]",
    "test_both_ends_have_the_default_timeout[native-0.0]",
    "test_both_ends_have_the_default_timeout[native-1e-06]",
    "test_second_of_two_small_writes_is_not_held_back[native-0]",
    "test_second_of_two_small_writes_is_not_held_back[native-1]",
}
# One end has no timeout, and waits for ever.
HANG = "test_default_timeout_is_what_both_ends_keep_to"


def start(*args):
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--capture=sys", "-v"] + list(args),
        cwd=os.path.dirname(TESTS),
        env=dict(os.environ, TRY_EMULATION="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
    )


def test_this_pythons_own_function_is_an_emulation():
    assert HAS_EMULATION


def test_exactly_these_assertions_fail_on_the_emulation():
    out, _ = start("-k", "native and not " + HANG, "tests/test_pair.py").communicate()
    assert set(re.findall(r"::(\S+) FAILED", out)) == FAIL, out
    assert len(re.findall(r"::\S+ PASSED", out)) > 15


@pytest.mark.parametrize("default", ["0.02", "0.0"])
def test_one_of_them_hangs(default):
    process = start("tests/test_pair.py::%s[native-%s]" % (HANG, default))
    told = ""
    while HANG not in told:  # until it begins
        told += process.stdout.read(1) or pytest.fail(told)
    killed = []

    def kill():
        killed.append(process)
        process.kill()

    threading.Timer(5, kill).start()
    out, _ = process.communicate()
    assert killed, out


def test_stranger_that_comes_first_ends_the_emulations_call(monkeypatch):
    strangers = []

    class AfterStranger(socket.socket):
        def connect(self, address):
            strangers.append(real(socket.AF_INET, socket.SOCK_STREAM))
            strangers[0].connect(address)
            return real.connect(self, address)

    real = socket.socket
    monkeypatch.setattr(socket, "socket", AfterStranger)
    with pytest.raises(OSError):
        socket.socketpair()
