"""An ordinary pair: its two ends name each other, and it is returned at once, with nothing sent."""

import errno
import socket
import sys

import pytest

from standins.sockets import StandIn
from support import JYTHON, WINDOWS, assert_is_direct, close, default_timeout, fallback


def test_returns_the_accepted_end_then_the_connecting_end(stand_in, make_pair):
    class Marked(StandIn):
        role = "accepted"

        def connect_ex(self, address):
            self.role = "connecting"
            return self.real.connect_ex(address)

    stand_in(Marked)
    assert [end.role for end in make_pair()] == ["accepted", "connecting"]


class Looked(StandIn):
    """Knows which end it is, and has something to do when it is asked for an address."""

    role = None

    def connect_ex(self, address):
        self.role = "connecting"
        return self.real.connect_ex(address)

    def accept(self):
        sock, peer = StandIn.accept(self)
        sock.role = "accepted"
        return sock, peer

    def getpeername(self):
        return self.answer("getpeername")

    def getsockname(self):
        return self.answer("getsockname")


def answer_of(each):
    return "raised %d" % each.errno if isinstance(each, Exception) else str(each)


@pytest.mark.parametrize("always", [False, True], ids=["once", "always"])
@pytest.mark.parametrize("role", ["connecting", "accepted"])
@pytest.mark.parametrize("call", ["getpeername", "getsockname"])
@pytest.mark.parametrize(
    "answer",
    [None] + [socket.error(code, "no address") for code in (errno.ENOTCONN, errno.EINVAL, 10022)],
    ids=answer_of,
)
def test_address_that_cannot_be_had_decides_nothing(stand_in, make_pair, role, call, answer, always):
    """Windows CPython 2.7 has None for a peer that has gone, .NET raises EINVAL, macOS ENOTCONN."""
    failed = []

    class Nameless(Looked):
        def answer(self, name):
            if (self.role, name) != (role, call) or failed and not always:
                return getattr(self.real, name)()
            failed.append(name)
            if isinstance(answer, Exception):
                raise answer
            return answer

    stand_in(Nameless)
    assert_is_direct(*[end.real for end in make_pair()])


@pytest.mark.parametrize("told", ["0:0:0:0:0:0:0:1", "::ffff:127.0.0.1", "localhost", "", (), None])
def test_address_that_accept_tells_does_not_matter(stand_in, make_pair, told):
    """Jython spells ::1 out, and macOS may tell none."""

    class Telling(StandIn):
        def accept(self):
            sock, peer = StandIn.accept(self)
            return sock, (told,) + tuple(peer[1:]) if told else told

    stand_in(Telling)
    assert_is_direct(*make_pair())


@pytest.mark.skipif(JYTHON, reason="a Jython client has a peer before it can send")
def test_nothing_is_sent_where_the_ends_name_each_other(stand_in, make_pair):
    class Mute(StandIn):
        def send(self, *_):
            raise AssertionError("sent")

        sendall = sendto = send

    stand_in(Mute)
    assert_is_direct(*[end.real for end in make_pair()])


def test_sockets_are_of_the_class_that_socket_socket_is_then(stand_in, family):
    """Replaced classes give its parameters other names."""

    class Renamed(StandIn):
        def __init__(self, *args, **kwargs):
            assert not kwargs or set(kwargs) & {"fileno", "real"}, "by position"
            StandIn.__init__(self, *args, **kwargs)

    stand_in(Renamed)
    pair = fallback(family)
    assert all(isinstance(end, Renamed) for end in pair)
    assert_is_direct(*pair)
    close(*pair)


@pytest.mark.parametrize("default", [7.5, 0.0, 1e-6])
def test_default_timeout_is_not_the_listeners(stand_in, make_pair, default):
    """Jython's bind() would heed it, and fail with a Java exception."""

    class Heeding(StandIn):
        def bind(self, address):
            self.heed()
            self.real.bind(address)

        def listen(self, backlog):
            self.heed()
            self.real.listen(backlog)

        def accept(self):
            self.heed()
            return StandIn.accept(self)

        def heed(self):
            assert self.real.gettimeout() != default

    stand_in(Heeding)
    with default_timeout(default):
        pair = make_pair()
    assert [end.gettimeout() for end in pair] == [default, default]


@pytest.mark.skipif(JYTHON, reason="how often Jython has to be asked is a matter of its threads")
def test_ordinary_pair_takes_eighteen_calls(stand_in, make_pair):
    """And one where ports can be exclusive, two where a client that was reset still has a peer, and one on Python 2."""
    calls = []

    class Counting(StandIn):
        def __init__(self, *args, **kwargs):
            StandIn.__init__(self, *args, **kwargs)
            if not kwargs:
                calls.append("socket")

        def __getattr__(self, name):
            calls.append(name)
            return getattr(self.real, name)

        def accept(self):
            count = len(calls)
            accepted = StandIn.accept(self)
            calls[count:] = ["accept"]  # with what Python itself calls in it
            return accepted

    stand_in(Counting)
    make_pair()
    more = hasattr(socket, "SO_EXCLUSIVEADDRUSE") + 2 * WINDOWS + (sys.version_info < (3,))
    assert len(calls) <= 18 + more, " ".join(calls)
