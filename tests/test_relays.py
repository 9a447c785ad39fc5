"""Systems that relay loopback: the accepted connection carries the nonce, but its peer is the relay.

Such a pair is returned if its listener is at an address that nobody could know, or if the system has only the usual
address, and three attempts in a row are relayed.
"""

import errno
import os
import re
import socket
from timeit import default_timer

import pytest

from standins.sockets import StandIn, Unconnected, going
from standins.strangers import KINDS, after_strangers, stranger_to
from support import (
    HOSTS,
    JYTHON,
    assert_is_a_pair,
    assert_is_direct,
    close,
    default_timeout,
    exchange,
    fallback,
    has_address,
    is_closed,
)

SLACK = 1.0 if JYTHON else 0.0  # seconds that its threads take
UNKNOWN = r"(::ffff:)?127\.(?!0\.0\.1$)\d+\.\d+\.1$"


def usual(family):
    return HOSTS["AF_INET" if family == socket.AF_INET else "AF_INET6"]


def has_unknown(family):
    # Windows, as Wine has it, and Jython cannot connect to a mapped address.
    return has_address("AF_INET", "127.3.2.1") and (family == socket.AF_INET or os.name == "posix")


def attempting():
    """A stand-in, and the hosts of its listeners."""
    hosts = []

    class Attempting(StandIn):
        def listen(self, backlog):
            self.real.listen(backlog)
            hosts.append(self.real.getsockname()[0])

    return Attempting, hosts


def assert_costs_two(hosts, family):
    """Two attempts, or three on a system that has only the usual address."""
    if has_unknown(family):
        assert len(hosts) == 2
        assert hosts[0] == usual(family)
        assert re.match(UNKNOWN, hosts[1])
    else:
        assert hosts == [usual(family)] * 3


# A relay that works


@pytest.mark.parametrize("how", ["eager", "lazy", "slow", "trickling"])
def test_relayed_pair_costs_two_and_a_tenth_of_a_second(stand_in, make_pair, relay, family, how):
    """Apart from the seconds that the relay takes; the best of five."""
    relay = relay(how)
    cls, hosts = attempting()
    stand_in(relay.relayed(cls))

    def seconds_apart_from_the_relay():
        del hosts[:]
        started, held = default_timer(), relay.held
        first, second = make_pair()
        seconds = default_timer() - started - (relay.held - held)
        assert first.getpeername() != second.getsockname()
        assert_costs_two(hosts, family)
        assert_is_a_pair(first, second)
        return seconds

    assert any(seconds_apart_from_the_relay() < 0.1 + SLACK for _ in range(5))


