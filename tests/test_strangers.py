"""Connections that are not our own: closed, and the pair is made all the same (CVE-2024-3219)."""

import errno
import gc
import os
import re
import select
import socket
from timeit import default_timer

import pytest

from standins.sockets import StandIn, connect_ex_of
from standins.strangers import RESET, await_connection, closed_port
from support import JYTHON, RealSocket, assert_is_direct, close, fallback, has_address, is_closed


@pytest.fixture
def strangers_first(stand_in, family):
    """Connects strangers before our own client connects."""
    strangers = []

    def come(count, then=lambda stranger: None, cls=StandIn):
        listeners = []

        class AfterStrangers(cls):
            def listen(self, backlog):
                self.real.listen(backlog)
                listeners.append(self.real)

            def connect_ex(self, address):
                while len(strangers) < count:
                    stranger = RealSocket(family, socket.SOCK_STREAM)
                    strangers.append(stranger)
                    stranger.settimeout(10)
                    stranger.connect(address)
                    await_connection(listeners[-1])
                    then(stranger)
                return connect_ex_of(cls, self)(address)

        stand_in(AfterStrangers)
        return strangers

    yield come
    close(*strangers)


@pytest.mark.parametrize("count", [1, 60])
def test_strangers_that_come_first_are_not_taken_for_ours(strangers_first, make_pair, count):
    strangers = strangers_first(count, lambda stranger: stranger.sendall(b"stranger"))
    started = default_timer()
    assert_is_direct(*make_pair())
    assert default_timer() - started < 5
    assert len(strangers) == count


def test_stranger_is_hung_up_on(strangers_first, make_pair):
    strangers = strangers_first(1)
    make_pair()
    assert strangers[0].recv(1) == b""


@pytest.mark.parametrize("sent", [b"", b"w", b"w" * 8, b"w" * 16, b"w" * 100], ids=len)
def test_stranger_receives_nothing_whatever_it_sends(strangers_first, make_pair, sent):
    strangers = strangers_first(2, lambda stranger: stranger.sendall(sent))
    assert_is_direct(*make_pair())
    assert [read_to_the_end(stranger) for stranger in strangers] == [b"", b""]


def read_to_the_end(sock):
    """What comes until the other side has hung up, which resets what it had not read."""
    try:
        return sock.recv(100)
    except socket.error:
        return b""


def test_nonce_is_another_each_time_and_from_the_system(monkeypatch, strangers_first, make_pair):
    """A stranger may repeat what it heard before."""
    urandom = os.urandom
    drawn = []
    sent = []

    class Noting(StandIn):
        def send(self, data):
            sent.append(data)
            return self.real.send(data)

    def noting(size):
        drawn.append(urandom(size))
        return drawn[-1]

    monkeypatch.setattr(os, "urandom", noting)
    strangers = strangers_first(1, cls=Noting)
    for _ in range(3):
        assert_is_direct(*[end.real for end in make_pair()])
        close(strangers.pop())
    assert [len(nonce) for nonce in sent] == [16, 16, 16]
    assert len(set(sent)) == 3
    assert set(sent) <= set(drawn)


def test_stranger_does_not_learn_which_byte_was_wrong(stand_in, family, relay, clock):
    """Hung up on at the first wrong byte, it would know the nonce after some 2,000 tries."""
    strangers = []
    hung_up_on = []

    class AmongStrangers(clock.hurried()):
        nonce = None

        def send(self, data):
            AmongStrangers.nonce = data
            return self.real.send(data)

        def accept(self):
            if self.nonce and not strangers:
                for data in (self.nonce[:15], b"w" * 15, self.nonce[:1], b"w", b"w" * 16):
                    strangers.append(RealSocket(family, socket.SOCK_STREAM))
                    strangers[-1].connect(self.real.getsockname()[:2])
                    strangers[-1].sendall(data)
            if clock.seconds > 5 and not hung_up_on:
                hung_up_on.extend(select.select(strangers, [], [], 0)[0])
            return super(AmongStrangers, self).accept()

    stand_in(relay("never").relayed(AmongStrangers))
    with pytest.raises(socket.error) as caught:
        fallback(family)
    assert "(5 connections came)" in str(caught.value)
    assert hung_up_on == strangers[4:]
    close(*strangers)


