"""python -m backports_socketpair: the report that users paste."""

import errno
import io
import platform
import re
import socket
import sys
import threading

import pytest

import backports_socketpair
from backports_socketpair import __version__, machine_check
from standins.relay import Relay
from standins.sockets import StandIn
from support import (
    HAS_EMULATION,
    HAS_NATIVE,
    JYTHON,
    RealSocket,
    fallback,
    has_address,
    is_closed,
    open_sockets,
    run_python,
)

WORKS = r"%-8s works: a pair made, bytes carried both ways; \d+ us for a pair, \d+ us for a wake-up"
HAS_OWN = HAS_NATIVE or HAS_EMULATION
ADVICE = [
    "What helps: import backports_socketpair; backports_socketpair.install()",
    "or, for a program as it is: python -m backports_socketpair -m MODULE",
    "or, for every program of this Python: python -m backports_socketpair --enable",
]
NOTHING = ["Nothing in this package helps here."]


@pytest.fixture
def lines(capsys):
    def check(status=0):
        assert machine_check.check_machine("off") == status
        return capsys.readouterr().out.splitlines()

    return check


def line_of(name, lines):
    (line,) = [line for line in lines if line.startswith("%-8s " % name)]
    return line


def set_own(monkeypatch, function, module_name="socket", of_the_system=False):
    """Make function Python's own socket.socketpair."""
    function.__module__ = module_name
    monkeypatch.setattr(socket, "socketpair", function)
    if of_the_system:
        monkeypatch.setattr(machine_check._socket, "socketpair", function, raising=False)
    else:
        monkeypatch.delattr(machine_check._socket, "socketpair", raising=False)


# The report


def test_report_has_a_line_on_python_and_on_each_function():
    lines = run_python("-m", "backports_socketpair").splitlines()
    assert len(lines) == (4 if HAS_OWN else 3)
    assert lines[0].startswith("%s %s on " % (platform.python_implementation(), platform.python_version()))
    assert lines[0].endswith("; this is backports_socketpair %s; start-up switch: off" % __version__)
    whose = "the operating system's" if HAS_NATIVE else "an emulation of" if HAS_EMULATION else "missing"
    assert "socket.socketpair is %s" % whose in lines[0]
    if HAS_OWN:
        assert re.match(WORKS % "own" + "$", lines[1])
    assert re.match(WORKS % "AF_INET" + "$", lines[-2])
    if has_address("AF_INET6", "::1"):
        assert re.match(WORKS % "AF_INET6" + "$", lines[-1])
    else:
        assert lines[-1].startswith("AF_INET6 FAILED: ")
        assert lines[-1].endswith((" This machine has no ::1.", NO_FAMILY))


@pytest.mark.parametrize(
    "module_name, of_the_system, words",
    [
        ("socket", True, "is the operating system's;"),
        ("_socket", True, "is the operating system's;"),
        ("socket", False, "is an emulation of Python's own;"),
        ("another.package", False, "is another's, from another.package;"),
        ("another.package", True, "is another's, from another.package;"),
    ],
)
def test_first_line_says_whose_the_function_is(monkeypatch, lines, module_name, of_the_system, words):
    set_own(monkeypatch, lambda *args: fallback(), module_name, of_the_system)
    assert words in lines()[0]


def test_fallback_in_place_is_not_tried_as_pythons_own(monkeypatch, lines):
    monkeypatch.setattr(socket, "socketpair", fallback)
    report = lines()
    assert "is missing or replaced, and this fallback in its place;" in report[0]
    assert len(report) == 3


def test_figures_are_medians_in_microseconds(monkeypatch, lines):
    """By a clock that a pair moves by 3 and each way of a byte by 1, and now and then by a hundred more."""
    clock = [0.0]
    made = []

    def counted(*args):
        clock[0] += 3 + (100 if len(made) % 5 == 2 else 0)
        made.append(args)
        return fallback(*args)

    class Counting(StandIn):
        sent = 0

        def sendall(self, data):
            self.sent += 1
            clock[0] += 1 + (100 if self.sent % 5 == 2 else 0)
            self.real.sendall(data)

    monkeypatch.setattr(socket, "socket", Counting)
    monkeypatch.setattr(machine_check, "default_timer", lambda: clock[0] / 1e6)
    monkeypatch.setattr(machine_check, "fallback_socketpair", counted)
    set_own(monkeypatch, lambda: counted())
    report = lines()
    for name in ["own", "AF_INET"] + ["AF_INET6"] * has_address("AF_INET6", "::1"):
        assert line_of(name, report) == (
            "%-8s works: a pair made, bytes carried both ways; 3 us for a pair, 2 us for a wake-up" % name
        )
    assert made.count((socket.AF_INET,)) == 10
    assert made.count(()) == 10


