"""Machines that relay their own loopback: the accepted connection is ours, but from an address of the relay's."""

import errno
import socket
from timeit import default_timer

import pytest

from standins.sockets import Hurried, StandIn
from standins.strangers import RESET, await_connection
from support import JYTHON, RealSocket, assert_is_a_pair, close, default_timeout, exchange, fallback, is_closed

WORKING = ["eager", "lazy", "slow", "trickling"]
SLACK = 1.0 if JYTHON else 0.0  # seconds that its threads take


@pytest.mark.parametrize("how", WORKING)
def test_pair_is_there_within_a_tenth_of_a_second_of_what_the_relay_takes(stand_in, make_pair, relay, how):
    relay = relay(how)
    stand_in(relay.relayed())
    first, second = make_pair()
    there = default_timer()
    assert relay.has_passed_on.wait(10)
    assert there - relay.passed_on < 0.1 + SLACK
    assert first.getpeername() != second.getsockname()
    assert_is_a_pair(first, second)


@pytest.mark.parametrize("how", ["eager", "lazy", "trickling"])
def test_megabytes_go_both_ways_afterwards_with_nothing_of_the_proof_in_them(stand_in, make_pair, relay, how):
    size = 1 << (18 if JYTHON else 20)
    stand_in(relay(how).relayed())
    pair = make_pair()
    data = [bytes(bytearray(range(256))) * (size // 256), bytes(bytearray(range(255, -1, -1))) * (size // 256)]
    assert exchange(pair, data) == data[::-1]
    close(pair[1])
    pair[0].settimeout(10)
    assert pair[0].recv(1) == b""


def silent(stranger):
    pass


def closing(stranger):
    stranger.close()


def resetting(stranger):
    stranger.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    stranger.close()


def saying(data):
    return lambda stranger: stranger.sendall(data)


STRANGERS = {
    "silent": silent,
    "closing": closing,
    "resetting": resetting,
    "sending 16 wrong bytes": saying(b"w" * 16),
    "sending half a proof's length": saying(b"w" * 8),
    "sending without end": saying(b"w" * 1000),
}


@pytest.mark.parametrize("kind", sorted(STRANGERS))
@pytest.mark.parametrize("how", ["eager", "lazy"])
def test_own_connection_is_found_amid_strangers(stand_in, make_pair, relay, how, kind, family):
    strangers = []

    class Watched(StandIn):
        def listen(self, backlog):
            self.real.listen(backlog)
            for _ in range(3):
                come(self.real.getsockname()[:2])

        def connect_ex(self, address):
            code = self.real.connect_ex(address)
            if len(strangers) == 3:
                for _ in range(3):
                    come(listeners[0])
            return code

    def come(address):
        listeners.append(address)
        stranger = RealSocket(family, socket.SOCK_STREAM)
        strangers.append(stranger)
        stranger.connect(address)
        STRANGERS[kind](stranger)

    listeners = []
    stand_in(relay(how).relayed(Watched))
    started = default_timer()
    pair = make_pair()
    assert default_timer() - started < 0.2 + 2 * SLACK
    assert_is_a_pair(*pair)
    assert len(strangers) == 6
    close(*strangers)


def test_of_three_hundred_silent_strangers_a_bounded_number_is_held(stand_in, make_pair, relay, family):
    strangers = []
    accepted = []
    held = []

    class Crowded(StandIn):
        def accept(self):
            while len(strangers) < 300 and len(strangers) < len(accepted) + 20:
                strangers.append(RealSocket(family, socket.SOCK_STREAM))
                strangers[-1].connect(self.real.getsockname()[:2])
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


@pytest.mark.parametrize("default", [7.5, 0.0, 1e-6])
@pytest.mark.parametrize("how", ["eager", "lazy"])
def test_both_ends_have_the_default_timeout_which_does_not_disturb_the_proof(stand_in, make_pair, relay, how, default):
    stand_in(relay(how).relayed())
    with default_timeout(default):
        pair = make_pair()
    assert [end.gettimeout() for end in pair] == [default, default]
    assert_is_a_pair(*pair)


def test_both_ends_block_where_no_default_timeout_is_set(stand_in, make_pair, relay):
    stand_in(relay("lazy").relayed())
    assert [end.gettimeout() for end in make_pair()] == [None, None]


@pytest.mark.parametrize("how", ["hanging up", "resetting", "never"])
def test_relay_that_does_not_connect_on_is_an_error_within_ten_seconds(stand_in, family, relay, how):
    class Noted(Hurried):
        waits = []

    relay = relay(how)
    made = stand_in(relay.relayed(Noted))
    with pytest.raises(socket.error) as caught:
        fallback(family)
    assert caught.value.errno in (errno.ETIMEDOUT, errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE, 10053, 10054)
    assert caught.value.errno == errno.ETIMEDOUT or how != "never"
    assert sum(Noted.waits) < 10.1
    assert all(map(is_closed, relay.others(made)))


@pytest.mark.parametrize("sizes", [[1] * 3, [0, 5, 0, 11], [15, 0, 1]], ids=str)
def test_proof_that_goes_out_in_parts_is_sent_to_its_end(stand_in, make_pair, relay, sizes):
    left = list(sizes)

    class Partly(StandIn):
        def send(self, data):
            if not left:
                return self.real.send(data)
            size = left.pop(0)
            if size == 0:
                raise socket.error(errno.EAGAIN, "no room")
            return self.real.send(data[:size])

    stand_in(relay("eager").relayed(Partly))
    assert_is_a_pair(*make_pair())
    assert left == []


@pytest.mark.parametrize("garbled", [0, 15])
def test_connection_out_of_which_another_proof_comes_is_not_ours(stand_in, family, relay, garbled):
    class Garbling(Hurried):
        def accept(self):
            accepted = StandIn.accept(self) if not guests else Hurried.accept(self)
            guests.append(accepted)
            return accepted

        def send(self, data):
            wrong = bytearray(data)
            wrong[garbled] ^= 1
            return self.real.send(bytes(wrong))

    guests = []
    relay = relay("eager")
    made = stand_in(relay.relayed(Garbling))
    with pytest.raises(socket.error) as caught:
        fallback(family)
    assert caught.value.errno == errno.ETIMEDOUT
    assert JYTHON or "1 from strangers" in str(caught.value)
    assert all(map(is_closed, relay.others(made)))


def test_proof_is_read_off_even_where_the_address_tells_in_the_end(stand_in, make_pair, family):
    """A stranger came first, so it was sent; our own connection then comes from its own address."""
    strangers = []
    sent = []

    class AfterStranger(StandIn):
        def connect_ex(self, address):
            if not strangers:
                strangers.append(RealSocket(family, socket.SOCK_STREAM))
                strangers[0].connect(address)
                await_connection(made[0].real)
                self.real.setblocking(True)
                self.real.connect(address)
                self.real.setblocking(False)
                return 0
            return self.real.connect_ex(address)

        def send(self, data):
            sent.append(data)
            return self.real.send(data)

    made = stand_in(AfterStranger)
    first, second = make_pair()
    assert first.getpeername()[1] == second.getsockname()[1]
    assert len(b"".join(sent[:1])) == 16
    assert_is_a_pair(first, second)
    close(*strangers)
