"""Tests that nothing stays open, no matter which call raises an error, and which error it is."""

import contextlib
import errno
import itertools
import os
import platform
import socket
import sys
from timeit import default_timer

import pytest

from standins.relay import Relay
from standins.sockets import StandIn, passing_calls
from standins.strangers import SPOKEN, await_connection, stranger_to
from support import (
    JYTHON,
    RealSocket,
    assert_is_direct,
    assert_open_sockets,
    close,
    discard,
    failure,
    fallback,
    is_closed,
    module,
    open_sockets,
)

try:
    import resource
except ImportError:  # on Windows and Jython
    resource = None

ERRORS = [socket.error, KeyboardInterrupt, MemoryError, SystemExit]
FUNCTIONS = [(socket, "getdefaulttimeout"), (module, "_now"), (os, "urandom")]
CODES = [errno.EIO, errno.EACCES, errno.EMFILE, 10013, 10055, 54321]


class Calls(object):
    """The calls that the function makes. Some of them raise an error:

    at: (name, number) for one call of this name, counted from 0, or (name, None) for all calls of this name.
    """

    def __init__(self, at=None, error=None, afterwards=False):
        self.at, self.error, self.afterwards = at, error, afterwards
        self.raised = False
        self.names = []

    def pass_on(self, name, call):
        fault = self.at in ((name, self.names.count(name)), (name, None))
        self.names.append(name)
        self.raised = self.raised or fault
        # A call that raises an error cannot also have made a socket.
        if fault and not (self.afterwards and name not in ("socket", "accept")):
            raise self.error
        try:
            return call()
        finally:
            if fault:
                raise self.error

    def passing(self, name, function):
        def passed(*args):
            # Python 3's accept() also calls getdefaulttimeout(). That call does not count.
            is_ours = sys._getframe(1).f_globals is vars(module)
            return self.pass_on(name, lambda: function(*args)) if is_ours else function(*args)

        return passed

    def run(self, stand_in, monkeypatch, family, way):
        """Call the function, and close the pair. Check that no socket is open. Return the pair or the exception."""
        calls, strangers = self, []
        relay = Relay(family, "eager") if way == "relayed" else None

        class OnItsWay(passing_calls(self.pass_on)):
            def connect_ex(self, address):
                if way == "after a stranger" and not strangers:
                    strangers.append(stranger_to(address, family))
                    strangers[-1].sendall(SPOKEN)
                    await_connection(made[made.index(self) - 1].real)  # the listener, made just before the client
                return calls.pass_on("connect_ex", lambda: self.real.connect_ex(address))

        made = stand_in(relay.relayed(OnItsWay) if relay else OnItsWay)
        for place, name in FUNCTIONS:
            monkeypatch.setattr(place, name, self.passing(name, getattr(place, name)))
        try:
            outcome = fallback(family)
            ends = outcome[0].real, outcome[1].real
            if not relay:  # a relayed pair is not direct
                assert_is_direct(*ends)
            discard(*ends)
        except BaseException as error:
            outcome = error
        monkeypatch.undo()
        discard(*strangers)
        if relay:
            relay.stop()
        assert [sock for sock in made if not is_closed(sock.real)] == []
        return outcome


CASES = [("after a stranger", error, afterwards) for error in ERRORS for afterwards in (False, True)[: 2 - JYTHON]]
# These take twice as many calls. So try only one error, and one interruption, after the call, like a signal's.
CASES += [("relayed", KeyboardInterrupt, not JYTHON), ("relayed", socket.error, False)]


@pytest.mark.parametrize("way, error, afterwards", CASES)
@pytest.mark.usefixtures("nothing_left_open")
def test_fault_at_any_call_leaves_nothing_open(stand_in, monkeypatch, family, way, error, afterwards):
    """Check that another attempt makes a pair after a socket.error, whatever its errno. Other exceptions are raised."""
    if JYTHON and (family != socket.AF_INET or way == "relayed" and error is socket.error):
        pytest.skip("Jython leaks 20 descriptors per listener, and too many are made here")
    calls = Calls()
    assert isinstance(calls.run(stand_in, monkeypatch, family, way), tuple)
    functions = {name for _, name in FUNCTIONS if error is socket.error}  # these raise no socket.error
    codes = itertools.cycle(CODES)
    for call in sorted(set(calls.names) - functions):
        for count in [0] if JYTHON and way == "relayed" else itertools.count():
            # The descriptor is closed even if close() raises an error.
            closing = error is socket.error and call.endswith("close")
            faulty = Calls((call, count), error(next(codes), "a fault"), afterwards or closing)
            outcome = faulty.run(stand_in, monkeypatch, family, way)
            if not faulty.raised:
                break  # there is no further call of that name
            is_right = isinstance(outcome, tuple) if error is socket.error else outcome is faulty.error
            assert is_right, (call, count, outcome)


