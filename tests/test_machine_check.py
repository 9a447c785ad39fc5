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
from standins.sockets import StandIn
from support import HAS_EMULATION, HAS_NATIVE, HOSTS, close, fallback, has_address, is_closed, run_python

WORKS = r"%-8s works: a pair made, bytes carried both ways; \d+ us for a pair, \d+ us for a wake-up"
HAS_OWN = HAS_NATIVE or HAS_EMULATION
NAMES = ["AF_INET"] + ["AF_INET6"] * has_address("AF_INET6", "::1")
ADVICE = machine_check.ADVICE.splitlines()
NOTHING = ["Nothing in this package helps here."]

# The usual causes.
A_SANDBOX = " A sandbox, a firewall, an antivirus or a proxy that intercepts loopback is the usual cause."
NO_FAMILY = " The system allows no such family: it is switched off, or a policy forbids it."
POLICY = " The system refuses %s: a container's or a sandbox's policy is the usual cause."
NO_ADDRESS = " This machine has no %s."


@pytest.fixture
def lines(capsys):
    def check(status=0):
        assert machine_check.check_machine("off") == status
        return capsys.readouterr().out.splitlines()

    return check


def line_of(name, lines):
    return [line for line in lines if line.startswith("%-8s " % name)][0]


def failed(name, error, cause):
    return "%-8s FAILED: %s: %s.%s" % (name, type(error).__name__, error, cause)


def raising(error):
    def function(*args):
        raise error

    return function


@pytest.fixture
def set_own(monkeypatch):
    """Makes a function Python's own socket.socketpair."""

    def set_own(function, module_name="socket", of_the_system=False):
        function.__module__ = module_name
        monkeypatch.setattr(socket, "socketpair", function)
        if of_the_system:
            monkeypatch.setattr(machine_check._socket, "socketpair", function, raising=False)
        else:
            monkeypatch.delattr(machine_check._socket, "socketpair", raising=False)

    return set_own


def test_report_has_a_line_on_python_and_on_each_function():
    lines = run_python("-m", "backports_socketpair").splitlines()
    assert len(lines) == (4 if HAS_OWN else 3)
    python = platform.python_implementation(), platform.python_version(), platform.platform()
    assert lines[0].startswith("%s %s on %s: " % python)
    assert lines[0].endswith("; this is backports_socketpair %s; start-up switch: off" % __version__)
    whose = "the operating system's" if HAS_NATIVE else "an emulation of" if HAS_EMULATION else "missing"
    assert "socket.socketpair is %s" % whose in lines[0]
    for name in ["own"] * HAS_OWN + NAMES:
        assert re.match(WORKS % name + "$", line_of(name, lines))
    if "AF_INET6" not in NAMES:
        assert lines[-1].startswith("AF_INET6 FAILED: ")
        assert lines[-1].endswith((NO_ADDRESS % "::1", NO_FAMILY))


def test_first_line_says_whose_the_function_is(monkeypatch, set_own, lines):
    for module_name, of_the_system, words in [
        ("socket", True, "the operating system's"),
        ("_socket", True, "the operating system's"),
        ("socket", False, "an emulation of Python's own"),
        ("another.package", True, "another's, from another.package"),
        (None, False, "missing or replaced, and the fallback is in its place"),
    ]:
        set_own(lambda *args: fallback(), module_name, of_the_system)
        if module_name is None:
            monkeypatch.setattr(socket, "socketpair", fallback)
        before = dict(vars(socket))
        report = lines()
        assert ": socket.socketpair is %s; this is " % words in report[0]
        assert len(report) == (3 if module_name is None else 4)  # nothing else has to be said if both work
        assert dict(vars(socket)) == before
    monkeypatch.setattr(platform, "platform", raising(EnvironmentError(errno.EPERM, "a sandbox refuses to tell")))
    assert " on %s: socket.socketpair is " % sys.platform in lines()[0]


