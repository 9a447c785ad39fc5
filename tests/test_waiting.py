"""How the connection comes about: what ends the wait, and what does not."""

import errno
import re
import signal
import socket
import sys
import threading
import time
from timeit import default_timer

import pytest

from standins.sockets import Hurried, StandIn, passing_calls
from standins.strangers import await_connection, closed_port, full_listener
from support import (
    HOSTS,
    JYTHON,
    WINDOWS,
    RealSocket,
    close,
    default_timeout,
    fallback,
    has_address,
    in_thread,
    is_closed,
    load_copy,
    module,
)

try:
    from _thread import interrupt_main
except ImportError:
    interrupt_main = getattr(pytest.importorskip("thread"), "interrupt_main", None)


def works(first, second):
    second.settimeout(10)
    first.sendall(b"x")
    return second.recv(1) == b"x"


class NeverConnecting(Hurried):
    def connect_ex(self, address):
        return errno.EINPROGRESS

    def getsockname(self):
        try:
            return self.real.getsockname()
        except socket.error:  # on Windows and Jython, whose client has not been asked to connect
            return "0.0.0.0", 0


class Redirected(StandIn):
    """Its connect goes elsewhere."""

    def connect_ex(self, address):
        return self.real.connect_ex(self.elsewhere)


REAL_CLOCK = module._now


@pytest.fixture
def waits_of(stand_in, monkeypatch):
    """Puts a class in the place of socket.socket; the seconds that it will be told to wait, and what it made.

    Nothing but these waits is counted: the clock stands still, if the test has none of its own.
    """

    def put(cls):
        class Noted(cls):
            waits = []

        if module._now is REAL_CLOCK:
            monkeypatch.setattr(module, "_now", lambda: 0.0)
        return Noted.waits, stand_in(Noted)

    return put


@pytest.fixture
def refusing(family):
    host = module._LOOPBACK[family]
    holder, port = closed_port(family, host)
    yield host, port
    holder.close()


@pytest.fixture
def unanswering(family):
    if JYTHON:
        pytest.skip("a Jython listener accepts by itself and is never full")
    listener, fillers = full_listener(family, module._LOOPBACK[family])
    yield listener
    close(listener, *fillers)


# An end to waiting


def test_waits_ten_seconds_for_our_client_then_raises_etimedout_in_words(waits_of):
    waits, made = waits_of(NeverConnecting)
    with pytest.raises(socket.error) as caught:
        fallback()
    assert 9.9 < sum(waits) < 10.1
    assert caught.value.errno == errno.ETIMEDOUT
    assert re.match(
        r"connect to 127\.0\.0\.1 port \d+: our own connection was not made within 10 s \(0 from strangers were"
        r" closed\); a firewall, antivirus or proxy that intercepts loopback is the usual cause$",
        caught.value.strerror,
    )
    assert len(made) == 2 and all(map(is_closed, made))


def test_time_out_tells_the_address_and_how_many_strangers_were_turned_away(stand_in, family):
    addresses = []
    strangers = []

    class OnlyStrangers(NeverConnecting):
        def connect_ex(self, address):
            if not addresses:
                addresses.append(address)
                for _ in range(3):
                    strangers.append(RealSocket(family, socket.SOCK_STREAM))
                    strangers[-1].connect(address)
            return errno.EINPROGRESS

    made = stand_in(OnlyStrangers)
    with pytest.raises(socket.error) as caught:
        fallback(family)
    close(*strangers)
    assert "%s port %d" % addresses[0] in str(caught.value)
    assert "3 from strangers" in str(caught.value)
    assert all(map(is_closed, made))


def test_client_that_is_accepted_but_never_connected_is_a_time_out_without_strangers(waits_of, family):
    class NeverSure(Hurried):
        def connect_ex(self, address):
            self.real.connect_ex(address)
            return errno.EALREADY

    waits, made = waits_of(NeverSure)
    with pytest.raises(socket.error) as caught:
        fallback(family)
    assert caught.value.errno == errno.ETIMEDOUT
    assert JYTHON or "0 from strangers" in str(caught.value)
    # That in which it was accepted did not run out, and Jython's threads may take their time to it.
    assert 9.9 < sum(waits) < 10.1 + 2 * 0.08
    assert all(map(is_closed, made))