ALWAYS = ["socket", "bind", "setblocking", "listen", "getsockname", "connect_ex", "settimeout", "accept", "send"]


@pytest.mark.parametrize("call", ["accept"] if JYTHON else ALWAYS)
def test_call_that_always_fails_raises_after_ten_attempts(stand_in, monkeypatch, nothing_left_open, family, call):
    calls = Calls((call, None), socket.error(54321, "always"))
    started = default_timer()
    assert calls.run(stand_in, monkeypatch, family, "directly").errno == 54321
    assert calls.names.count(call) == 10
    assert default_timer() - started < (10 if JYTHON else 1)


@pytest.mark.parametrize("error", ERRORS)
def test_error_in_close_leaves_no_socket_open(stand_in, error):
    """Check that connect_ex()'s last error is raised, unless close() raises an interruption."""

    class Failing(StandIn):
        def connect_ex(self, address):
            return 1000 + len(made)

        def close(self):
            # An interruption may come before the socket is closed. After a socket.error, the socket is closed.
            if error is socket.error or self in interrupted:
                self.real.close()
            interrupted.append(self)
            raise error(errno.EIO, "of close")

    interrupted = []
    made = stand_in(Failing)
    with pytest.raises(error) as caught:
        fallback()
    assert all(is_closed(sock.real) for sock in made)
    assert caught.value.args[0] == (1000 + len(made) if error is socket.error else errno.EIO)
    assert len(made) >= (20 if error is socket.error else 2)


def frames_left():
    try:
        return 1 + frames_left()
    except RuntimeError:
        return 1


def deeper(frames, function):
    return deeper(frames - 1, function) if frames > 0 else function()


@pytest.mark.skipif(platform.python_implementation() != "CPython", reason="only CPython counts all frames")
def test_recursion_limit_leaves_nothing_open(monkeypatch):
    """Call the fallback with few frames left, as in a deep recursion. It closes the listener and up to 16 strangers."""

    class AfterStrangers(RealSocket):
        def connect_ex(self, address):
            for stranger in strangers:
                stranger.connect_ex(address)
            return RealSocket.connect_ex(self, address)

        def accept(self):
            deeper(10, int)  # raise here, since Python 3's accept() would lose the descriptor
            return RealSocket.accept(self)

    errors = []
    pairs = 0
    for left in range(40):
        before = open_sockets()
        strangers = [RealSocket() for _ in range(16)]
        monkeypatch.setattr(socket, "socket", AfterStrangers)
        try:
            close(*deeper(frames_left() - left, fallback))
            pairs += 1
        except RuntimeError as error:
            errors.append(error)  # this keeps the frames and their sockets alive, so that only close() closes them
        monkeypatch.undo()
        discard(*strangers)
        assert open_sockets() == before
    assert errors and pairs


def test_class_whose_sock_is_none_makes_a_pair(stand_in, make_pair):
    class WithoutSock(StandIn):
        _sock = None

    stand_in(WithoutSock)
    assert_is_direct(*make_pair())


# Descriptors


@contextlib.contextmanager
def descriptors(limit, free):
    """Fill this process's table of descriptors up to the limit, except for this number of free ones."""
    taken = []
    limits = resource and resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limits[1]))
    try:
        while len(taken) < limit:
            taken.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:  # it is full
        pass
    try:
        for _ in range(free):
            os.close(taken.pop())
        yield
    finally:
        for descriptor in taken:
            os.close(descriptor)
        if resource:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_pair_is_all_that_stays_open(make_pair):
    before = open_sockets()
    pair = make_pair()
    assert_open_sockets(before + 2)
    close(*pair)
    assert_open_sockets(before)


@pytest.mark.skipif(resource is None, reason="Windows and Jython cannot limit the descriptors of a process")
def test_three_free_descriptors_are_enough_and_fewer_are_emfile(make_pair, nothing_left_open, family):
    for free in range(3):
        with descriptors(256, free):
            assert failure(family).errno == errno.EMFILE
    with descriptors(256, 3):
        pair = make_pair()
    close(*pair)


def test_descriptors_past_1024_work(make_pair):
    with descriptors(1200, 50):
        first, second = make_pair()
        assert not resource or min(first.fileno(), second.fileno()) > 1024
        assert_is_direct(first, second)