def test_figures_are_medians_in_microseconds(monkeypatch, set_own, lines):
    """By a clock that a pair moves by 3 and each way of a byte by 1, and now and then by a hundred more."""
    clock, made = [0.0], []

    def counted(*args):
        clock[0] += 3 + (100 if len(made) % 5 == 2 else 0)
        made.append(args)
        return fallback(*args)

    class Counting(StandIn):
        def sendall(self, data):
            clock[0] += 1 + (100 if len(made) % 5 == 2 else 0)
            self.real.sendall(data)

    monkeypatch.setattr(socket, "socket", Counting)
    monkeypatch.setattr(machine_check, "default_timer", lambda: clock[0] / 1e6)
    monkeypatch.setattr(machine_check, "fallback_socketpair", counted)
    set_own(lambda: counted())
    report = lines()
    for name in ["own"] + NAMES:
        words = "%-8s works: a pair made, bytes carried both ways; 3 us for a pair, 2 us for a wake-up"
        assert line_of(name, report) == words % name
    assert made.count((socket.AF_INET,)) == made.count(()) == 10


class Faulty(StandIn):
    """The end that is accepted, or the one that connects, carries nothing, or another byte. A nonce is longer."""

    role = "accepted"

    def connect_ex(self, address):
        self.role = "connecting"
        return self.real.connect_ex(address)

    def sendall(self, data):
        return None if self.fault == self.role + " is silent" else self.real.sendall(data)

    def recv(self, size):
        data = self.real.recv(size)
        return b"?" if self.fault == self.role + " garbles" and size == 1 else data


TIMED_OUT = "(_?socket.timeout|timeout|TimeoutError): .*timed out." + A_SANDBOX
FAULTS = {
    "accepted garbles": "ValueError: sent %r, received %r." % (b"2", b"."),
    "connecting garbles": "ValueError: sent %r, received %r." % (b"1", b"."),
    "accepted is silent": TIMED_OUT,
    "connecting is silent": TIMED_OUT,
}


@pytest.mark.parametrize("fault", ["none"] + sorted(FAULTS))
def test_pair_that_fails_is_told_and_every_pair_is_closed(monkeypatch, lines, fault):
    made = []

    def recorded(*args):
        made.extend(fallback(*args))
        return made[-2:]

    monkeypatch.setattr(machine_check, "fallback_socketpair", recorded)
    monkeypatch.setattr(socket, "socket", Faulty)
    monkeypatch.setattr(Faulty, "fault", fault, raising=False)
    monkeypatch.setattr(machine_check, "TIMEOUT", 0.01 if "silent" in fault else 10)
    line = line_of("AF_INET", lines(status=int(fault in FAULTS)))
    assert re.match("AF_INET  FAILED: " + FAULTS[fault] + "$" if fault in FAULTS else WORKS % "AF_INET", line)
    assert len(made) == (2 if fault in FAULTS else 20) * len(NAMES) and all(map(is_closed, made))


