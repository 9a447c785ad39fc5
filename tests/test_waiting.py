"""How the connection comes about: what ends the wait, and what does not."""

import errno
import select
import signal
import socket
import sys
import threading
import time
from timeit import default_timer

import pytest

from conftest import load_copy, module
from support import JYTHON, WINDOWS, RealSocket, StandIn, close, closed_port, full_listener, is_closed

try:
    from _thread import interrupt_main
except ImportError:
    interrupt_main = getattr(pytest.importorskip("thread"), "interrupt_main", None)

fallback = module._fallback_socketpair


def works(first, second):
    second.settimeout(10)
    first.sendall(b"x")
    return second.recv(1) == b"x"


class NeverConnecting(StandIn):
    def connect_ex(self, address):
        return errno.EINPROGRESS

    def getsockname(self):
        try:
            return self.real.getsockname()
        except socket.error:  # on Windows and Jython, before it is connected
            return "0.0.0.0", 0


class Redirected(StandIn):
    """Its connect goes elsewhere."""

    def connect_ex(self, address):
        return self.real.connect_ex(self.elsewhere)


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


def test_waits_ten_seconds_for_our_client_then_raises_etimedout_in_words(stand_in):
    made = stand_in(NeverConnecting)
    started = default_timer()
    with pytest.raises(socket.error) as caught:
        fallback()
    assert 9.9 < default_timer() - started < 12
    assert caught.value.errno == errno.ETIMEDOUT
    for words in ("127.0.0.1", "10 s", "0 from strangers", "firewall", "antivirus", "proxy"):
        assert words in str(caught.value)
    assert len(made) == 2 and all(map(is_closed, made))


def test_time_out_tells_the_address_and_how_many_strangers_were_turned_away(
    stand_in, shorter_wait, family
):
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

    stand_in(OnlyStrangers)
    with pytest.raises(socket.error) as caught:
        fallback(family)
    close(*strangers)
    assert "%s port %d" % addresses[0] in str(caught.value)
    assert "3 from strangers" in str(caught.value)


def test_client_that_a_full_listener_does_not_answer_is_a_time_out(
    stand_in, shorter_wait, family, unanswering
):
    class ToFullListener(Redirected):
        elsewhere = unanswering.getsockname()[:2]

    made = stand_in(ToFullListener)
    started = default_timer()
    with pytest.raises(socket.error) as caught:
        fallback(family)
    assert 0.2 < default_timer() - started < 2
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
    assert caught.value.errno == (errno.ENOTCONN if JYTHON else errno.ECONNREFUSED)
    assert "connect to" in str(caught.value)
    assert all(map(is_closed, made))


def test_client_that_fails_later_on_is_raised_then_with_its_own_errno(
    stand_in, family, unanswering
):
    class ToFullListener(Redirected):
        elsewhere = unanswering.getsockname()[:2]

        def accept(self):
            # The client's next attempt, a second after its first, is refused.
            unanswering.close()
            return StandIn.accept(self)

    made = stand_in(ToFullListener)
    started = default_timer()
    with pytest.raises(socket.error) as caught:
        fallback(family)
    assert 0.5 < default_timer() - started < 5
    assert caught.value.errno == errno.ECONNREFUSED
    assert all(map(is_closed, made))


def test_client_that_fails_just_before_it_is_asked_is_raised_with_its_own_errno(
    stand_in, family, unanswering
):
    asked = []

    class ToFullListener(Redirected):
        elsewhere = unanswering.getsockname()[:2]

        def connect_ex(self, address):
            asked.append(address)
            if len(asked) == 2:
                unanswering.close()
                select.select([], [self.real], [self.real], 5)
            return Redirected.connect_ex(self, address)

    made = stand_in(ToFullListener)
    with pytest.raises(socket.error) as caught:
        fallback(family)
    assert len(asked) == 2
    assert caught.value.errno == errno.ECONNREFUSED
    assert all(map(is_closed, made))


