"""Systems that relay loopback: the accepted connection carries the nonce, but its peer is the relay.

Such a pair is returned if its listener is at an address that nobody could know, or if the system has only the usual
address, and three attempts in a row are relayed.
"""

import errno
import socket
from timeit import default_timer

import pytest

from standins.sockets import StandIn
from support import JYTHON, assert_is_a_pair, assert_is_direct, exchange, failure, has_unknown, is_unknown, usual

SLACK = 1.0 if JYTHON else 0.0  # seconds that its threads take


@pytest.fixture
def hosts():
    return []


@pytest.fixture
def attempting(hosts):
    """A stand-in that notes the hosts of its listeners."""

    class Attempting(StandIn):
        def listen(self, backlog):
            self.real.listen(backlog)
            hosts.append(self.real.getsockname()[0])

    return Attempting


def assert_costs_two(hosts, family):
    """Two attempts, or three on a system that has only the usual address."""
    if has_unknown(family):
        assert hosts[0] == usual(family) and is_unknown(hosts[1]) and len(hosts) == 2
    else:
        assert hosts == [usual(family)] * 3


# A relay that works


@pytest.mark.parametrize("how", ["eager", "lazy"])
def test_relayed_pair_costs_two_and_a_tenth_of_a_second(stand_in, make_pair, relay, family, hosts, attempting, how):
    """The best of five. Megabytes go both ways, and nothing else."""
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


# Whether it is believed


# On macOS, accept() may tell none.
NAMES = {
    "another port": lambda name: name[:1] + (1,) + name[2:],
    "another host": lambda name: ("127.0.0.9",) + name[1:],
    "no name": lambda name: None,
}


@pytest.mark.parametrize("what", sorted(NAMES))
def test_accepted_end_whose_peer_is_not_the_client_is_relayed(stand_in, make_pair, family, hosts, attempting, what):
    class Named(attempting):
        def accept(self):
            accepted, peer = attempting.accept(self)
            return accepted, NAMES[what](peer)

    stand_in(Named)
    assert_is_a_pair(*make_pair())
    assert_costs_two(hosts, family)


class OneAddress(StandIn):
    """On a system that has only the usual loopback address."""

    code = errno.EADDRNOTAVAIL

    def bind(self, address):
        if is_unknown(address[0]):
            raise socket.error(self.code, "no such address")
        self.real.bind(address)


# In turn, the attempts are "R"elayed, "L"ost and "S"traight. A tenth that is not believed is an error.
WAYS = [("RRR", errno.EADDRNOTAVAIL), ("RRR", errno.EINVAL), ("RRR", 10049), ("RRR", 10022)]
WAYS += [(ways, errno.EADDRNOTAVAIL) for ways in ("RRS", "LRLRRLRRR", "RL" * 5, "RRL" * 3 + "R")]


@pytest.mark.parametrize("ways, code", WAYS)
def test_only_address_is_believed_if_relayed_thrice(stand_in, make_pair, relay, monkeypatch, family, ways, code):
    if JYTHON and ways != "RRR":
        pytest.skip("each listener costs Jython 20 descriptors for good")
    monkeypatch.setattr(OneAddress, "code", code)
    relay = relay("eager")
    gone = []

    class Going(OneAddress):
        def connect_ex(self, address):
            if self not in gone:  # Jython's is asked again
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


# The first if the client does not notice that the relay has hung up.
FAILURES = (errno.ETIMEDOUT, errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE, 10053, 10054)


@pytest.mark.parametrize("how", ["hanging up", "resetting", "never", "greeting", "garbling"])
def test_relay_that_does_not_do_its_work_is_an_error(stand_in, clock, relay, family, how):
    """Our client must receive nothing before its own connection is found."""
    stand_in(relay(how).relayed(clock.hurried()))
    assert failure(family).errno in ([errno.ETIMEDOUT] if how == "never" else FAILURES)
    assert clock.seconds < 10.1
