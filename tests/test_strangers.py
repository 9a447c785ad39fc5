"""Connections that are not our own: closed, and a pair is made (CVE-2024-3219)."""

import errno
import gc
import os
import select
import socket
from timeit import default_timer

import pytest

from standins.sockets import StandIn
from standins.strangers import KINDS, after_strangers, stranger_to
from support import JYTHON, assert_is_a_pair, assert_is_direct, close, fallback, is_closed, receive


@pytest.fixture
def strangers_first(stand_in):
    """Connects strangers of these kinds to each listener, before our own client connects."""
    come = []

    def connect(kinds, cls=StandIn):
        cls, strangers = after_strangers(kinds, cls)
        stand_in(cls)
        come.append(strangers)
        return strangers

    yield connect
    close(*come[0])


def assert_hung_up_on(stranger):
    """Nothing arrived, not even late; a connection that was not read to its end is reset."""
    try:
        assert stranger.recv(100) == b""
    except socket.error as error:
        assert not isinstance(error, socket.timeout)


# What comes of strangers


@pytest.mark.parametrize("kinds", [[kind] for kind in KINDS] + [KINDS * 10])
def test_strangers_receive_nothing_and_are_hung_up_on(strangers_first, make_pair, kinds):
    strangers = strangers_first(kinds)
    started = default_timer()
    assert_is_direct(*make_pair())
    assert default_timer() - started < 5
    assert len(strangers) >= len(kinds)
    for stranger in strangers:
        assert_hung_up_on(stranger)


def test_pair_outlives_strangers_that_are_collected(strangers_first, make_pair):
    """Jython counts a connection out again when it is collected, and then closes all of the listener's."""
    strangers_first(KINDS[:1] * 3)
    first, second = make_pair()
    gc.collect()
    first.settimeout(0.5 if JYTHON else 0.01)
    with pytest.raises(socket.timeout):  # not the end of the stream
        first.recv(1)
    assert_is_direct(first, second)


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


# The nonce


def test_nonce_is_another_each_time_and_from_the_system(monkeypatch, stand_in, make_pair):
    """A stranger may repeat what it heard before."""
    urandom = os.urandom
    drawn = []
    sent = []

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


@pytest.mark.parametrize("closer", [0, 1])
def test_nothing_of_the_nonce_is_in_the_pair(make_pair, closer):
    pair = make_pair()
    pair[closer].sendall(b"all")
    pair[closer].close()
    pair[1 - closer].settimeout(10)
    assert receive(pair[1 - closer], 100) == b"all"


def test_names_do_not_make_a_stranger_ours(strangers_first, make_pair):
    """On Linux, an attacker's connection can have the client's address, and be accepted in its place."""

    class Named(StandIn):
        def connect_ex(self, address):
            clients.append(self)
            return self.real.connect_ex(address)

        def accept(self):
            accepted, peer = StandIn.accept(self)
            accepted.getpeername = clients[-1].getsockname
            return accepted, peer

    clients = []
    strangers = strangers_first(KINDS[4:5], Named)
    assert_is_a_pair(*make_pair())
    assert_hung_up_on(strangers[0])


WRONG = {
    "another first byte": lambda nonce: nonce[1:2] * 2 + nonce[2:],
    "another last byte": lambda nonce: nonce[:-1] + nonce[:1],
    "a byte too many": lambda nonce: nonce + b"x",
    "a byte too few": lambda nonce: nonce[:-1],
}


@pytest.mark.parametrize("what", sorted(WRONG))
def test_connection_that_receives_another_nonce_is_not_ours(monkeypatch, stand_in, clock, family, what):
    class Garbling(clock.hurried()):
        def send(self, data):
            self.real.sendall(WRONG[what](data))
            return len(data)

    monkeypatch.setattr(os, "urandom", lambda size: b"sixteen of these"[:size])
    made = stand_in(Garbling)
    with pytest.raises(socket.error):
        fallback(family)
    assert clock.seconds < 10.1
    assert all(map(is_closed, made))


def test_stranger_does_not_learn_which_byte_was_wrong(stand_in, family, clock):
    """If the first wrong byte ended its connection, it would know the nonce after some 2,000 attempts."""
    strangers = []
    hung_up_on = []
    nonces = []

    class AmongStrangers(clock.hurried()):
        if not JYTHON:
            # In CPython 2 and PyPy the system's own socket, which stays open as long as anything refers to it.
            _sock = property(lambda self: self.real._sock)

        def send(self, data):
            nonces.append(data)
            if clock.seconds < 2.5:
                raise socket.error(errno.EAGAIN, "no room")
            return self.real.send(data)

        def accept(self):
            if nonces and not strangers:
                for data in (nonces[0][:15], nonces[0][:1], b"w" * 15, b"w", b"w" * 16, b"end"):
                    strangers.append(stranger_to(self.real.getsockname()[:2], family))
                    strangers[-1].sendall(data)
                strangers[-1].shutdown(socket.SHUT_WR)
            if 2 < clock.seconds < 2.5:
                hung_up_on[:] = select.select(strangers, [], [], 0)[0]
            return super(AmongStrangers, self).accept()

    stand_in(AmongStrangers)
    pair = fallback(family)
    assert_is_direct(*pair)
    assert hung_up_on == strangers[4 : 5 if JYTHON else 6]  # Jython does not deliver half of a close
    close(*(list(pair) + strangers))


# Calls that fail


def test_accept_that_has_nobody_is_asked_again(stand_in, make_pair):
    """An attempt that ended there would be followed by nine others at most."""
    reports = [socket.error(code, "nobody") for code in [errno.EINTR, errno.EWOULDBLOCK, errno.EAGAIN, 10035] * 5]

    class Reporting(StandIn):
        def accept(self):
            if reports:
                raise reports.pop()
            return StandIn.accept(self)

    stand_in(Reporting)
    assert_is_direct(*make_pair())
    assert reports == []


@pytest.mark.skipif(JYTHON, reason="each listener that fails costs Jython 20 descriptors for good")
def test_strangers_that_cannot_be_accepted_are_left_behind(stand_in, make_pair):
    """BSD says that a stranger has gone, and Linux what was pending on its connection."""
    codes = ["ECONNABORTED", "EPROTO", "EPERM", "EINVAL", "ENOBUFS", "EMFILE", 10053, 10054, 54321]

    class Failing(StandIn):
        def accept(self):
            if codes:
                code = codes.pop(0)
                raise socket.error(getattr(errno, str(code), code), "of a stranger")
            return StandIn.accept(self)

    made = stand_in(Failing)
    pair = make_pair()
    assert_is_direct(*pair)
    assert codes == []
    assert {sock for sock in made if not is_closed(sock)} == set(pair)


@pytest.mark.parametrize("call", ["settimeout", "recv", "close"])
def test_error_of_any_call_on_a_stranger_is_passed_over(strangers_first, make_pair, call):
    """FreeBSD's close may say ECONNRESET, and Jython EBADF to any call if the connection has gone."""
    failed = []

    class Failing(StandIn):
        def accept(self):
            sock, peer = StandIn.accept(self)
            if peer[1] in [stranger.getsockname()[1] for stranger in strangers]:
                setattr(sock, call, lambda *_: fail(sock.real))
            return sock, None  # macOS accepts a connection that has gone without an address

    def fail(real):
        if call == "close":
            real.close()
        failed.append(call)
        raise socket.error(errno.EBADF, "of a stranger that has gone")

    strangers = strangers_first(KINDS[4:5], Failing)
    assert_is_direct(*make_pair())
    assert_hung_up_on(strangers[0])
    assert failed
