"""Tests of strangers: their connections are closed, and a pair is made (CVE-2024-3219)."""

import errno
import gc
import os
import socket
from timeit import default_timer

import pytest

from standins.sockets import StandIn
from standins.strangers import KINDS, after_strangers
from support import assert_is_direct, close, failure


def assert_hung_up_on(stranger):
    """Check that nothing arrives until the connection ends. It ends by a reset if not all of its bytes were read."""
    try:
        assert stranger.recv(100) == b""
    except socket.error as error:
        assert not isinstance(error, socket.timeout)


# How strangers are handled


@pytest.mark.parametrize("kinds", [[kind] for kind in KINDS] + [KINDS * 10])
def test_strangers_receive_nothing_and_are_closed(stand_in, make_pair, kinds):
    cls, strangers = after_strangers(kinds)
    stand_in(cls)
    started = default_timer()
    pair = make_pair()
    assert default_timer() - started < 5
    assert len(strangers) >= len(kinds)
    for stranger in strangers:
        assert_hung_up_on(stranger)
    # Garbage collection makes Jython count a closed connection out again. At zero it closes the listener's others.
    gc.collect()
    assert_is_direct(*pair)
    close(*strangers)


@pytest.mark.parametrize("family", [socket.AF_INET])
def test_second_process_that_keeps_connecting_is_kept_out(stand_in, make_pair, flooder):
    class Flooded(StandIn):
        def listen(self, backlog):
            self.real.listen(backlog)
            flooder.flood(*self.real.getsockname()[:2])

        def accept(self):
            accepted = StandIn.accept(self)
            connections.append(accepted)
            return accepted

    connections = []
    stand_in(Flooded)
    for _ in range(3):
        started = default_timer()
        assert_is_direct(*make_pair())
        assert default_timer() - started < 5
    assert len(connections) >= 6


def test_accept_is_called_again_if_nobody_has_connected(stand_in, make_pair):
    """Raise twenty errors that say so. If each of them ended an attempt, ten attempts would not be enough."""
    reports = [socket.error(code, "nobody") for code in [errno.EINTR, errno.EWOULDBLOCK, errno.EAGAIN, 10035] * 5]

    class Reporting(StandIn):
        def accept(self):
            if reports:
                raise reports.pop()
            return StandIn.accept(self)

    stand_in(Reporting)
    assert_is_direct(*make_pair())
    assert reports == []


# The nonce


def test_nonce_differs_each_time_and_is_from_os_urandom(monkeypatch, stand_in, make_pair):
    """Check several pairs, since a stranger may repeat an earlier nonce."""
    urandom = os.urandom
    drawn, sent = [], []

    class Noting(StandIn):
        def send(self, data):
            size = self.real.send(data)
            sent.append(data[:size])
            return size

    monkeypatch.setattr(os, "urandom", lambda size: drawn.append(urandom(size)) or drawn[-1])
    stand_in(Noting)
    for _ in range(3):
        make_pair()
    assert {len(nonce) for nonce in sent} == {16}
    assert len(set(sent)) == len(sent) >= 3
    assert set(sent) <= set(drawn)


WRONG = {
    "another first byte": lambda nonce: nonce[1:2] * 2 + nonce[2:],
    "another last byte": lambda nonce: nonce[:-1] + nonce[:1],
    "a byte too many": lambda nonce: nonce + b"x",
    "a byte too few": lambda nonce: nonce[:-1],
}


@pytest.mark.parametrize("what", sorted(WRONG))
def test_connection_with_a_wrong_nonce_is_not_returned(monkeypatch, stand_in, clock, family, what):
    class Garbling(clock.hurried()):
        def send(self, data):
            self.real.sendall(WRONG[what](data))
            return len(data)

    monkeypatch.setattr(os, "urandom", lambda size: b"sixteen of these"[:size])
    stand_in(Garbling)
    failure(family)
    assert clock.seconds < 10.1
