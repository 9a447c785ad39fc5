"""Tests of the time limit, ten seconds for all attempts together, and of clocks and signals during the wait."""

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
from support import JYTHON, WINDOWS, assert_is_direct, close, failure, fallback, load_copy, module

try:
    from _thread import interrupt_main
except ImportError:
    interrupt_main = getattr(pytest.importorskip("thread"), "interrupt_main", None)


def test_no_connection_is_etimedout_after_ten_seconds(stand_in, clock):
    """Check that three attempts take a third each, in waits that are short but not 0."""
    # A Jython listener accepts by itself and is never full.
    listener, fillers = (None, []) if JYTHON else full_listener(socket.AF_INET, "127.0.0.1")
    addresses, started, waits = [], [], []

    class Dropped(clock.hurried(Unconnected if JYTHON else StandIn)):
        def connect_ex(self, address):
            addresses.append(address)
            return self.real.connect_ex(listener.getsockname()[:2]) if listener else errno.EINPROGRESS

        def listen(self, backlog):
            started.append(clock.seconds)
            self.real.listen(backlog)

        def accept(self):
            waits.append(self.timeout)
            return super(Dropped, self).accept()

    stand_in(Dropped)
    error = failure()
    assert error.errno == errno.ETIMEDOUT
    assert error.strerror == "connect to %s port %d: %s" % (addresses[-1] + (errno.errorcode[errno.ETIMEDOUT],))
    assert 9.9 < clock.seconds < 10.1
    assert len(started) == 3
    assert all(abs(seconds - number * 10 / 3.0) < 0.05 for number, seconds in enumerate(started))
    # Windows handles Ctrl-C only between waits. After a wait of 0, eventlet's accept() returns a blocking socket.
    assert [round(wait, 3) for wait in waits[:6] + [max(waits)]] == [0.001, 0.002, 0.004, 0.008, 0.016, 0.02, 0.02]
    close(*fillers + [listener] * (listener is not None))


# The clock


class OtherTime(object):
    """The module time, except that time() moves on by an hour at each call, as if somebody set the clock."""

    time = iter(range(0, 10**9, 3600)).__next__ if sys.version_info[0] > 2 else iter(range(0, 10**9, 3600)).next

    def __getattr__(self, name):
        return getattr(time, name)


@pytest.mark.skipif(
    not WINDOWS and not JYTHON and not hasattr(time, "monotonic"), reason="Python 2 on Unix has no time.monotonic()"
)
def test_wait_does_not_use_a_clock_that_can_be_set(stand_in, monkeypatch):
    monkeypatch.setitem(sys.modules, "time", OtherTime())
    copy = load_copy()
    waited = Clock()
    stand_in(waited.hurried(Unconnected))
    with pytest.raises(socket.error) as caught:
        copy.fallback_socketpair()
    assert caught.value.errno == errno.ETIMEDOUT
    assert 5 < waited.seconds < 10.1  # less than 10 if the real time reaches the limit first


def test_clock_also_runs_while_the_process_is_idle():
    """Check that it counts real time, unlike time.clock() on Unix, which counts CPU time."""
    before, started = module._now(), default_timer()
    threading.Event().wait(0.05)
    assert abs((module._now() - before) - (default_timer() - started)) < 0.03


# Interruptions


@pytest.mark.skipif(interrupt_main is None, reason="Jython's thread module has no interrupt_main")
def test_ctrl_c_interrupts_the_wait(stand_in, request):
    # A program that was started in the background may ignore SIGINT.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    interrupters = []

    class Interrupted(Unconnected):
        def accept(self):
            if not interrupters:
                interrupters.append(threading.Timer(0.05, interrupt_main))
                interrupters[0].start()
            return StandIn.accept(self)

    stand_in(Interrupted)
    started = default_timer()
    with pytest.raises(KeyboardInterrupt):
        fallback()
    assert default_timer() - started < 3


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="neither Windows nor Jython has signal.setitimer")
def test_signals_at_10_khz_do_not_end_the_wait(make_pair, stand_in):
    heard = []

    class LateToConnect(Unconnected):
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
