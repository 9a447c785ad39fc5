"""An ordinary pair: what is returned, and what it takes to make it."""

import socket
from timeit import default_timer

import pytest

from standins.sockets import StandIn
from support import JYTHON, assert_is_direct


def test_accepted_end_is_first_and_both_are_of_socket_socket(stand_in, make_pair):
    """Classes that replace it give its parameters other names."""

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


def test_ordinary_pair_takes_no_time(make_pair):
    def seconds():
        started = default_timer()
        make_pair()
        return default_timer() - started

    seconds()  # Jython loads what it needs
    assert sorted(seconds() for _ in range(5))[2] < 0.2