def test_interruption_comes_out(monkeypatch):
    for place, name in [(machine_check, "fallback_socketpair"), (platform, "platform")]:
        monkeypatch.setattr(place, name, raising(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            machine_check.check_machine("off")


@pytest.mark.parametrize(
    "name, words, codes",
    [
        ("AF_INET", NO_ADDRESS % "127.0.0.1", "EADDRNOTAVAIL ENETUNREACH 10049 10051"),
        ("AF_INET6", NO_ADDRESS % "::1", "EADDRNOTAVAIL ENETUNREACH 10049 10051"),
        ("AF_INET", NO_FAMILY, "EAFNOSUPPORT EOPNOTSUPP 10047"),
        ("AF_INET", A_SANDBOX, "EACCES EPERM ETIMEDOUT ECONNREFUSED 10060 10061 10013"),
        # A firewall is not blamed for a missing SYSTEMROOT (10106), or a network that is down (10050).
        ("AF_INET", "", "EMFILE ENETDOWN ENOSYS 10106 10050 10055"),
        ("the system's", POLICY % "socketpair", "EACCES EPERM ENOSYS EAFNOSUPPORT EOPNOTSUPP"),
        ("the system's", "", "EMFILE EADDRNOTAVAIL ETIMEDOUT"),
        ("an emulation", A_SANDBOX, "EACCES ECONNREFUSED 10013 10060"),
        ("an emulation", "", "EADDRNOTAVAIL 10055"),  # its ports may have run out
    ],
)
def test_failure_is_told_with_its_usual_cause_if_one_is_known(monkeypatch, set_own, lines, name, words, codes):
    shown = name if name in HOSTS else "own"
    asked = (getattr(socket, name),) if name in HOSTS else ()

    def fails(*args):
        if args == asked:
            raise error
        return fallback(*args)

    monkeypatch.setattr(machine_check, "PAIRS", 1)
    monkeypatch.setattr(machine_check, "fallback_socketpair", fails)
    set_own(lambda: fails(), of_the_system=name == "the system's")
    for code in codes.split():
        error = socket.error(int(code) if code.isdigit() else getattr(errno, code), "in the system's words")
        assert line_of(shown, lines(status=int(name == "AF_INET"))) == failed(shown, error, words)


@pytest.mark.skipif(str is bytes, reason="Python 2's report is bytes")
@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_report_is_printed_whatever_the_output_can_hold(monkeypatch, encoding):
    text = b"the system\xe2\x80\x99s words".decode("utf-8")
    monkeypatch.setattr(machine_check, "fallback_socketpair", raising(socket.error(errno.EIO, text)))
    output = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(output, encoding))
    machine_check.check_machine("off")
    shown = output.getvalue()  # what has been flushed
    monkeypatch.undo()
    assert text.encode(encoding, "backslashreplace") in shown


def test_own_pair_that_refuses_send_is_told_so(set_own, lines):
    error = socket.error(errno.EPERM, "in the system's words")

    class Mute(StandIn):
        sendall = raising(error)

    set_own(lambda: [Mute(real=end) for end in fallback()], of_the_system=True)
    assert lines()[1] == failed("own", error, POLICY % "send on a pair, so that asyncio hangs")


def test_own_function_that_hangs_is_told_in_time(monkeypatch, set_own, lines):
    released = threading.Event()
    daemons = []

    def hanging():
        daemons.append(threading.current_thread().daemon)
        released.wait(20)
        return fallback()

    set_own(hanging)
    seconds = 0.1 if HAS_NATIVE else 2  # enough for a byte over the fallback's pairs
    monkeypatch.setattr(machine_check, "TIMEOUT", seconds)
    report = lines()
    released.set()
    words = "10 pairs were not made within %s s." % seconds
    assert re.match("own      FAILED: (_?socket.timeout|timeout|TimeoutError): " + words + A_SANDBOX, report[1])
    assert set(daemons) == {True}  # so that Python ends all the same


def test_own_function_is_not_tried_if_there_are_no_threads(monkeypatch, set_own, lines):
    monkeypatch.setattr(threading.Thread, "start", raising(RuntimeError("no threads here")))  # as on WASI
    set_own(lambda: pytest.fail("tried"))
    assert lines()[1] == "own      FAILED: RuntimeError: not tried, since it may not return: no threads here."


def test_report_closes_with_what_helps_if_something_does(monkeypatch, set_own, lines):
    error = socket.error("Unexpected peer connection")
    set_own(raising(error))
    report = lines()
    assert [report[1]] + report[4:] == [failed("own", error, "")] + ADVICE
    for module in (machine_check, backports_socketpair):
        monkeypatch.setattr(module, "fallback_socketpair", raising(error))
    assert lines(status=1)[4:] == NOTHING


def test_relayed_loopback_is_told_and_that_the_pair_works(monkeypatch, lines):
    class Relayed(StandIn):
        sent = False

        def sendall(self, data):
            self.real.sendall(data)
            self.sent = True

        def getpeername(self):
            assert self.sent  # before, a lazy relay has not connected on
            return "127.0.0.1", 0

    made = []

    def relayed(*args):
        made.append([Relayed(real=end) for end in fallback(*args)])
        return made[-1] if len(made) % 10 == 5 else fallback(*args)  # one of ten suffices

    monkeypatch.setattr(machine_check, "fallback_socketpair", relayed)
    report = lines()
    close(*sum(made, []))
    for name in NAMES:
        words = WORKS % name + "; loopback is relayed on this machine, and the pair works$"
        assert re.match(words, line_of(name, report))