def test_client_that_a_full_listener_does_not_answer_is_a_time_out(waits_of, family, unanswering):
    class ToFullListener(Hurried):
        def connect_ex(self, address):
            return self.real.connect_ex(unanswering.getsockname()[:2])

    waits, made = waits_of(ToFullListener)
    with pytest.raises(socket.error) as caught:
        fallback(family)
    assert 9.9 < sum(waits) < 10.1
    assert caught.value.errno == errno.ETIMEDOUT
    assert all(map(is_closed, made))


def test_refused_client_is_raised_at_once_with_its_own_errno(stand_in, family, refusing):
    class ToClosedPort(Redirected):
        elsewhere = refusing

    made = stand_in(ToClosedPort)
    for _ in range(2):  # since the first takes Jython a second or more, to load what it has for errors
        started = default_timer()
        with pytest.raises(socket.error) as caught:
            fallback(family)
        took = default_timer() - started
    assert took < (3 if WINDOWS else 1)  # Windows itself tries for two seconds
    # Jython tells no more of a connect that failed than that it is not connected.
    code = errno.ENOTCONN if JYTHON else errno.ECONNREFUSED
    assert caught.value.errno == code
    assert "connect to %s port " % refusing[0] in str(caught.value)
    assert ": %s" % errno.errorcode[code] in str(caught.value)
    assert all(map(is_closed, made))


@pytest.mark.parametrize(
    "code, name", [(errno.ECONNREFUSED, "ECONNREFUSED"), (10061, "error 10061"), (54321, "error 54321")]
)
def test_connect_that_fails_is_told_by_the_name_of_its_errno_where_it_has_one(stand_in, code, name):
    addresses = []

    class Failing(StandIn):
        def connect_ex(self, address):
            addresses.append(address)
            return code

    stand_in(Failing)
    with pytest.raises(socket.error) as caught:
        fallback()
    assert caught.value.errno == code
    if WINDOWS and code == 10061:
        name = "WSAECONNREFUSED"  # as errno there calls it
    assert caught.value.strerror == "connect to %s port %d: %s" % (addresses[0] + (name,))


@pytest.mark.skipif(JYTHON, reason="a Jython listener accepts by itself and is never full")
def test_client_that_is_refused_later_on_is_raised_then_with_its_own_errno(stand_in):
    """Both families side by side, since a client's next attempt, which is refused, comes a second after its first."""
    full = {}
    outcomes = {}

    class ToFullListener(StandIn):
        def connect_ex(self, address):
            return self.real.connect_ex(addresses[self.real.family])

        def accept(self):
            full[self.real.family][0].close()
            return StandIn.accept(self)

    def call(family):
        started = default_timer()
        try:
            outcomes[family] = fallback(family)
        except socket.error as error:
            outcomes[family] = error.errno, default_timer() - started

    for name, host in HOSTS.items():
        if has_address(name, host):
            full[getattr(socket, name)] = full_listener(getattr(socket, name), host)
    addresses = {family: listener.getsockname()[:2] for family, (listener, _) in full.items()}
    made = stand_in(ToFullListener)
    for thread in [in_thread(call, family) for family in full]:
        thread.join(20)
    assert sorted(outcomes) == sorted(full)
    for code, seconds in outcomes.values():
        assert code == errno.ECONNREFUSED
        assert 0.5 < seconds < 5
    assert all(map(is_closed, made))
    for _, fillers in full.values():
        close(*fillers)


@pytest.mark.parametrize("code", [10053, errno.ECONNABORTED, errno.EINVAL])
def test_reason_for_a_connect_that_failed_just_before_it_is_asked_is_that_of_so_error(stand_in, code):
    """As under Wine, where connect_ex says only that it has failed, and BSD."""
    asked = []

    class FailingJustBefore(StandIn):
        def connect_ex(self, address):
            asked.append("connect")
            return errno.EINPROGRESS if len(asked) == 1 else code

        def getsockopt(self, level, option):
            assert (level, option) == (socket.SOL_SOCKET, socket.SO_ERROR)
            asked.append("SO_ERROR")
            return errno.ECONNREFUSED if asked[-2:] == ["connect", "SO_ERROR"] and len(asked) > 3 else 0

    made = stand_in(FailingJustBefore)
    with pytest.raises(socket.error) as caught:
        fallback()
    assert asked == ["connect", "SO_ERROR", "connect", "SO_ERROR"]
    assert caught.value.errno == errno.ECONNREFUSED
    assert all(map(is_closed, made))