@pytest.mark.parametrize("told_by", ["connect_ex", "SO_ERROR"])
def test_accepted_connection_whose_other_end_has_failed_is_no_pair(stand_in, family, told_by):
    class FailingLate(StandIn):
        asked = 0

        def connect_ex(self, address):
            self.asked += 1
            if self.asked > 1 and told_by == "connect_ex":
                return errno.ECONNRESET
            return self.real.connect_ex(address)

        def getsockopt(self, level, option):
            if (level, option) == (socket.SOL_SOCKET, socket.SO_ERROR) and told_by == "SO_ERROR":
                return errno.ECONNRESET
            return self.real.getsockopt(level, option)

    made = stand_in(FailingLate)
    with pytest.raises(socket.error) as caught:
        fallback(family)
    assert caught.value.errno == errno.ECONNRESET
    assert all(map(is_closed, made))


def test_waits_in_slices_of_at_most_half_a_second(stand_in, monkeypatch):
    monkeypatch.setattr(module, "_TIMEOUT", 2)
    slices = []

    class Slicing(NeverConnecting):
        def settimeout(self, seconds):
            slices.append(seconds)
            self.real.settimeout(seconds)

    stand_in(Slicing)
    with pytest.raises(socket.error):
        fallback()
    assert max(slices) == 0.5
    assert sum(slices) < 3


@pytest.mark.skipif(interrupt_main is None, reason="Jython's thread module has no interrupt_main")
def test_ctrl_c_is_heard_while_waiting(stand_in, request):
    # A program that was started in the background may have been told to ignore it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    interrupters = []

    class Interrupted(NeverConnecting):
        def settimeout(self, seconds):
            self.real.settimeout(seconds)
            if seconds == 0.5 and not interrupters:
                interrupters.append(threading.Timer(0.1, interrupt_main))
                interrupters[0].start()

    made = stand_in(Interrupted)
    started = default_timer()
    with pytest.raises(KeyboardInterrupt):
        fallback()
    assert default_timer() - started < 3
    assert all(map(is_closed, made))


@pytest.mark.skipif(
    not WINDOWS and not JYTHON and not hasattr(time, "monotonic"),
    reason="Python 2 has no monotonic clock on Unix",
)
def test_wait_goes_by_a_clock_that_nobody_sets(stand_in, monkeypatch):
    leaps = iter(range(0, 10 ** 9, 3600))

    class Leaping(object):
        def __getattr__(self, name):
            return getattr(time, name)

        def time(self):
            return next(leaps)

    monkeypatch.setitem(sys.modules, "time", Leaping())
    copy = load_copy()
    copy._TIMEOUT = 0.3
    stand_in(NeverConnecting)
    started = default_timer()
    with pytest.raises(socket.error):
        copy._fallback_socketpair()
    assert 0.25 < default_timer() - started < 2


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
def test_default_timeout_has_no_effect_on_the_wait(stand_in, shorter_wait, default):
    stand_in(NeverConnecting)
    socket.setdefaulttimeout(default)
    try:
        started = default_timer()
        with pytest.raises(socket.error) as caught:
            fallback()
        assert 0.25 < default_timer() - started < 2
    finally:
        socket.setdefaulttimeout(None)
    assert "our own connection" in str(caught.value)


def test_every_socket_is_given_a_mode_before_anything_else_is_asked_of_it(stand_in, make_pair):
    """Since a default timeout may be in force, and an accepted socket may inherit another mode."""
    calls = []

    class Watched(StandIn):
        def __getattr__(self, name):
            calls.append((self, name))
            return getattr(self.real, name)

        def accept(self):
            calls.append((self, "accept"))
            return StandIn.accept(self)

    made = stand_in(Watched)
    make_pair()
    assert len(made) == 3
    for sock in made:
        assert [name for who, name in calls if who is sock][0] in ("setblocking", "settimeout")


# Connecting


def answering(*answers):
    """Connects for real, but connect_ex answers these first; an exception among them is raised."""
    left = list(answers)

    class Answering(StandIn):
        def connect_ex(self, address):
            code = self.real.connect_ex(address)
            answer = left.pop(0) if left else code
            if isinstance(answer, Exception):
                raise answer
            return answer

    return Answering


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