def test_pair_outlives_strangers_that_are_collected(strangers_first, make_pair):
    """As it does not by itself on Jython, which counts a connection out again when it is collected."""
    strangers_first(3)
    first, second = make_pair()
    gc.collect()
    first.settimeout(0.5 if JYTHON else 0.01)
    with pytest.raises(socket.timeout):  # where the end of file would be read
        first.recv(1)
    assert_is_direct(first, second)


def test_stranger_that_has_gone_again_is_passed_over(strangers_first, make_pair):
    strangers_first(1, lambda stranger: stranger.close())
    assert_is_direct(*make_pair())


@pytest.mark.skipif(JYTHON, reason="Jython ignores SO_LINGER: none of its sockets sends a reset")
def test_stranger_that_resets_at_once_is_passed_over(strangers_first, make_pair):
    def reset(stranger):
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        stranger.close()

    strangers_first(1, reset)
    assert_is_direct(*make_pair())


GONE = ["ECONNABORTED", "ECONNRESET", "ENOTCONN", 10053, 10054]
# accept(2) of Linux has a list.
PENDING = ["EPROTO", "EPERM", "ENOPROTOOPT", "EOPNOTSUPP"]
PENDING += ["ENETDOWN", "ENETUNREACH", "EHOSTDOWN", "EHOSTUNREACH", "ENONET"]
NOBODY = ["EINTR", "EWOULDBLOCK", "EAGAIN", 10035]


@pytest.mark.parametrize("code", GONE + [name for name in PENDING if hasattr(errno, name)] + NOBODY)
def test_accept_that_tells_of_nobody_or_of_a_stranger_goes_on(stand_in, make_pair, code):
    """A stranger's: BSD, Windows and Jython say that one has gone, and Linux what was pending on its socket."""
    reports = [socket.error(getattr(errno, str(code), code), "as the system says")] * 30

    class Reporting(StandIn):
        def accept(self):
            if reports:
                raise reports.pop()
            return StandIn.accept(self)

    stand_in(Reporting)
    assert_is_direct(*make_pair())
    assert reports == []


@pytest.mark.parametrize("code", ["EMFILE", "ENFILE", "ENOBUFS", "EBADF", "EPERM"])
def test_accept_that_fails_for_our_own_reason_is_raised(stand_in, family, code):
    """As every accept() does where a sandbox forbids it, with what is a stranger's where it comes now and then."""
    error = socket.error(getattr(errno, code), "our own")

    class Failing(StandIn):
        def accept(self):
            raise error

    made = stand_in(Failing)
    with pytest.raises(socket.error) as caught:
        fallback(family)
    assert caught.value is error
    assert all(map(is_closed, made))


EVERY_CALL = ("fileno", "setblocking", "settimeout", "recv", "getpeername", "getsockname", "close")


@pytest.mark.parametrize("calls", [EVERY_CALL] + [(name,) for name in EVERY_CALL], ids="-".join)
@pytest.mark.parametrize("code", [errno.ECONNRESET, errno.EBADF, errno.EINVAL, 10054])
def test_error_of_any_call_on_a_stranger_is_passed_over(stand_in, strangers_first, make_pair, calls, code):
    """FreeBSD's close may say ECONNRESET, and Jython of one that has gone, whatever is called, EBADF."""
    failed = []

    class Failing(StandIn):
        def accept(self):
            sock, peer = StandIn.accept(self)
            if peer[1] == strangers[0].getsockname()[1]:
                sock.real = FailingCalls(sock.real)
            return sock, peer

    class FailingCalls(object):
        def __init__(self, real):
            self.real = real

        def __getattr__(self, name):
            if name not in calls:
                return getattr(self.real, name)
            if name == "close":
                self.real.close()
            return self.fail

        def fail(self, *_):
            failed.append(self)
            raise socket.error(code, "of a stranger that has gone")

    strangers = strangers_first(1, cls=Failing)
    assert_is_direct(*make_pair())
    assert read_to_the_end(strangers[0]) == b""
    assert failed or len(calls) == 1


