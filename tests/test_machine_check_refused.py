"""Tests of the report under real system call filters, as sandboxes use them: the cause, and the advice."""

import os
import platform
import re
import signal
import socket
import subprocess
import sys

import pytest

from standins.refusal import needs_refusal, start_refused
from support import JYTHON
from test_machine_check import A_SANDBOX, ADVICE, NO_FAMILY, NOTHING, POLICY, WORKS

OWN_REFUSED = POLICY % "socketpair()"
SEND_REFUSED = POLICY % "send() on a pair, so asyncio hangs"
# For each filter: how the lines on Python's function, AF_INET and AF_INET6 end (None: works), advice, exit status.
FILTERS = {
    "--with EACCES": ([OWN_REFUSED, None, None], ADVICE, 0),
    "--with EPERM": ([OWN_REFUSED, None, None], ADVICE, 0),
    "--with ENOSYS": ([OWN_REFUSED, None, None], ADVICE, 0),
    "--with EAFNOSUPPORT": ([OWN_REFUSED, None, None], ADVICE, 0),
    "--with ENOMEM": (["Cannot allocate memory.", None, None], NOTHING, 0),
    "--send": ([SEND_REFUSED, A_SANDBOX, A_SANDBOX], ADVICE if hasattr(socket.socket, "sendmsg") else NOTHING, 1),
    "--inet EAFNOSUPPORT": ([None, NO_FAMILY, NO_FAMILY], [], 1),
    "--inet EOPNOTSUPP": ([None, NO_FAMILY, NO_FAMILY], [], 1),
    "--inet EPERM": ([None, A_SANDBOX, A_SANDBOX], [], 1),
}


@needs_refusal
@pytest.mark.parametrize("options", sorted(FILTERS))
def test_report_says_what_the_system_refuses_and_what_helps(options):
    ends, closing, expected_status = FILTERS[options]
    status, out, err = start_refused("-m", "backports_socketpair", options=options.split())()
    report = out.splitlines()
    assert (status, err, report[4:]) == (expected_status, "", closing)
    for name, end, line in zip(("socket.socketpair", "fallback AF_INET", "fallback AF_INET6"), ends, report[1:4]):
        if end is None:
            assert re.match(WORKS % name + "$", line)
        else:
            assert line.startswith(name + ": FAILED. ") and line.endswith(end)


@needs_refusal
def test_first_line_is_printed_before_the_system_kills_it():
    environment = dict(os.environ, PYTHONUNBUFFERED="")
    status, out, _ = start_refused("-m", "backports_socketpair", options=["--kill"], env=environment)()
    assert status == -signal.SIGSYS
    assert out.startswith(platform.python_implementation()) and out.endswith("the operating system's\n")


@needs_refusal
def test_own_pair_is_tried_even_after_install():
    out = start_refused("-m", "backports_socketpair", "-m", "backports_socketpair")()[1]
    assert out.splitlines()[1].endswith(OWN_REFUSED)
    code = "import backports_socketpair as b; b.install(); from backports_socketpair import machine_check as check; "
    report = start_refused("-c", code + "check.check_machine('on')")()[1].splitlines()
    assert report[0].endswith("the operating system's")
    assert report[1].endswith(OWN_REFUSED) and report[4:] == ADVICE


@pytest.mark.skipif(JYTHON, reason="Jython raises no error for a closed pipe")
def test_closed_pipe_causes_no_traceback():
    process = subprocess.Popen(
        [sys.executable, "-m", "backports_socketpair"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    process.wait()