def test_any_other_error_that_connect_raises_comes_out_itself(stand_in, family):
    error = socket.error("no errno, as a proxy's errors have none")
    made = stand_in(answering(error))
    with pytest.raises(socket.error) as caught:
        fallback(family)
    assert caught.value is error
    assert all(map(is_closed, made))


@pytest.mark.parametrize("code", [errno.EALREADY, errno.EINPROGRESS, 10022, 10035, 10037])
def test_pair_is_returned_only_when_the_connecting_end_says_so(stand_in, make_pair, code):
    """An accepted connection and getpeername are no proof of it on Jython."""
    asked = []

    class Hesitating(StandIn):
        def connect_ex(self, address):
            asked.append(self.real.connect_ex(address))
            return code if len(asked) < 6 else asked[-1]

    stand_in(Hesitating)
    assert works(*make_pair())
    assert len(asked) >= 6


def test_client_that_is_accepted_but_never_connected_is_a_time_out(stand_in, shorter_wait, family):
    made = stand_in(answering(*[errno.EALREADY] * 10000))
    with pytest.raises(socket.error) as caught:
        fallback(family)
    assert caught.value.errno == errno.ETIMEDOUT
    assert all(map(is_closed, made))


@pytest.mark.parametrize("code", [errno.EADDRINUSE, 10048])
@pytest.mark.parametrize("raised", [False, True])
def test_port_that_is_busy_is_tried_again_with_another_listener(stand_in, make_pair, code, raised):
    answer = socket.error(code, "busy") if raised else code

    class BusyOnce(StandIn):
        listeners = []
        asked = []

        def listen(self, backlog):
            self.real.listen(backlog)
            self.listeners.append(self)

        def connect_ex(self, address):
            assert address[1] == self.listeners[-1].getsockname()[1]
            self.asked.append(len(self.listeners))
            if len(self.listeners) > 1:
                return self.real.connect_ex(address)
            if raised:
                raise answer
            return answer

    made = stand_in(BusyOnce)
    pair = make_pair()
    assert works(*pair)
    assert BusyOnce.asked[:2] == [1, 2]
    assert [is_closed(sock) for sock in made] == [True, True, True, False, False]


def test_port_that_stays_busy_is_an_error_after_ten_tries(stand_in, family):
    class Busy(StandIn):
        listeners = []

        def listen(self, backlog):
            self.listeners.append(self)
            self.real.listen(backlog)

        def connect_ex(self, address):
            return errno.EADDRINUSE

    made = stand_in(Busy)
    with pytest.raises(socket.error) as caught:
        fallback(family)
    assert caught.value.errno == errno.EADDRINUSE
    assert len(Busy.listeners) == 10
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
    listening = [("bind", (module._LOOPBACK[family], 0)), ("listen", 128)]
    assert calls[: len(before_bind) + 2] == before_bind + listening
    reuse = getattr(socket, "SO_REUSEADDR", None)
    assert ("setsockopt", socket.SOL_SOCKET, reuse) not in calls


def test_does_without_options_that_are_refused(stand_in, make_pair, monkeypatch):
    monkeypatch.setattr(socket, "SO_EXCLUSIVEADDRUSE", -5, raising=False)
    refused = []

    class Refusing(StandIn):
        def setsockopt(self, level, option, value):
            refused.append((level, option))
            raise socket.error(errno.ENOPROTOOPT, "refused")

    stand_in(Refusing)
    assert works(*make_pair())
    no_delay = (socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert refused == [(socket.SOL_SOCKET, -5), no_delay, no_delay]


def test_takes_nothing_but_the_port_from_the_listeners_name(stand_in, family, make_pair):
    class Layered(StandIn):
        def getsockname(self):
            return ("0.0.0.0",) + tuple(self.real.getsockname()[1:])

    stand_in(Layered)
    assert works(*make_pair())


def test_knows_ipv6_loopback_by_its_long_name_too(stand_in, make_pair):
    class LongNamed(StandIn):
        def accept(self):
            sock, peer = StandIn.accept(self)
            return sock, (peer[0].replace("::1", "0:0:0:0:0:0:0:1"),) + tuple(peer[1:])

    stand_in(LongNamed)
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
