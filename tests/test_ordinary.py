"""Tests of an ordinary pair: the two sockets, and the calls and the time that it takes to make them."""

import socket
from timeit import default_timer

import pytest

from standins.sockets import StandIn
from support import JYTHON, assert_is_direct


def test_accepted_end_is_first_and_both_are_socket_socket(stand_in, make_pair):
    """Check that arguments are passed by position, since some replacements of socket.socket rename the parameters."""

    class Renamed(StandIn):
        role = "accepted"

        def __init__(self, *args, **kwargs):
            assert not kwargs or set(kwargs) & {"fileno", "real"}, "by position"
            StandIn.__init__(self, *args, **kwargs)

        def connect_ex(self, address):
            self.role = "connecting"
            return self.real.connect_ex(address)

    stand_in(Renamed)
    pair = make_pair()
    assert [end.role for end in pair] == ["accepted", "connecting"]
    assert_is_direct(*pair)


@pytest.mark.skipif(JYTHON, reason="the number of calls depends on Jython's threads")
def test_ordinary_pair_takes_at_most_twenty_four_calls(stand_in, make_pair):
    """Allow two more calls if ports can be exclusive."""
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
            calls[count:] = ["accept"]  # one call, with all that Python itself calls in it
            return accepted

    stand_in(Counting)
    make_pair()
    assert len(calls) <= 24 + 2 * hasattr(socket, "SO_EXCLUSIVEADDRUSE"), " ".join(calls)


def test_ordinary_pair_takes_less_than_200_ms(make_pair):
    def seconds():
        started = default_timer()
        make_pair()
        return default_timer() - started

    seconds()  # Jython loads classes on the first call
    assert sorted(seconds() for _ in range(5))[2] < 0.2