@pytest.mark.parametrize("told_by", ["connect_ex", "SO_ERROR"])
def test_accepted_connection_whose_other_end_has_failed_is_no_pair(stand_in, family, told_by):
    class FailingLate(StandIn):
        asked = 0

        def connect_ex(self, address):
            self.asked += 1
            if self.asked > 1:
                return errno.ECONNRESET if told_by == "connect_ex" else errno.EALREADY
            self.real.connect_ex(address)
            return errno.EINPROGRESS

        def getsockopt(self, level, option):
            if (level, option) == (socket.SOL_SOCKET, socket.SO_ERROR) and told_by == "SO_ERROR":
                return errno.ECONNRESET
            return self.real.getsockopt(level, option)

    made = stand_in(FailingLate)
    with pytest.raises(socket.error) as caught:
        fallback(family)
    assert caught.value.errno == errno.ECONNRESET
    assert all(map(is_closed, made))


def test_waits_in_slices_from_a_millisecond_to_less_than_a_tenth_of_a_second(stand_in):
    slices = []

    class Slicing(NeverConnecting):
        def settimeout(self, seconds):
            slices.append(seconds)
            NeverConnecting.settimeout(self, seconds)

    stand_in(Slicing)
    with pytest.raises(socket.error):
        fallback()
    assert slices[:4] == [0.001, 0.002, 0.004, 0.008]
    assert max(slices) == slices[-1] == 0.08
    assert min(slices) == 0.001


def test_wait_is_a_millisecond_again_after_somebody_came(waits_of, family):
    strangers = []

    class Visited(NeverConnecting):
        def accept(self):
            if len(self.waits) == 20:
                strangers.append(RealSocket(family, socket.SOCK_STREAM))
                strangers[0].connect(self.real.getsockname()[:2])
                await_connection(self.real)
            return NeverConnecting.accept(self)

    waits, _ = waits_of(Visited)
    with pytest.raises(socket.error):
        fallback(family)
    assert waits[19:23] == [0.08, 0.001, 0.002, 0.004]
    close(*strangers)


def test_pair_that_is_there_at_once_takes_no_time(make_pair):
    make_pair()  # Jython loads what it needs
    assert sorted(timed(make_pair) for _ in range(5))[2] < 0.2


def timed(function):
    started = default_timer()
    function()
    return default_timer() - started


@pytest.mark.skipif(interrupt_main is None, reason="Jython's thread module has no interrupt_main")
def test_ctrl_c_is_heard_while_waiting(stand_in, request):
    # A program that was started in the background may have been told to ignore it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    interrupters = []

    class Interrupted(StandIn):
        def connect_ex(self, address):
            return errno.EINPROGRESS

        def accept(self):
            if not interrupters:
                interrupters.append(threading.Timer(0.1, interrupt_main))
                interrupters[0].start()
            return StandIn.accept(self)

    made = stand_in(Interrupted)
    started = default_timer()
    with pytest.raises(KeyboardInterrupt):
        fallback()
    assert default_timer() - started < 3
    assert all(map(is_closed, made))


class OtherTime(object):
    """The module time with clocks of the test's."""

    def __init__(self, **clocks):
        vars(self).update(clocks)

    def __getattr__(self, name):
        return getattr(time, name)


CLOCKS = {
    "stand still": lambda: iter(lambda: 1e9, None),
    "are put back an hour each time": lambda: iter(range(10 ** 9, 0, -3600)),
}


def with_clocks(monkeypatch, **readings):
    """A copy of the module that knows only these clocks."""
    clocks = {name: lambda values=values: float(next(values)) for name, values in readings.items()}
    monkeypatch.setitem(sys.modules, "time", OtherTime(**clocks))
    return load_copy()


