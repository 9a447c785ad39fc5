"""Tests of the report that "python -m backports_socketpair" prints, for users to paste."""

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

WORKS = r"%s: works. A pair takes \d+ us, a byte there and back \d+ us."
HAS_OWN = HAS_NATIVE or HAS_EMULATION
NAMES = ["fallback AF_INET"] + ["fallback AF_INET6"] * has_address("AF_INET6", "::1")
ADVICE = machine_check.ADVICE.splitlines()
NOTHING = ["Nothing in this package helps here."]

A_SANDBOX = " The usual cause is a sandbox, a firewall, an antivirus, or a proxy that intercepts loopback."
NO_FAMILY = " The system does not allow this address family: it is off, or a policy forbids it."
POLICY = " The system refuses %s. The usual cause is the policy of a container or a sandbox."
NO_ADDRESS = " This machine has no address %s."


@pytest.fixture
def lines(capsys):
    def check(status=0):
        assert machine_check.check_machine("off") == status
        return capsys.readouterr().out.splitlines()

    return check


def line_of(name, lines):
    return [line for line in lines if line.startswith(name + ": ")][0]


def failed(name, error, cause):
    return "%s: FAILED. %s: %s.%s" % (name, type(error).__name__, error, cause)


def raising(error):
    def function(*args):
        raise error

    return function


@pytest.fixture
def set_own(monkeypatch):
    """Return a function that makes a given function Python's own socket.socketpair."""

    def set_own(function, module_name="socket", of_the_system=False):
        function.__module__ = module_name
        monkeypatch.setattr(socket, "socketpair", function)
        if of_the_system:
            monkeypatch.setattr(machine_check._socket, "socketpair", function, raising=False)
        else:
            monkeypatch.delattr(machine_check._socket, "socketpair", raising=False)

    return set_own


def test_report_has_a_line_about_python_and_each_function():
    lines = run_python("-m", "backports_socketpair").splitlines()
    assert len(lines) == (4 if HAS_OWN else 3)
    python = platform.python_implementation(), platform.python_version(), platform.platform()
    whose = "the operating system's" if HAS_NATIVE else "Python's emulation" if HAS_EMULATION else "missing"
    about = "%s %s on %s; backports_socketpair %s; --enable: off; socket.socketpair is %s"
    assert lines[0].startswith(about % (python + (__version__, whose)))
    for name in ["socket.socketpair"] * HAS_OWN + NAMES:
        assert re.match(WORKS % name + "$", line_of(name, lines))
    if "fallback AF_INET6" not in NAMES:
        assert lines[-1].startswith("fallback AF_INET6: FAILED. ")
        assert lines[-1].endswith((NO_ADDRESS % "::1", NO_FAMILY))


def test_first_line_says_where_the_function_comes_from(monkeypatch, set_own, lines):
    for module_name, of_the_system, words in [
        ("socket", True, "the operating system's"),
        ("_socket", True, "the operating system's"),
        ("socket", False, "Python's emulation"),
        ("another.package", True, "from another module, another.package"),
        (None, False, "missing, or replaced by the fallback"),
    ]:
        set_own(lambda *args: fallback(), module_name, of_the_system)
        if module_name is None:
            monkeypatch.setattr(socket, "socketpair", fallback)
        before = dict(vars(socket))
        report = lines()
        assert report[0].endswith("; socket.socketpair is " + words)
        assert len(report) == (3 if module_name is None else 4)  # both work, so there is no advice
        assert dict(vars(socket)) == before
    monkeypatch.setattr(platform, "platform", raising(EnvironmentError(errno.EPERM, "a sandbox refuses to tell")))
    assert " on %s; backports_socketpair " % sys.platform in lines()[0]


def test_figures_are_medians_in_microseconds(monkeypatch, set_own, lines):
    """Use a clock that advances by 3 us for each pair and 1 us for each byte, and sometimes by 100 us more."""
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
    for name in ["socket.socketpair"] + NAMES:
        assert line_of(name, report) == name + ": works. A pair takes 3 us, a byte there and back 2 us."
    assert made.count((socket.AF_INET,)) == made.count(()) == 10


class Faulty(StandIn):
    """A stand-in: one end sends nothing, or gets a wrong byte when it reads one byte. The nonce is never changed."""

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
def test_failing_pair_is_reported_and_every_pair_is_closed(monkeypatch, lines, fault):
    made = []

    def recorded(*args):
        made.extend(fallback(*args))
        return made[-2:]

    monkeypatch.setattr(machine_check, "fallback_socketpair", recorded)
    monkeypatch.setattr(socket, "socket", Faulty)
    monkeypatch.setattr(Faulty, "fault", fault, raising=False)
    monkeypatch.setattr(machine_check, "TIMEOUT", 0.01 if "silent" in fault else 10)
    line = line_of(NAMES[0], lines(status=int(fault in FAULTS)))
    assert re.match(NAMES[0] + ": FAILED. " + FAULTS[fault] + "$" if fault in FAULTS else WORKS % NAMES[0], line)
    assert len(made) == (2 if fault in FAULTS else 20) * len(NAMES) and all(map(is_closed, made))


