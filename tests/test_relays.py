"""Tests of systems that relay loopback. The accepted connection carries the nonce, but its peer is the relay.

A relayed pair is returned if its listener is at an address that no other process can predict. If the system has only
the usual address, the pair of the third relayed attempt in a row is returned.
"""

import errno
import socket
from timeit import default_timer

import pytest

from standins.sockets import StandIn
from support import (
    JYTHON,
    assert_is_a_pair,
    assert_is_direct,
    exchange,
    failure,
    has_random_host,
    is_random_host,
    usual,
)

SLACK = 1.0 if JYTHON else 0.0  # seconds, for Jython's threads


@pytest.fixture
def hosts():
    return []


@pytest.fixture
def attempting(hosts):
    """Return a stand-in that records the hosts of its listeners."""

    class Attempting(StandIn):
        def listen(self, backlog):
            self.real.listen(backlog)
            hosts.append(self.real.getsockname()[0])

    return Attempting


def assert_costs_two(hosts, family):
    """Check that two attempts were made, or three if the system has only the usual address."""
    if has_random_host(family):
        assert hosts[0] == usual(family) and is_random_host(hosts[1]) and len(hosts) == 2
    else:
        assert hosts == [usual(family)] * 3


# A relay that works


@pytest.mark.parametrize("how", ["eager", "lazy"])
def test_relayed_pair_takes_two_attempts_and_under_100_ms(stand_in, make_pair, relay, family, hosts, attempting, how):
    """Check that one of five pairs is fast enough, and that a megabyte (on Jython, less) goes each way unchanged."""
    stand_in(relay(how).relayed(attempting))

    def seconds():
        del hosts[:]
        started = default_timer()
        first, second = make_pair()
        took = default_timer() - started
        assert first.getpeername() != second.getsockname()
        assert_costs_two(hosts, family)
        return took

    assert any(seconds() < 0.1 + SLACK for _ in range(5))
    times = 1 << (10 if JYTHON else 12)
    data = [bytes(bytearray(range(256))) * times, bytes(bytearray(range(255, -1, -1))) * times]
    assert exchange(make_pair(), data) == data[::-1]


# Whether a relayed pair is returned


# On macOS, accept() may return no peer address.
NAMES = {
    "another port": lambda name: name[:1] + (1,) + name[2:],
    "another host": lambda name: ("127.0.0.9",) + name[1:],
    "no name": lambda name: None,
}


@pytest.mark.parametrize("what", sorted(NAMES))
def test_pair_counts_as_relayed_if_peer_is_not_the_client(stand_in, make_pair, family, hosts, attempting, what):
    class Named(attempting):
        def accept(self):
            accepted, peer = attempting.accept(self)
            return accepted, NAMES[what](peer)

    stand_in(Named)
    assert_is_a_pair(*make_pair())
    assert_costs_two(hosts, family)


class OneAddress(StandIn):
    """A stand-in for a system that has only the usual loopback address."""

    code = errno.EADDRNOTAVAIL

    def bind(self, address):
        if is_random_host(address[0]):
            raise socket.error(self.code, "no such address")
        self.real.bind(address)


# Each letter is an attempt: "R"elayed, "L"ost or "S"traight. If ten attempts return no pair, the call fails.
WAYS = [("RRR", errno.EADDRNOTAVAIL), ("RRR", errno.EINVAL), ("RRR", 10049), ("RRR", 10022)]
WAYS += [(ways, errno.EADDRNOTAVAIL) for ways in ("RRS", "LRLRRLRRR", "RL" * 5, "RRL" * 3 + "R")]


@pytest.mark.parametrize("ways, code", WAYS)
def test_third_relayed_pair_at_only_address_is_returned(stand_in, make_pair, relay, monkeypatch, family, ways, code):
    if JYTHON and ways != "RRR":
        pytest.skip("Jython leaks 20 descriptors per listener, and too many are made here")
    monkeypatch.setattr(OneAddress, "code", code)
    relay = relay("eager")
    gone = []

    class Going(OneAddress):
        def connect_ex(self, address):
            if self not in gone:  # on Jython it is called again for the same client
                gone.append(self)
            way = ways[len(gone) - 1]
            if way == "L":
                return errno.ECONNREFUSED
            return self.real.connect_ex(relay.instead_of(address) if way == "R" else address)

    stand_in(Going)
    if len(ways) < 10:
        (assert_is_direct if ways[-1] == "S" else assert_is_a_pair)(*make_pair())
    else:
        error = failure(family)
        assert error.errno == (errno.ECONNREFUSED if ways[-1] == "L" else errno.ECONNABORTED)
        assert ways[-1] == "L" or error.strerror == "connections to %s are relayed" % usual(family)
    assert len(gone) == len(ways)


# A relay that does not work


# ETIMEDOUT if the client does not notice that the relay has hung up.
FAILURES = (errno.ETIMEDOUT, errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE, 10053, 10054)


@pytest.mark.parametrize("how", ["hanging up", "resetting", "never", "greeting", "garbling"])
def test_relay_that_does_not_work_is_an_error(stand_in, clock, relay, family, how):
    """Check a relay that sends bytes, too: the client must receive nothing until we have found its connection."""
    stand_in(relay(how).relayed(clock.hurried()))
    assert failure(family).errno in ([errno.ETIMEDOUT] if how == "never" else FAILURES)
    assert clock.seconds < 10.1