@pytest.mark.parametrize("how", sorted(CLOCKS))
def test_wait_ends_after_ten_seconds_though_all_clocks(waits_of, monkeypatch, how):
    copy = with_clocks(monkeypatch, monotonic=CLOCKS[how](), time=CLOCKS[how](), clock=CLOCKS[how]())
    waits, made = waits_of(NeverConnecting)
    with pytest.raises(socket.error) as caught:
        copy.fallback_socketpair()
    assert caught.value.errno == errno.ETIMEDOUT
    assert 9.9 < sum(waits) < 10.1
    assert all(map(is_closed, made))


@pytest.mark.skipif(
    not WINDOWS and not JYTHON and not hasattr(time, "monotonic"),
    reason="Python 2 has no monotonic clock on Unix",
)
def test_wait_goes_by_a_clock_that_nobody_sets(waits_of, monkeypatch):
    copy = with_clocks(monkeypatch, time=iter(range(0, 10 ** 9, 3600)))
    waits, _ = waits_of(NeverConnecting)
    with pytest.raises(socket.error):
        copy.fallback_socketpair()
    assert 5 < sum(waits) < 10.1  # the rest is time that it really took


def test_clock_goes_on_while_nothing_is_computed():
    """As the processor's time does not, which time.clock is on Unix."""
    before, started = module._now(), default_timer()
    threading.Event().wait(0.05)
    assert abs((module._now() - before) - (default_timer() - started)) < 0.03


def test_clock_that_is_put_forward_an_hour_shortens_the_wait_by_half_a_second_at_most(waits_of, monkeypatch):
    readings = iter([0, 0, 0, 3600])
    monkeypatch.setattr(module, "_now", lambda: float(next(readings, 3600)))
    waits, _ = waits_of(NeverConnecting)
    with pytest.raises(socket.error):
        fallback()
    assert 9.4 < sum(waits) < 9.6


def test_time_that_strangers_take_counts_by_the_clock_not_by_the_wait(waits_of, monkeypatch):
    """A stranger's error comes before the wait has run out, and must not shorten it."""
    seconds = [0.0]
    errors = [errno.ECONNABORTED] * 1000

    class Aborting(NeverConnecting):
        def accept(self):
            seconds[0] += 0.001
            if errors:
                raise socket.error(errors.pop(), "a stranger has gone")
            seconds[0] += self.waits[-1]
            raise socket.timeout("timed out")

    monkeypatch.setattr(module, "_now", lambda: seconds[0])
    waits, _ = waits_of(Aborting)
    with pytest.raises(socket.error):
        fallback()
    assert errors == []
    assert 9.9 < seconds[0] < 10.1


def test_strangers_errors_without_end_are_a_time_out(stand_in, monkeypatch):
    seconds = [0.0]

    class Aborting(NeverConnecting):
        def accept(self):
            seconds[0] += 0.01
            raise socket.error(errno.EPROTO if hasattr(errno, "EPROTO") else 10053, "a stranger's")

    monkeypatch.setattr(module, "_now", lambda: seconds[0])
    stand_in(Aborting)
    with pytest.raises(socket.error) as caught:
        fallback()
    assert caught.value.errno == errno.ETIMEDOUT
    assert 9.9 < seconds[0] < 10.1


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="neither Windows nor Jython has signal.setitimer")
def test_signals_at_10_khz_do_not_end_the_wait(make_pair, stand_in):
    heard = []
    before = signal.signal(signal.SIGALRM, lambda *_: heard.append(1))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0001, 0.0001)
        pairs = [make_pair() for _ in range(200)]
        stand_in(answering(*[errno.EINPROGRESS] * 5))
        pairs.append(make_pair())
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert len(heard) > 50
    assert all(works(*pair) for pair in pairs)


@pytest.mark.parametrize("default", [None, 7.5, 0.0, 1e-6])
def test_default_timeout_has_no_effect_on_the_wait(waits_of, default):
    waits, _ = waits_of(NeverConnecting)
    with default_timeout(default), pytest.raises(socket.error) as caught:
        fallback()
    assert 9.9 < sum(waits) < 10.1
    assert "our own connection" in str(caught.value)