@pytest.mark.parametrize("nothing", [None, "", ()], ids=repr)
def test_stranger_that_accept_tells_no_address_of_is_rejected(strangers_first, make_pair, nothing):
    """As macOS accepts one that has gone."""

    class Nameless(StandIn):
        def accept(self):
            return StandIn.accept(self)[0], nothing

    strangers_first(1, cls=Nameless)
    assert_is_direct(*make_pair())


def second_address(family):
    """Another address of this machine, from which one can connect to loopback, or None."""
    if family == socket.AF_INET:
        return "127.0.0.2" if has_address("AF_INET", "127.0.0.2") else None
    try:
        with open("/proc/net/if_inet6") as table:
            addresses = [":".join(re.findall("....", line.split()[0])) for line in table]
    except IOError:
        return None
    return next((address for address in addresses if not address.startswith(("0000:", "fe80:"))), None)


def test_stranger_with_our_clients_port_elsewhere_is_rejected(stand_in, family):
    elsewhere = second_address(family)
    if not elsewhere:
        pytest.skip("this machine has one address alone of this family")
    # Found beforehand, since Jython binds no client before it connects.
    holder, port = closed_port(family, "0.0.0.0" if family == socket.AF_INET else "::")
    holder.close()
    stranger = RealSocket(family, socket.SOCK_STREAM)

    class AfterNamesake(StandIn):
        strangers = []

        def connect_ex(self, address):
            if not self.strangers:
                self.strangers.append(stranger)
                stranger.settimeout(10)
                stranger.bind((elsewhere, port))
                stranger.connect(address)
                stranger.sendall(b"stranger")
                self.real.bind((address[0], port))
            return self.real.connect_ex(address)

    stand_in(AfterNamesake)
    pair = fallback(family)
    assert stranger.getsockname()[1] == pair[1].getsockname()[1] == port
    assert stranger.getsockname()[0] != pair[1].getsockname()[0]
    assert_is_direct(*pair)
    close(stranger, *pair)


@pytest.mark.skipif(not has_address("AF_INET", "127.0.0.2"), reason="this machine has no 127.0.0.2")
def test_stranger_is_rejected_while_our_client_is_elsewhere(stand_in, clock):
    """It has our client's very address, and our client has the listener's port at another address for its peer."""
    others = []

    class Diverted(clock.hurried()):
        def connect_ex(self, address):
            if others:
                return errno.EISCONN
            # Found beforehand, since Jython binds no client before it connects.
            holder, port = closed_port(socket.AF_INET, address[0])
            holder.close()
            elsewhere, stranger = [RealSocket(socket.AF_INET, socket.SOCK_STREAM) for _ in range(2)]
            others.extend((elsewhere, stranger))
            elsewhere.bind(("127.0.0.2", address[1]))
            elsewhere.listen(5)
            for sock, there in ((stranger, address), (self.real, ("127.0.0.2", address[1]))):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind((address[0], port))
                sock.setblocking(True)
                sock.connect(there)
            self.real.setblocking(False)
            assert self.real.getsockname() == stranger.getsockname()
            return 0

    stand_in(Diverted)
    with pytest.raises(socket.error) as caught:
        fallback()
    assert caught.value.errno == errno.ETIMEDOUT
    close(*others)


def test_second_process_that_keeps_connecting_is_kept_out(stand_in, make_pair, family, flooder):
    class Flooded(StandIn):
        def listen(self, backlog):
            self.real.listen(backlog)
            flooder.flood(*self.real.getsockname()[:2])
            flooded.append(default_timer())

        def accept(self):
            accepted = StandIn.accept(self)
            connections.append(accepted)
            return accepted

    flooded = []
    connections = []
    stand_in(Flooded)
    pairs = 3 if JYTHON else 20
    for _ in range(pairs):
        assert_is_direct(*make_pair())
        assert default_timer() - flooded[-1] < 5
    assert len(connections) > pairs
