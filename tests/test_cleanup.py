"""Whatever is raised at whatever call comes out as it is, and nothing is left open."""

import errno
import itertools
import os
import select
import socket
import sys

import pytest

from standins.relay import Relay
from standins.sockets import StandIn, Unconnected, passing_calls
from standins.strangers import await_connection
from support import JYTHON, RealSocket, assert_open_sockets, close, fallback, is_closed, module, open_sockets

try:
    import resource
except ImportError:  # on Windows and Jython
    resource = None

ERRORS = {
    "socket.error": lambda: socket.error(errno.EIO, "as the system's"),
    "KeyboardInterrupt": lambda: KeyboardInterrupt("as Ctrl-C"),
    "MemoryError": lambda: MemoryError("as when memory is short"),
    "SystemExit": lambda: SystemExit("as a signal handler's"),
}


class Calls(object):
    """Has the calls that the function makes on its way, and raises an error at one of them.

    at is the call's name and which of that name it is, from 0.
    """

    def __init__(self, at=None, error=None, afterwards=False):
        self.at = at
        self.error = error
        self.afterwards = afterwards
        self.raised = False
        self.names = []

    def pass_on(self, name, call):
        fault = (name, self.names.count(name)) == self.at
        self.names.append(name)
        self.raised = self.raised or fault
        # What makes a socket cannot both have made it and raise.
        if fault and not (self.afterwards and name not in ("socket", "accept")):
            raise self.error
        try:
            return call()
        finally:
            if fault:
                raise self.error

    def run(self, stand_in, monkeypatch, family, way):
        """Call the function; return what it returned or raised, and the sockets it made."""
        calls = self
        strangers = []
        relay = Relay(family, "eager") if way == "relayed" else None

        class OnItsWay(passing_calls(self.pass_on)):
            def connect_ex(self, address):
                if way == "after a stranger" and not strangers:
                    strangers.append(RealSocket(family, socket.SOCK_STREAM))
                    strangers[-1].connect(address)
                    strangers[-1].sendall(b"w" * 16)
                    await_connection(made[0].real)
                return calls.pass_on("connect_ex", lambda: self.real.connect_ex(address))

            def accept(self):
                # A connection that was given up for its fault will not come again.
                given_up = calls.raised and calls.at[0].startswith("accepted ")
                if given_up and JYTHON:
                    self.real.settimeout(0.002)
                elif given_up and not select.select([self.real], [], [], 0)[0]:
                    raise socket.timeout("timed out")
                return super(OnItsWay, self).accept()

        made = stand_in(relay.relayed(OnItsWay) if relay else OnItsWay)
        try:
            outcome = fallback(family)
        except BaseException as error:
            outcome = error
        monkeypatch.undo()
        close(*strangers)
        if relay:
            relay.stop()
        return outcome, [sock.real for sock in made]


# What the system says of these does not end the call: of a candidate, of a socket that is closed, of an option, and of
# an address. A try that is not the first listens elsewhere if it may.
PASSED_OVER = ["close", "setsockopt", "getpeername", "fileno"]
PASSED_OVER += ["accepted %s" % name for name in PASSED_OVER + ["getsockname", "recv"]]
SOMETIMES = ["getsockname", "bind", "listen", "accepted setblocking", "accepted settimeout"]
SOMETIMES += ["connect_ex"] * JYTHON  # whose client is asked again
# A connection that was given up, which its other end may notice before the time is up. ENOTCONN is Jython's.
GIVEN_UP = (errno.ETIMEDOUT, errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE) + (errno.ENOTCONN,) * JYTHON


def is_right(outcome, fault, call):
    """Whether this may come of the fault at this call: a pair, the fault itself, or a connection that was given up."""
    if call == "recv" and isinstance(fault, socket.error):
        # Of a client, which receives nothing as long as it is not lost.
        return outcome.errno == fault.errno
    if outcome is fault:
        # On Jython our own end is asked for its fileno, too, so as to keep the strangers with it.
        return not isinstance(fault, socket.error) or call not in PASSED_OVER or JYTHON and call == "accepted fileno"
    if isinstance(outcome, tuple):
        return isinstance(fault, socket.error) and call in PASSED_OVER + SOMETIMES
    return isinstance(fault, socket.error) and call.startswith("accepted ") and outcome.errno in GIVEN_UP


CASES = [
    (way, name, afterwards)
    for way in ("directly", "after a stranger")
    for name in sorted(ERRORS)
    for afterwards in (False, True)[: 2 - JYTHON]
]
# Three tries, with three times as many calls: one interruption, as a signal's comes, and one error stand for all.
CASES += [("relayed", "KeyboardInterrupt", not JYTHON), ("relayed", "socket.error", False)]