def calls_for_a_pair(stand_in, make_pair):
    calls = []
    ordinals = {}

    class Watched(StandIn):
        def __init__(self, *args, **kwargs):
            StandIn.__init__(self, *args, **kwargs)
            ordinals[self] = len(ordinals)
            if not kwargs:
                calls.append((ordinals[self], "socket"))

        def __getattr__(self, name):
            calls.append((ordinals[self], name))
            return getattr(self.real, name)

        def accept(self):
            accepted = StandIn.accept(self)  # with what Python itself calls in it
            del calls[next(place for place, call in enumerate(calls + [None]) if call is None or call[0] == 2) :]
            calls.append((ordinals[self], "accept"))
            return accepted

    stand_in(Watched)
    make_pair()
    return calls


@pytest.mark.parametrize("default", [7.5, 0.0, 1e-6])
def test_where_a_default_timeout_is_set_every_socket_is_given_a_mode_before_its_first_call(
    stand_in, make_pair, default
):
    with default_timeout(default):
        calls = calls_for_a_pair(stand_in, make_pair)
    for number in range(3):
        first = [name for who, name in calls if who == number and name != "socket"][0]
        assert first in ("setblocking", "settimeout")


@pytest.mark.skipif(JYTHON, reason="how often Jython has to be asked is a matter of its threads")
def test_ordinary_pair_takes_sixteen_calls_and_one_where_ports_can_be_exclusive(stand_in, make_pair):
    calls = [name for _, name in calls_for_a_pair(stand_in, make_pair)]
    exclusive = int(hasattr(socket, "SO_EXCLUSIVEADDRUSE"))
    assert len(calls) <= 16 + exclusive, " ".join(calls)
    assert not {"send", "sendall", "recv", "getpeername"} & set(calls)


# Connecting


def answering(*answers):
    """Connects for real, but connect_ex answers these first; an exception among them is raised."""
    left = list(answers)

    class Answering(StandIn):
        def connect_ex(self, address):
            code = self.real.connect_ex(address)
            answer = left.pop(0) if left else code
            while number_of(answer) in DONE and code not in DONE:  # what it says has to be true
                code = self.real.connect_ex(address)
            if isinstance(answer, Exception):
                raise answer
            return answer

    return Answering


def number_of(answer):
    return getattr(answer, "errno", answer)


DONE = [0, errno.EISCONN, 10056]


UNDER_WAY = [
    getattr(errno, name)
    for name in ("EINPROGRESS", "EWOULDBLOCK", "EAGAIN", "EALREADY", "EINTR", "EISCONN")
] + [10035, 10036, 10037, 10056, 0]


@pytest.mark.parametrize("code", UNDER_WAY)
def test_connect_under_way_or_done_is_known_by_any_of_its_names(stand_in, make_pair, code):
    stand_in(answering(code))
    assert works(*make_pair())


@pytest.mark.parametrize("code", [code for code in UNDER_WAY if code])
def test_connect_under_way_may_be_raised_instead_of_returned(stand_in, make_pair, code):
    stand_in(answering(socket.error(code, "as some cooperative sockets do")))
    assert works(*make_pair())


@pytest.mark.parametrize(
    "error",
    [socket.error("no errno, as a proxy's errors have none"), socket.error(0, "Error"), socket.error(errno.EIO, "x")],
    ids=["no number", "0", "EIO"],
)
def test_any_other_error_that_connect_raises_comes_out_itself_at_once(waits_of, family, error):
    waits, made = waits_of(type("Answering", (answering(error), Hurried), {}))
    with pytest.raises(socket.error) as caught:
        fallback(family)
    assert caught.value is error
    assert waits == []
    assert all(map(is_closed, made))


@pytest.mark.parametrize("raised", [False, True])
def test_10022_from_the_first_connect_is_an_error_at_once(waits_of, family, raised):
    answer = socket.error(10022, "raised") if raised else 10022
    waits, made = waits_of(type("Answering", (answering(answer), Hurried), {}))
    with pytest.raises(socket.error) as caught:
        fallback(family)
    assert caught.value.errno == 10022
    assert waits == []
    assert all(map(is_closed, made))


