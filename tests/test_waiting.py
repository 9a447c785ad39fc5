"""Waiting ends: ten seconds for all attempts together, whatever the clock does and however late each wait ends."""

import errno
import signal
import socket
import sys
import threading
import time
from timeit import default_timer

import pytest

from standins.sockets import Clock, StandIn, Unconnected
from standins.strangers import full_listener
from support import (
    HOSTS,
    JYTHON,
    WINDOWS,
    assert_is_direct,
    close,
    default_timeout,
    fallback,
    is_closed,
    load_copy,
    module,
)

try:
    from _thread import interrupt_main
except ImportError:
    interrupt_main = getattr(pytest.importorskip("thread"), "interrupt_main", None)


def assert_times_out(made, function=fallback, *args):
    """The error in words, and nothing left open; what it says."""
    with pytest.raises(socket.error) as caught:
        function(*args)
    assert caught.value.errno == errno.ETIMEDOUT
    assert made and all(map(is_closed, made))
    return caught.value.strerror


def test_no_connection_is_etimedout_after_ten_seconds(stand_in, clock, family):
    addresses = []

    class Dropped(clock.hurried(Unconnected)):
        def connect_ex(self, address):
            addresses.append(address)
            return errno.EINPROGRESS

    words = assert_times_out(stand_in(Dropped), fallback, family)
    assert 9.9 < clock.seconds < 10.1
    assert words == "connect to %s port %d: %s" % (addresses[-1] + (errno.errorcode[errno.ETIMEDOUT],))


def test_client_that_is_accepted_but_never_sends_is_a_time_out(stand_in, clock, family):
    class NeverSure(clock.hurried()):
        def connect_ex(self, address):
            self.real.connect_ex(address)
            return errno.EALREADY

        def getpeername(self):
            raise socket.error(errno.ENOTCONN, "no peer yet")

        def send(self, data):
            raise socket.error(errno.ENOTCONN, "not connected yet")

    assert_times_out(stand_in(NeverSure), fallback, family)
    assert 9.9 < clock.seconds < 10.1


@pytest.mark.skipif(JYTHON, reason="a Jython listener accepts by itself and is never full")
def test_client_that_a_full_listener_ignores_is_a_time_out(stand_in, clock, family):
    listener, fillers = full_listener(family, HOSTS["AF_INET" if family == socket.AF_INET else "AF_INET6"])

    class ToFullListener(clock.hurried()):
        def connect_ex(self, address):
            return self.real.connect_ex(listener.getsockname()[:2])

    assert_times_out(stand_in(ToFullListener), fallback, family)
    assert 9.9 < clock.seconds < 10.1
    close(listener, *fillers)


@pytest.mark.parametrize("fails", ["", "the client", "accept"])
def test_wait_that_ends_two_seconds_late_adds_no_more(stand_in, clock, fails):
    """As on a loaded machine, or in a busy hub of green threads."""

    class Late(clock.hurried(Unconnected)):
        def accept(self):
            clock.seconds += 2
            if fails == "accept":
                raise socket.error(errno.ECONNRESET, "a stranger's")
            return super(Late, self).accept()

        def getsockopt(self, level, option):
            return errno.ECONNRESET if fails == "the client" else 0

    made = stand_in(Late)
    with pytest.raises(socket.error) as caught:
        fallback()
    assert caught.value.errno == (errno.ECONNRESET if fails else errno.ETIMEDOUT)
    assert 10 <= clock.seconds < 12.1
    assert all(map(is_closed, made))


# The clock


class OtherTime(object):
    """The module time with clocks of the test's."""

    def __init__(self, **clocks):
        vars(self).update(clocks)

    def __getattr__(self, name):
        return getattr(time, name)


CLOCKS = {
    "stands still": lambda: iter(lambda: 1e9, None),
    "is put back an hour each time": lambda: iter(range(10**9, 0, -3600)),
}


def with_clocks(monkeypatch, **readings):
    """A copy of the module that knows only these clocks."""
    clocks = {name: lambda values=values: float(next(values)) for name, values in readings.items()}
    monkeypatch.setitem(sys.modules, "time", OtherTime(**clocks))
    return load_copy()


@pytest.mark.parametrize("how", sorted(CLOCKS))
def test_ten_seconds_of_waits_are_the_end_if_the_clock(stand_in, monkeypatch, how):
    copy = with_clocks(monkeypatch, monotonic=CLOCKS[how](), time=CLOCKS[how](), clock=CLOCKS[how]())
    waited = Clock()
    assert_times_out(stand_in(waited.hurried(Unconnected)), copy.fallback_socketpair)
    assert 9.9 < waited.seconds < 10.1


@pytest.mark.skipif(
    not WINDOWS and not JYTHON and not hasattr(time, "monotonic"),
    reason="Python 2 has no monotonic clock on Unix",
)
def test_wait_goes_by_a_clock_that_nobody_sets(stand_in, monkeypatch):
    copy = with_clocks(monkeypatch, time=iter(range(0, 10**9, 3600)))
    waited = Clock()
    assert_times_out(stand_in(waited.hurried(Unconnected)), copy.fallback_socketpair)
    assert 5 < waited.seconds < 10.1  # the rest is time that it really took


def test_clock_goes_on_while_nothing_is_computed():
    """As the processor's time does not, which time.clock is on Unix."""
    before, started = module._now(), default_timer()
    threading.Event().wait(0.05)
    assert abs((module._now() - before) - (default_timer() - started)) < 0.03


# Each wait


@pytest.mark.parametrize("default", [None, 7.5, 0.0, 1e-6])
def test_default_timeout_has_no_effect_on_the_wait(stand_in, clock, default):
    made = stand_in(clock.hurried(Unconnected))
    with default_timeout(default):
        assert_times_out(made)
    assert 9.9 < clock.seconds < 10.1


def test_no_wait_is_0_or_longer_than_a_tenth_of_a_second(stand_in, clock):
    """At 0 eventlet blocks all green threads, and Windows hears Ctrl-C only between two waits."""
    waits = []

    class Noting(clock.hurried(Unconnected)):
        def accept(self):
            waits.append(self.timeout)
            return super(Noting, self).accept()

    assert_times_out(stand_in(Noting))
    assert 0 < min(waits) <= max(waits) < 0.1


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

    class Interrupted(Unconnected):
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
    assert made and all(map(is_closed, made))


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="neither Windows nor Jython has signal.setitimer")
def test_signals_at_10_khz_do_not_end_the_wait(make_pair, stand_in):
    heard = []

    class LateToConnect(StandIn):
        clients = []

        def connect_ex(self, address):
            self.clients.append((self, address))
            return errno.EINPROGRESS

        def accept(self):
            if self.clients and len(heard) > before_the_wait + 20:
                client, address = self.clients.pop()
                client.real.connect_ex(address)
            return StandIn.accept(self)

        def send(self, data):
            return Unconnected.send(self, data) if self.clients else self.real.send(data)

    handler = signal.signal(signal.SIGALRM, lambda *_: heard.append(1))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0001, 0.0001)
        pairs = [make_pair() for _ in range(200)]
        before_the_wait = len(heard)
        stand_in(LateToConnect)
        pairs.append(make_pair())
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
    assert len(heard) > 50
    for pair in pairs:
        assert_is_direct(*pair)