@pytest.mark.parametrize("how", ["eager", "lazy"])
def test_megabytes_go_both_ways_with_nothing_of_the_nonce(stand_in, make_pair, relay, how):
    size = 1 << (18 if JYTHON else 20)
    stand_in(relay(how).relayed())
    pair = make_pair()
    data = [bytes(bytearray(range(256))) * (size // 256), bytes(bytearray(range(255, -1, -1))) * (size // 256)]
    assert exchange(pair, data) == data[::-1]
    close(pair[1])
    pair[0].settimeout(10)
    assert pair[0].recv(1) == b""


@pytest.mark.parametrize("default", [None, 7.5, 0.0, 1e-6])
def test_default_timeout_does_not_disturb_the_nonce(stand_in, make_pair, relay, default):
    stand_in(relay("lazy").relayed())
    with default_timeout(default):
        pair = make_pair()
    assert [end.gettimeout() for end in pair] == [default, default]
    assert_is_a_pair(*pair)


def test_nonce_that_goes_out_in_parts_is_sent_to_its_end(stand_in, make_pair, relay):
    left = [0, 1, 0, 14]

    class Partly(StandIn):
        def send(self, data):
            if not left:
                return self.real.send(data)
            size = left.pop(0)
            if size == 0:
                raise socket.error(errno.EAGAIN, "no room")
            return self.real.send(data[:size])

    stand_in(relay("eager").relayed(Partly))
    started = default_timer()
    assert_is_a_pair(*make_pair())
    assert default_timer() - started < 1 + SLACK
    assert left == []


# Whether it is believed


def no_peer(name):
    raise socket.error(errno.ENOTCONN, "no peer")


NAMES = {
    "another port": lambda name: name[:1] + (1,) + name[2:],
    "another host": lambda name: ("127.0.0.9",) + name[1:],
    "no name": no_peer,
}


@pytest.mark.parametrize("what", sorted(NAMES))
def test_accepted_end_whose_peer_is_not_the_client_is_relayed(stand_in, make_pair, family, what):
    cls, hosts = attempting()

    class Named(cls):
        def accept(self):
            accepted, peer = cls.accept(self)
            accepted.getpeername = lambda: NAMES[what](accepted.real.getpeername())
            return accepted, peer

    stand_in(Named)
    assert_is_a_pair(*make_pair())
    assert_costs_two(hosts, family)


class OneAddress(StandIn):
    """On a system that has only the usual loopback address."""

    code = errno.EADDRNOTAVAIL

    def bind(self, address):
        if re.match(UNKNOWN, address[0]):
            raise socket.error(self.code, "no such address")
        self.real.bind(address)


# In turn, the attempts are "R"elayed, "L"ost and "S"traight. A tenth that is not believed is an error.
WAYS = [("RRR", errno.EADDRNOTAVAIL), ("RRR", errno.EINVAL), ("RRR", 10049), ("RRR", 10022)]
WAYS += [(ways, errno.EADDRNOTAVAIL) for ways in ("RS", "RRS", "RRLRRR", "LRLRRLRRR", "RL" * 5, "RRL" * 3 + "R")]


@pytest.mark.parametrize("ways, code", WAYS)
def test_only_address_is_believed_if_relayed_thrice(stand_in, family, relay, monkeypatch, ways, code):
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

    made = stand_in(Going)
    pair = ()
    if len(ways) < 10:
        pair = fallback(family)
        (assert_is_direct if ways[-1] == "S" else assert_is_a_pair)(*pair)
    else:
        with pytest.raises(socket.error) as caught:
            fallback(family)
        assert caught.value.errno == (errno.ECONNREFUSED if ways[-1] == "L" else errno.ECONNABORTED)
    assert len(gone) == len(ways)
    assert {sock for sock in made if not is_closed(sock)} == set(pair)
    close(*pair)


@pytest.mark.parametrize("failure", ["EADDRINUSE", "EACCES", 10013, "ETIMEDOUT"])
def test_relay_is_not_believed_if_other_addresses_fail(stand_in, clock, relay, family, failure):
    """An attacker can take ports, or fill a queue, but cannot take the addresses away."""
    if not has_unknown(family):
        pytest.skip("this system has only the usual address")
    relay = relay("eager")
    code = getattr(errno, str(failure), failure)

    class Elsewhere(clock.hurried(Unconnected)):
        def bind(self, address):
            self.elsewhere = re.match(UNKNOWN, address[0])
            if self.elsewhere and failure != "ETIMEDOUT":
                raise socket.error(code, "not there")
            self.real.bind(address)

        def connect_ex(self, address):
            relayed.append(not self.elsewhere)
            self.send = Unconnected.send.__get__(self) if self.elsewhere else self.real.send
            return errno.EINPROGRESS if self.elsewhere else self.real.connect_ex(relay.instead_of(address))

        def accept(self):
            # The relay's connection is awaited, however long it takes.
            return super(Elsewhere, self).accept() if self.elsewhere else StandIn.accept(self)

    relayed = []
    made = stand_in(Elsewhere)
    with pytest.raises(socket.error) as caught:
        fallback(family)
    assert caught.value.errno == code
    assert relayed.count(True) >= 3
    assert all(map(is_closed, made))


# Amid strangers


@pytest.mark.parametrize("how", ["eager", "lazy"][JYTHON:])  # each listener costs Jython 20 descriptors for good
def test_own_connection_is_found_amid_strangers(stand_in, make_pair, relay, how):
    cls, strangers = after_strangers(KINDS)
    stand_in(relay(how).relayed(cls))
    started = default_timer()
    pair = make_pair()
    assert default_timer() - started < 0.5 + 6 * SLACK
    assert_is_a_pair(*pair)
    close(*strangers)


def test_of_three_hundred_silent_strangers_some_64_are_held(stand_in, make_pair, relay, family):
    strangers = []
    accepted = []
    held = []

    class Crowded(StandIn):
        def accept(self):
            while len(strangers) < 300 and len(strangers) < len(accepted) + 20:
                strangers.append(stranger_to(self.real.getsockname()[:2], family))
            sock, peer = StandIn.accept(self)
            accepted.append(sock)
            held.append(len([each for each in accepted if not is_closed(each)]))
            return sock, peer

        def send(self, data):
            # So that the relay, which is lazy, connects on when the crowd is there.
            return self.real.send(data) if len(accepted) > 280 else 0

    stand_in(relay("lazy").relayed(Crowded))
    assert_is_a_pair(*make_pair())
    assert len(strangers) == 300
    assert 60 < max(held) <= 66
    close(*strangers)


# A relay that does not work


# The first if the client does not notice that the relay has hung up.
FAILURES = (errno.ETIMEDOUT, errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE, 10053, 10054)


@pytest.mark.parametrize("how", ["hanging up", "resetting", "never", "greeting", "garbling"])
def test_relay_that_does_not_do_its_work_is_an_error(stand_in, family, clock, relay, how):
    made = stand_in(relay(how).relayed(clock.hurried()))
    with pytest.raises(socket.error) as caught:
        fallback(family)
    assert caught.value.errno in FAILURES
    assert caught.value.errno == errno.ETIMEDOUT or how != "never"
    assert clock.seconds < 10.1
    assert all(map(is_closed, made))


@pytest.mark.parametrize("how", ["hanging up", "resetting", "greeting"][2 * JYTHON :])  # it does not notice the others
def test_client_that_is_lost_is_followed_by_another(stand_in, make_pair, relay, how):
    """It must receive nothing before its own connection is found, and nothing of it is waited for."""
    relay = relay(how)
    cls, gone = going([relay, relay, None])
    stand_in(cls)
    started = default_timer()
    assert_is_direct(*make_pair())
    assert default_timer() - started < 1 + SLACK
    assert len(gone) > 2