@pytest.mark.parametrize("code", [errno.EALREADY, errno.EINPROGRESS, 10022, 10035, 10037])
def test_pair_is_returned_only_when_the_connecting_end_says_so(stand_in, make_pair, code):
    """An accepted connection and getpeername are no proof of it on Jython."""
    asked = []

    class Hesitating(StandIn):
        def connect_ex(self, address):
            asked.append(self.real.connect_ex(address))
            if len(asked) == 1:
                return errno.EINPROGRESS
            return code if len(asked) < 6 else asked[-1]

    stand_in(Hesitating)
    assert works(*make_pair())
    assert len(asked) >= 6


@pytest.mark.parametrize("answer", [0, errno.EISCONN, 10056])
def test_connecting_end_that_has_said_that_it_is_connected_is_not_asked_again(stand_in, make_pair, answer):
    """.NET takes a needless question ill."""
    asked = []

    class ConnectedAtOnce(StandIn):
        def connect_ex(self, address):
            asked.append(address)
            self.real.setblocking(True)
            self.real.connect(address)
            self.real.setblocking(False)
            return answer

    stand_in(ConnectedAtOnce)
    assert works(*make_pair())
    assert len(asked) == 1


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTCONN, 10022])
def test_client_whose_name_is_not_known_while_it_connects_is_known_later(stand_in, make_pair, code):
    """As .NET raises EINVAL, and Windows WSAEINVAL, until it is connected."""
    asked = []

    class NamedLate(StandIn):
        connects = False

        def connect_ex(self, address):
            self.connects = True
            return self.real.connect_ex(address)

        def getsockname(self):
            if self.connects:
                asked.append(self)
                if len(asked) < 4:
                    raise socket.error(code, "no name yet")
            return self.real.getsockname()

    stand_in(NamedLate)
    assert works(*make_pair())
    assert len(asked) >= 1


def busy_once(call, answer):
    """A stand-in at whose first listener, or client, the call fails; and who listened."""

    class BusyOnce(StandIn):
        listeners = []
        failed = []

        def fail_once(self, name):
            if name == call and not self.failed:
                self.failed.append(name)
                if isinstance(answer, Exception):
                    raise answer
                return answer
            return None

        def bind(self, address):
            self.listeners.append(self)
            self.fail_once("bind")
            self.real.bind(address)

        def listen(self, backlog):
            self.fail_once("listen")
            self.real.listen(backlog)

        def connect_ex(self, address):
            assert address[1] == self.listeners[-1].getsockname()[1]
            return self.fail_once("connect_ex") or self.real.connect_ex(address)

    return BusyOnce


BUSY = [("connect_ex", code) for code in (errno.EADDRINUSE, 10048)]
REFUSED = [(name, code) for name in ("bind", "listen") for code in (errno.EADDRINUSE, 10048, 10013)]


@pytest.mark.parametrize(
    "call, answer",
    BUSY + [(call, socket.error(code, "refused")) for call, code in BUSY + REFUSED],
    ids=lambda each: str(each) if isinstance(each, (int, str)) else "raised %d" % each.errno,
)
def test_port_that_is_refused_is_tried_again_with_another_listener(stand_in, make_pair, call, answer):
    cls = busy_once(call, answer)
    made = stand_in(cls)
    assert works(*make_pair())
    assert cls.failed == [call]
    assert len(cls.listeners) == 2
    left_over = [True, True] if call == "connect_ex" else [True]
    assert [is_closed(sock) for sock in made] == left_over + [True, False, False]


def test_port_that_is_refused_is_known_by_winsocks_number_though_errno_renames_it(stand_in, make_pair):
    """As Python 3 does on Windows, where it has WSAEACCES for EACCES."""
    error = socket.error(errno.EACCES, "refused")
    error.winerror = 10013
    stand_in(busy_once("bind", error))
    assert works(*make_pair())


@pytest.mark.parametrize("call, code", [("connect_ex", 10013), ("bind", errno.EIO), ("listen", errno.EIO)])
def test_other_refusal_is_not_tried_again(stand_in, family, call, code):
    cls = busy_once(call, socket.error(code, "for good"))
    made = stand_in(cls)
    with pytest.raises(socket.error) as caught:
        fallback(family)
    assert caught.value.errno == code
    assert len(cls.listeners) == 1
    assert all(map(is_closed, made))