def test_keyboard_interrupt_is_not_caught(monkeypatch):
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
        # The report does not blame a firewall if SYSTEMROOT is missing (10106) or the network is down (10050).
        ("AF_INET", "", "EMFILE ENETDOWN ENOSYS 10106 10050 10055"),
        ("the system's", POLICY % "socketpair()", "EACCES EPERM ENOSYS EAFNOSUPPORT EOPNOTSUPP"),
        ("the system's", "", "EMFILE EADDRNOTAVAIL ETIMEDOUT"),
        ("an emulation", A_SANDBOX, "EACCES ECONNREFUSED 10013 10060"),
        ("an emulation", "", "EADDRNOTAVAIL 10055"),  # perhaps the ports have run out
    ],
)
def test_failure_is_reported_with_its_usual_cause_if_known(monkeypatch, set_own, lines, name, words, codes):
    shown = "fallback " + name if name in HOSTS else "socket.socketpair"
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


@pytest.mark.skipif(str is bytes, reason="the report is bytes on Python 2")
@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_report_is_printed_whatever_the_output_can_encode(monkeypatch, encoding):
    text = b"the system\xe2\x80\x99s words".decode("utf-8")
    monkeypatch.setattr(machine_check, "fallback_socketpair", raising(socket.error(errno.EIO, text)))
    output = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(output, encoding))
    machine_check.check_machine("off")
    shown = output.getvalue()  # contains only flushed text
    monkeypatch.undo()
    assert text.encode(encoding, "backslashreplace") in shown


def test_own_pair_that_refuses_send_is_reported(set_own, lines):
    error = socket.error(errno.EPERM, "in the system's words")

    class Mute(StandIn):
        sendall = raising(error)

    set_own(lambda: [Mute(real=end) for end in fallback()], of_the_system=True)
    assert lines()[1] == failed("socket.socketpair", error, POLICY % "send() on a pair, so asyncio hangs")


def test_own_function_that_hangs_is_reported_in_time(monkeypatch, set_own, lines):
    released = threading.Event()
    daemons = []

    def hanging():
        daemons.append(threading.current_thread().daemon)
        released.wait(20)
        return fallback()

    set_own(hanging)
    seconds = 0.1 if HAS_NATIVE else 2  # also the limit for a byte through the fallback's pairs
    monkeypatch.setattr(machine_check, "TIMEOUT", seconds)
    report = lines()
    released.set()
    words = "10 pairs took more than %s s." % seconds
    assert re.match(
        "socket.socketpair: FAILED. (_?socket.timeout|timeout|TimeoutError): " + words + A_SANDBOX, report[1]
    )
    assert set(daemons) == {True}  # so that Python can exit while the function hangs


def test_own_function_is_not_tried_if_there_are_no_threads(monkeypatch, set_own, lines):
    monkeypatch.setattr(threading.Thread, "start", raising(RuntimeError("no threads here")))  # as on WASI
    set_own(lambda: pytest.fail("tried"))
    words = "It may hang or kill Python, and a time limit needs a thread (no threads here)."
    assert lines()[1] == "socket.socketpair: NOT TRIED. " + words


def test_report_ends_with_advice_if_something_helps(monkeypatch, set_own, lines):
    error = socket.error("Unexpected peer connection")
    set_own(raising(error))
    report = lines()
    assert [report[1]] + report[4:] == [failed("socket.socketpair", error, "")] + ADVICE
    for module in (machine_check, backports_socketpair):
        monkeypatch.setattr(module, "fallback_socketpair", raising(error))
    assert lines(status=1)[4:] == NOTHING


def test_report_says_that_a_relay_is_there_and_the_pair_works(monkeypatch, lines):
    class Relayed(StandIn):
        sent = False

        def sendall(self, data):
            self.real.sendall(data)
            self.sent = True

        def getpeername(self):
            assert self.sent  # before the first byte, a lazy relay has not connected to the listener
            return "127.0.0.1", 0

    made = []

    def relayed(*args):
        made.append([Relayed(real=end) for end in fallback(*args)])
        return made[-1] if len(made) % 10 == 5 else fallback(*args)  # one relayed pair of ten is enough

    monkeypatch.setattr(machine_check, "fallback_socketpair", relayed)
    report = lines()
    close(*sum(made, []))
    for name in NAMES:
        assert re.match(
            WORKS % name + " A program on this machine relays loopback connections.$", line_of(name, report)
        )