def test_every_pair_is_closed_whether_it_works_or_not(monkeypatch, lines):
    class Garbling(StandIn):
        def recv(self, size):
            data = self.real.recv(size)
            return b"?" if size == 1 else data  # but for a nonce

    before = open_sockets()
    lines()
    assert open_sockets() == before or not HAS_NATIVE
    made = []

    def recorded(*args):
        made.extend(fallback(*args))
        return made[-2:]

    monkeypatch.setattr(machine_check, "fallback_socketpair", recorded)
    monkeypatch.setattr(socket, "socket", Garbling)
    lines(status=1)
    assert made and all(map(is_closed, made))


@pytest.mark.parametrize("garbled", ["accepted", "connecting"])
def test_pair_that_garbles_bytes_one_way_is_a_failure(monkeypatch, lines, garbled):
    class Garbling(StandIn):
        role = "accepted"

        def connect_ex(self, address):
            self.role = "connecting"
            return self.real.connect_ex(address)

        def recv(self, size):
            data = self.real.recv(size)
            return b"?" if self.role == garbled and size == 1 else data  # but for a nonce

    monkeypatch.setattr(socket, "socket", Garbling)
    byte = b"2" if garbled == "accepted" else b"1"
    words = "AF_INET  FAILED: ValueError: sent %r, received %r." % (byte, b"?")
    assert line_of("AF_INET", lines(status=1)) == words


def test_pair_that_carries_nothing_is_a_failure_and_not_a_hang(monkeypatch, lines):
    class Swallowing(StandIn):
        def sendall(self, data):
            pass

    monkeypatch.setattr(machine_check, "TIMEOUT", 0.01)
    monkeypatch.setattr(socket, "socket", Swallowing)
    line = line_of("AF_INET", lines(status=1))
    assert re.match("AF_INET  FAILED: (socket.timeout|timeout|TimeoutError): .*timed out. A firewall", line)


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("place, name", [(machine_check, "fallback_socketpair"), (platform, "platform")])
def test_interruption_comes_out(monkeypatch, place, name, interruption):
    def interrupted(*args):
        raise interruption

    monkeypatch.setattr(place, name, interrupted)
    with pytest.raises(interruption):
        machine_check.check_machine("off")


A_SANDBOX = " A sandbox, a firewall, an antivirus or a proxy that intercepts loopback is the usual cause."
A_FIREWALL = " A firewall, an antivirus or a proxy that intercepts loopback is the usual cause."
NO_FAMILY = " The system allows no such family: it is switched off, or a policy forbids it."
CAUSES = {
    " This machine has no 127.0.0.1.": ["EADDRNOTAVAIL", "ENETUNREACH", 10049, 10051],
    " This machine has no ::1.": ["EADDRNOTAVAIL", "ENETUNREACH", 10049, 10051],
    NO_FAMILY: ["EAFNOSUPPORT", "EOPNOTSUPP", 10047],
    A_SANDBOX: ["EACCES", "EPERM"],
    A_FIREWALL: ["ETIMEDOUT", "ECONNREFUSED", 10060, 10061, 10013],
    "": ["EMFILE", "ENETDOWN", 10106, 10050, 10055],
}


@pytest.mark.parametrize("words", sorted(CAUSES))
def test_failure_is_told_with_its_usual_cause_if_one_is_known(monkeypatch, lines, words):
    """A firewall is not blamed for a missing SYSTEMROOT (10106), or a network that is down (10050)."""
    name = "AF_INET6" if "::1" in words else "AF_INET"
    for code in CAUSES[words]:
        error = socket.error(getattr(errno, code) if isinstance(code, str) else code, "in the system's words")

        def failing(family):
            if family == getattr(socket, name):
                raise error  # noqa: B023
            return fallback(family)

        monkeypatch.setattr(machine_check, "fallback_socketpair", failing)
        report = lines(status=1 if name == "AF_INET" else 0)
        assert line_of(name, report) == "%-8s FAILED: %s: %s.%s" % (name, type(error).__name__, error, words)


def test_socket_is_left_as_it_was_found(lines):
    before = dict(vars(socket))
    lines()
    assert dict(vars(socket)) == before