@pytest.mark.parametrize("call", ["bind", "listen", "connect_ex"])
def test_port_that_stays_busy_is_an_error_after_ten_tries(stand_in, family, call):
    asked = []

    def pass_on(name, forward):
        if name == call:
            asked.append(name)
            raise socket.error(errno.EADDRINUSE, "busy")
        return forward()

    made = stand_in(passing_calls(pass_on))
    with pytest.raises(socket.error) as caught:
        fallback(family)
    assert caught.value.errno == errno.EADDRINUSE
    assert len(asked) == 10
    assert all(map(is_closed, made))


# Listening


def test_listens_on_the_literal_loopback_address_and_a_port_of_the_systems_choice(
    stand_in, make_pair, family
):
    calls = []

    class Watched(StandIn):
        def bind(self, address):
            calls.append(("bind", address))
            self.real.bind(address)

        def setsockopt(self, level, option, value):
            calls.append(("setsockopt", level, option))
            self.real.setsockopt(level, option, value)

        def listen(self, backlog):
            calls.append(("listen", backlog))
            self.real.listen(backlog)

    stand_in(Watched)
    make_pair()
    exclusive = getattr(socket, "SO_EXCLUSIVEADDRUSE", None)
    before_bind = [("setsockopt", socket.SOL_SOCKET, exclusive)] if exclusive is not None else []
    host = HOSTS["AF_INET" if family == socket.AF_INET else "AF_INET6"]
    listening = [("bind", (host, 0)), ("listen", 128)]
    assert calls[: len(before_bind) + 2] == before_bind + listening
    reuse = getattr(socket, "SO_REUSEADDR", None)
    assert ("setsockopt", socket.SOL_SOCKET, reuse) not in calls


def test_does_without_options_that_are_refused(stand_in, make_pair, monkeypatch):
    monkeypatch.setattr(socket, "SO_EXCLUSIVEADDRUSE", -5, raising=False)
    refused = []

    class Refusing(StandIn):
        def setsockopt(self, level, option, value):
            refused.append((level, option, value))
            raise socket.error(errno.ENOPROTOOPT, "refused")

    stand_in(Refusing)
    assert works(*make_pair())
    no_delay = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    assert refused == [(socket.SOL_SOCKET, -5, 1), no_delay, no_delay]


def test_takes_nothing_but_the_port_from_the_listeners_name(stand_in, family, make_pair):
    class Layered(StandIn):
        def getsockname(self):
            return ("0.0.0.0",) + tuple(self.real.getsockname()[1:])

    stand_in(Layered)
    assert works(*make_pair())


@pytest.mark.parametrize("spelling", ["0:0:0:0:0:0:0:1", "::ffff:127.0.0.1", "localhost", None])
def test_knows_our_client_however_its_address_is_spelt(stand_in, make_pair, spelling):
    """Jython spells ::1 out, and macOS may tell no peer."""

    class Spelling(StandIn):
        def accept(self):
            sock, peer = StandIn.accept(self)
            return sock, spelling and (spelling,) + tuple(peer[1:])

    stand_in(Spelling)
    assert works(*make_pair())


def test_makes_its_sockets_with_whatever_socket_socket_is_at_the_time_and_by_position(
    monkeypatch, family
):
    arguments = []

    class Renamed(StandIn):
        def __init__(self, *args, **kwargs):
            if "fileno" not in kwargs and "real" not in kwargs:
                arguments.append((args, kwargs))
            StandIn.__init__(self, *args, **kwargs)

    monkeypatch.setattr(socket, "socket", Renamed)
    pair = fallback(family)
    assert [type(end) for end in pair] == [Renamed, Renamed]
    assert arguments == [((family, socket.SOCK_STREAM, 0), {})] * 2
    close(*pair)


def test_returns_the_accepted_end_then_the_connecting_end(stand_in, make_pair):
    class Marked(StandIn):
        role = "accepted"

        def connect_ex(self, address):
            self.role = "connecting"
            return self.real.connect_ex(address)

    stand_in(Marked)
    assert [end.role for end in make_pair()] == ["accepted", "connecting"]
