"""An ordinary pair: what is returned, and what it takes to make it."""

import errno
import socket

import pytest

from standins.sockets import StandIn
from support import JYTHON, assert_is_direct, close, default_timeout, fallback


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


@pytest.mark.parametrize("role", ["connecting", "accepted"])
@pytest.mark.parametrize("call", ["getpeername", "getsockname"])
@pytest.mark.parametrize(
    "answer",
    [None] + [socket.error(code, "no address") for code in (errno.ENOTCONN, errno.EINVAL, 10022)],
    ids=answer_of,
)
def test_end_whose_address_cannot_be_had_is_believed(stand_in, make_pair, role, call, answer):
    """At an unknown address. Windows CPython 2.7 has None for a peer that has gone, .NET EINVAL, macOS ENOTCONN."""

    class Nameless(Looked):
        def answer(self, name):
            if (self.role, name) != (role, call):
                return getattr(self.real, name)()
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


def test_nothing_of_the_nonce_is_left_in_the_pair(make_pair):
    for end in make_pair():
        end.settimeout(0.3 if JYTHON else 0.02)
        with pytest.raises(socket.timeout):
            end.recv(1)


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
def test_ordinary_pair_takes_twenty_four_calls(stand_in, make_pair):
    """And two if ports can be exclusive."""
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
    assert len(calls) <= 24 + 2 * hasattr(socket, "SO_EXCLUSIVEADDRUSE"), " ".join(calls)