@pytest.mark.parametrize("way, name, afterwards", CASES)
def test_fault_at_any_call_leaves_nothing_open(stand_in, monkeypatch, nothing_left_open, family, way, name, afterwards):
    if JYTHON and (family != socket.AF_INET or way == "relayed" and name != "KeyboardInterrupt"):
        pytest.skip("each listener that fails costs Jython 20 descriptors for good")
    calls = Calls()
    (first, second), _ = calls.run(stand_in, monkeypatch, family, way)
    close(first.real, second.real)
    for call in sorted(set(calls.names)):
        for count in [0] if JYTHON and way == "relayed" else itertools.count():
            # Whatever close says, the descriptor is gone.
            closing = name == "socket.error" and call.endswith("close")
            faulty = Calls((call, count), ERRORS[name](), afterwards or closing)
            outcome, made = faulty.run(stand_in, monkeypatch, family, way)
            if isinstance(outcome, tuple):
                close(outcome[0].real, outcome[1].real)
            assert [sock for sock in made if not is_closed(sock)] == []
            if not faulty.raised:
                break  # there is no further call of that name
            assert is_right(outcome, faulty.error, call), (call, count, outcome)
        # How often each is asked is a matter of threads, on Jython and behind a relay.
        assert count == calls.names.count(call) or JYTHON or way == "relayed"


@pytest.mark.parametrize("name", sorted(ERRORS))
@pytest.mark.parametrize("place, function", [(socket, "getdefaulttimeout"), (module, "_now")])
def test_fault_in_a_function_leaves_nothing_open(stand_in, monkeypatch, nothing_left_open, place, function, name):
    error = ERRORS[name]()

    def fail():
        # Python 3's accept() asks for the default timeout as well.
        if sys._getframe(1).f_globals is vars(module):
            raise error

    made = stand_in(Unconnected)  # with which the clock is asked
    monkeypatch.setattr(place, function, fail)
    try:
        with pytest.raises(BaseException) as caught:
            fallback()
    finally:
        monkeypatch.undo()
    assert caught.value is error
    assert all(map(is_closed, made))


@pytest.mark.parametrize("name", sorted(ERRORS))
def test_what_close_raises_while_cleaning_up_leaves_nothing_open(stand_in, family, name):
    """The first error of the system's is told; an interruption is not lost."""
    first = socket.error(errno.EIO, "the first")

    class Failing(StandIn):
        def connect_ex(self, address):
            raise first

        def close(self):
            self.real.close()
            raise ERRORS[name]()

    made = stand_in(Failing)
    with pytest.raises(BaseException) as caught:
        fallback(family)
    if name == "socket.error":
        assert caught.value is first
    else:
        assert type(caught.value) is type(ERRORS[name]())
    assert [is_closed(sock) for sock in made] == [True, True]


def test_no_random_bytes_is_an_error_that_leaves_nothing_open(stand_in, monkeypatch, nothing_left_open, family, relay):
    def urandom(size):
        raise NotImplementedError("no source of randomness")

    monkeypatch.setattr(os, "urandom", urandom)
    relay = relay("eager")
    made = stand_in(relay.relayed())
    with pytest.raises(NotImplementedError):
        fallback(family)
    relay.stop()
    assert all(map(is_closed, made))


def test_pair_is_all_that_stays_open(make_pair):
    before = open_sockets()
    pair = make_pair()
    assert_open_sockets(before + 2)
    close(*pair)
    assert_open_sockets(before)


class Table(object):
    """This process's descriptor table, with a limit of the test's."""

    def __init__(self, limit):
        self.limit = limit
        self.taken = []

    def __enter__(self):
        if resource:
            self.limits = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (self.limit, self.limits[1]))
        return self

    def __exit__(self, *_):
        for descriptor in self.taken:
            os.close(descriptor)
        if resource:
            resource.setrlimit(resource.RLIMIT_NOFILE, self.limits)

    def take(self, count):
        for _ in range(count):
            self.taken.append(os.open(os.devnull, os.O_RDONLY))

    def fill(self, free):
        with pytest.raises(OSError):
            self.take(self.limit)
        for _ in range(free):
            os.close(self.taken.pop())


has_limit = pytest.mark.skipif(
    resource is None, reason="neither Windows nor Jython can lower a process's descriptor limit"
)


@has_limit
@pytest.mark.parametrize("free", [0, 1, 2])
def test_full_descriptor_table_is_emfile(family, free, nothing_left_open):
    with Table(256) as table:
        table.fill(free)
        with pytest.raises(socket.error) as caught:
            fallback(family)
    assert caught.value.errno == errno.EMFILE


@has_limit
def test_three_free_descriptors_are_enough(family):
    with Table(256) as table:
        table.fill(3)
        pair = fallback(family)
        close(*pair)


def test_descriptors_past_1024_work(make_pair):
    with Table(4096) as table:
        table.take(1100)
        first, second = make_pair()
        if resource:
            assert min(first.fileno(), second.fileno()) > 1024
        second.settimeout(10)
        first.sendall(b"x")
        assert second.recv(1) == b"x"