class Output(io.StringIO if str is not bytes else object):
    """A standard output of an encoding."""

    def __init__(self, encoding):
        self.named = encoding
        self.holds = "ascii" if encoding in (None, "cp0") else encoding
        self.written = b""

    @property
    def encoding(self):
        return self.named

    def write(self, text):
        if isinstance(text, bytes):
            self.written += text
        elif self.named == "cp0":  # as Python 2 does not know Windows' cp65001
            self.written += text.encode("ascii")
        else:
            self.written += text.encode(self.holds)

    def flush(self):
        pass


@pytest.mark.parametrize("encoding", ["ascii", "cp850", "utf-8", None, "cp0"])
def test_report_is_printed_whatever_the_output_can_hold(monkeypatch, encoding):
    text = b"the system\xe2\x80\x99s words".decode("utf-8")

    def failing(*args):
        raise socket.error(errno.EIO, text)

    monkeypatch.setattr(machine_check, "fallback_socketpair", failing)
    output = Output(encoding)
    monkeypatch.setattr(sys, "stdout", output)
    machine_check.check_machine("off")
    monkeypatch.undo()
    # Python 2 has no other words for such an error than its representation.
    holds = output.holds if str is not bytes else "ascii"
    assert b"FAILED: " in output.written and text.encode(holds, "backslashreplace") in output.written


# Python's own function


def test_own_function_that_fails_is_told_with_what_helps(monkeypatch, lines):
    def failing():
        raise socket.error("Unexpected peer connection")

    set_own(monkeypatch, failing)
    report = lines()
    assert report[1] == "own      FAILED: %s: Unexpected peer connection." % socket.error.__name__
    assert report[4:] == ADVICE


def test_own_function_without_an_address_is_told_without_a_guess(monkeypatch, lines):
    def failing():
        raise error

    error = socket.error(errno.EADDRNOTAVAIL, "in the system's words")
    set_own(monkeypatch, failing)
    assert lines()[1] == "own      FAILED: %s: %s." % (type(error).__name__, error)


def test_own_function_that_hangs_is_told_in_time(monkeypatch, lines):
    released = threading.Event()
    daemons = []

    def hanging():
        daemons.append(threading.current_thread().daemon)
        released.wait(20)
        return fallback()

    set_own(monkeypatch, hanging)
    seconds = 2 if JYTHON else 0.3  # enough for a byte over the fallback's pairs
    monkeypatch.setattr(machine_check, "TIMEOUT", seconds)
    report = lines()
    released.set()
    words = "10 pairs were not made within %s s. A firewall" % seconds
    assert re.match("own      FAILED: (socket.timeout|timeout|TimeoutError): " + words, report[1])
    assert "install()" in report[4]
    assert set(daemons) == {True}  # so that Python ends all the same


def test_own_function_is_not_tried_where_there_are_no_threads(monkeypatch, lines):
    def start(thread):  # as on WASI
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    set_own(monkeypatch, lambda: pytest.fail("tried"))
    told = "own      FAILED: RuntimeError: not tried, since it may not return: can't start new thread."
    assert lines()[1] == told


def test_nothing_helps_if_the_fallback_fails_too(monkeypatch, lines):
    def failing(*args):
        raise socket.error("neither")

    set_own(monkeypatch, lambda: failing())
    monkeypatch.setattr(machine_check, "fallback_socketpair", failing)
    monkeypatch.setattr(backports_socketpair, "fallback_socketpair", failing)
    assert lines(status=1)[4:] == NOTHING


def test_no_line_is_needed_where_both_work(monkeypatch, lines):
    set_own(monkeypatch, lambda: fallback())
    assert len(lines()) == 4


@pytest.mark.parametrize("how", ["eager", "lazy"])
def test_relayed_loopback_is_told_and_that_it_works_all_the_same(monkeypatch, lines, how):
    relays = []
    made = []

    def relayed(*args):
        made.append(args)
        if len(made) % 2 == 0:
            return fallback(*args)  # one of two suffices
        relays.append(Relay(args[0], how))
        monkeypatch.setattr(socket, "socket", relays[-1].relayed())
        try:
            return fallback(*args)
        finally:
            monkeypatch.setattr(socket, "socket", RealSocket)

    monkeypatch.setattr(machine_check, "PAIRS", 2)
    monkeypatch.setattr(machine_check, "fallback_socketpair", relayed)
    report = lines()
    for relay in relays:
        relay.stop()
    for name in ["AF_INET"] + ["AF_INET6"] * has_address("AF_INET6", "::1"):
        line = line_of(name, report)
        assert re.match(WORKS % name + "; loopback is relayed on this machine, and it works all the same$", line)
