"""python -m backports_socketpair, the report that users paste."""

import errno
import platform
import re
import socket

import pytest

from backports_socketpair import __main__ as machine_check
from backports_socketpair import __version__
from conftest import NATIVE, module
from support import StandIn, run_python

WORKS = r"%-8s works: a pair made, bytes carried both ways; \d+ us for a pair, \d+ us for a wake-up$"


def test_first_line_is_on_the_interpreter_and_a_line_each_on_the_families():
    lines = run_python("-m", "backports_socketpair").splitlines()
    assert len(lines) == 3
    assert lines[0].startswith(
        "%s %s on " % (platform.python_implementation(), platform.python_version())
    )
    assert __version__ in lines[0]
    assert ("is its own" if NATIVE else "is missing") in lines[0]
    assert re.match(WORKS % "AF_INET", lines[1])
    assert re.match(WORKS % "AF_INET6", lines[2]) or "FAILED" in lines[2]


def test_socketpair_of_another_package_is_told_by_name(monkeypatch):
    def socketpair():
        pass

    socketpair.__module__ = "another.package"
    monkeypatch.setattr(socket, "socketpair", socketpair)
    assert "another's, from another.package;" in machine_check.about_interpreter()


@pytest.mark.parametrize(
    "name, code, words",
    [
        ("AF_INET", errno.EADDRNOTAVAIL, "no 127.0.0.1: its loopback interface is down"),
        ("AF_INET6", errno.EADDRNOTAVAIL, "no ::1: IPv6 is switched off"),
        ("AF_INET6", errno.EAFNOSUPPORT, "no ::1: IPv6 is switched off"),
        ("AF_INET", errno.ETIMEDOUT, "firewall, an antivirus or a proxy"),
        ("AF_INET", errno.ECONNREFUSED, "firewall, an antivirus or a proxy"),
    ],
)
def test_failure_is_told_in_words_with_its_usual_cause(monkeypatch, capsys, name, code, words):
    class Failing(StandIn):
        def __init__(self, *args, **kwargs):
            if args and args[0] == getattr(socket, name):
                raise socket.error(code, "in the system's words")
            StandIn.__init__(self, *args, **kwargs)

    monkeypatch.setattr(socket, "socket", Failing)
    status = machine_check.main()
    lines = capsys.readouterr().out.splitlines()
    line = lines[1 if name == "AF_INET" else 2]
    assert line.startswith("%-8s FAILED: " % name)
    assert "in the system's words" in line
    assert words in line
    assert status == (1 if name == "AF_INET" else 0)


def test_pair_that_carries_other_bytes_is_a_failure(monkeypatch, capsys):
    class Garbling(StandIn):
        def recv(self, size):
            self.real.recv(size)
            return b"?"

    monkeypatch.setattr(socket, "socket", Garbling)
    assert machine_check.main() == 1
    assert capsys.readouterr().out.count("FAILED") == 2


def test_socket_is_left_as_it_was_found(capsys):
    before = dict(vars(socket))
    machine_check.main()
    assert dict(vars(socket)) == before


def test_fallback_is_what_is_tried_where_python_has_its_own_too(monkeypatch, capsys):
    tried = []

    def recording(*args):
        tried.append(args)
        return module._fallback_socketpair(*args)

    monkeypatch.setattr(machine_check, "_fallback_socketpair", recording)
    machine_check.main()
    assert set(tried) == {(socket.AF_INET,), (socket.AF_INET6,)}
