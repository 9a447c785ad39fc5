"""Connections that are not our own: closed, and the pair is made all the same (CVE-2024-3219)."""

import errno
import gc
import os
import select
import socket
import types
from timeit import default_timer

import pytest

from standins.sockets import Hurried, StandIn, connect_ex_of
from standins.strangers import RESET, await_connection, closed_port
from support import JYTHON, RealSocket, assert_is_direct, close, fallback, has_address, is_closed, module


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
def test_strangers_that_come_first_are_not_taken_for_our_client(strangers_first, make_pair, count):
    strangers = strangers_first(count, lambda stranger: stranger.sendall(b"stranger"))
    started = default_timer()
    assert_is_direct(*make_pair())
    assert default_timer() - started < 5
    assert len(strangers) == count


def test_stranger_is_hung_up_on(strangers_first, make_pair):
    strangers = strangers_first(1)
    make_pair()
    assert strangers[0].recv(1) == b""


@pytest.mark.parametrize("says", [b"", b"w", b"w" * 8, b"w" * 16, b"w" * 100], ids=len)
def test_stranger_is_told_by_nothing_that_it_says(strangers_first, make_pair, says):
    strangers = strangers_first(2, lambda stranger: stranger.sendall(says))
    assert_is_direct(*make_pair())
    assert [read_to_the_end(stranger) for stranger in strangers] == [b"", b""]


def read_to_the_end(sock):
    """What comes until the other side has hung up, which resets what it had not read."""
    try:
        return sock.recv(100)
    except socket.error:
        return b""


def test_stranger_that_repeats_what_was_said_before_is_turned_away(monkeypatch, stand_in, strangers_first, make_pair):
    """Each call's proof is another, of the system's randomness."""
    proofs = []

    def noting(size):
        proofs.append(os.urandom(size))
        return proofs[-1]

    monkeypatch.setattr(module, "os", types.ModuleType("os"))
    vars(module.os).update(vars(os), urandom=noting)
    strangers = strangers_first(1, lambda stranger: stranger.sendall(b"w" * 16))
    for _ in range(3):
        assert_is_direct(*make_pair())
        del strangers[:]
    assert [len(proof) for proof in proofs] == [16, 16, 16]
    assert len(set(proofs)) == 3


def test_stranger_does_not_learn_from_when_it_is_hung_up_on_which_byte_was_wrong(stand_in, family, relay):
    """Hung up on at the first wrong byte, it would know the proof after some 2,000 tries."""
    strangers = []
    hung_up_on = []

    class AmongStrangers(Hurried):
        proof = None
        turns = 0

        def send(self, data):
            AmongStrangers.proof = data
            return self.real.send(data)

        def accept(self):
            if self.proof:
                AmongStrangers.turns += 1
            if self.turns == 1:
                for says in (self.proof[:15], b"w" * 15, self.proof[:1], b"w", b"w" * 16):
                    strangers.append(RealSocket(family, socket.SOCK_STREAM))
                    strangers[-1].connect(self.real.getsockname()[:2])
                    strangers[-1].sendall(says)
            if self.turns == 100:
                hung_up_on.extend(select.select(strangers, [], [], 0)[0])
            return Hurried.accept(self)

    stand_in(relay("never").relayed(AmongStrangers))
    with pytest.raises(socket.error) as caught:
        fallback(family)
    assert "5 from strangers" in str(caught.value)
    assert AmongStrangers.turns > 100
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
def test_stranger_that_resets_before_it_is_accepted_is_passed_over(strangers_first, make_pair):
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
def test_accept_that_reports_nobody_or_a_strangers_error_is_passed_over(stand_in, make_pair, code):
    """A stranger's: BSD, Windows and Jython say that one has gone, and Linux what was pending on its socket."""
    reports = [socket.error(getattr(errno, str(code), code), "as the system says")]

    class Reporting(StandIn):
        def accept(self):
            if reports:
                raise reports.pop()
            return StandIn.accept(self)

    stand_in(Reporting)
    assert_is_direct(*make_pair())
    assert reports == []


@pytest.mark.parametrize("code", ["EMFILE", "ENFILE", "ENOBUFS", "EBADF"])
def test_accept_that_fails_for_our_own_reason_is_raised_at_once(stand_in, family, code):
    error = socket.error(getattr(errno, code), "our own")

    class Failing(StandIn):
        def accept(self):
            raise error

    made = stand_in(Failing)
    with pytest.raises(socket.error) as caught:
        fallback(family)
    assert caught.value is error
    assert all(map(is_closed, made))


@pytest.mark.parametrize("call", ["setblocking", "recv", "fileno", "close"])
@pytest.mark.parametrize("code", [errno.ECONNRESET, errno.EBADF, errno.EINVAL, 10054])
def test_error_of_any_call_on_a_stranger_is_passed_over(stand_in, strangers_first, make_pair, call, code):
    """FreeBSD's close may say ECONNRESET, and Jython of one that has gone, whatever is called, EBADF."""
    failed = []

    class Failing(StandIn):
        def accept(self):
            sock, peer = StandIn.accept(self)
            if peer[1] == strangers[0].getsockname()[1]:
                sock.fails = True
            return sock, peer

        def fail(self, name):
            if name == call and vars(self).get("fails"):
                failed.append(name)
                raise socket.error(code, "of a stranger that has gone")

        def setblocking(self, blocking):
            self.fail("setblocking")
            self.real.setblocking(blocking)

        def recv(self, size):
            self.fail("recv")
            return self.real.recv(size)

        def fileno(self):
            self.fail("fileno")
            return self.real.fileno()

        def close(self):
            self.real.close()
            self.fail("close")

    strangers = strangers_first(1, cls=Failing)
    assert_is_direct(*make_pair())
    assert strangers[0].recv(1) == b""
    assert failed


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit, MemoryError])
@pytest.mark.parametrize("call", ["setblocking", "recv", "close"])
def test_interruption_at_a_call_on_a_stranger_comes_out(stand_in, strangers_first, family, call, interruption):
    made = []

    class Interrupted(StandIn):
        def __init__(self, *args, **kwargs):
            StandIn.__init__(self, *args, **kwargs)
            made.append(self)

        def accept(self):
            sock, peer = StandIn.accept(self)
            sock.real = Interrupting(sock.real)
            return sock, peer

    class Interrupting(object):
        raised = []

        def __init__(self, real):
            self.real = real

        def __getattr__(self, name):
            method = getattr(self.real, name)
            if name != call or self.raised:
                return method
            return self.interrupt

        def interrupt(self, *_):
            self.raised.append(call)
            raise interruption

    strangers_first(1, lambda stranger: stranger.sendall(b"w" * 16), cls=Interrupted)
    with pytest.raises(interruption):
        fallback(family)
    assert all(is_closed(sock.real) for sock in made)


@pytest.mark.parametrize("nothing", [None, "", ()])
def test_stranger_that_accept_has_no_address_for_is_turned_away(stand_in, strangers_first, make_pair, nothing):
    """As macOS accepts one that has gone."""
    strangers = strangers_first(1)
    nameless = []

    class Nameless(socket.socket):
        def accept(self):
            sock, peer = StandIn.accept(self)
            if peer[1] != strangers[0].getsockname()[1]:
                return sock, peer
            nameless.append(sock)
            return sock, nothing

    stand_in(Nameless)
    assert_is_direct(*make_pair())
    assert len(nameless) == 1


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTCONN, 10022])
def test_stranger_without_an_address_is_not_ours_while_our_client_has_none_either(
    stand_in, strangers_first, make_pair, code
):
    """As on macOS and .NET."""
    asked = []

    class Nameless(StandIn):
        def accept(self):
            sock, peer = StandIn.accept(self)
            return sock, None if peer[1] == strangers[0].getsockname()[1] else peer

        def getsockname(self):
            asked.append(self)
            if 1 < len(asked) < 4:  # the first is the listener, for its port
                raise socket.error(code, "no name yet")
            return self.real.getsockname()

    strangers = strangers_first(1, cls=Nameless)
    assert_is_direct(*make_pair())


@pytest.mark.skipif(not has_address("AF_INET", "127.0.0.2"), reason="this machine has no 127.0.0.2")
def test_stranger_with_our_clients_port_on_another_loopback_address_is_turned_away(stand_in):
    # Found beforehand, since Jython binds no client before it connects.
    holder, port = closed_port(socket.AF_INET, "0.0.0.0")
    holder.close()
    stranger = RealSocket(socket.AF_INET, socket.SOCK_STREAM)

    class AfterNamesake(StandIn):
        strangers = []

        def connect_ex(self, address):
            if not self.strangers:
                self.strangers.append(stranger)
                stranger.settimeout(10)
                stranger.bind(("127.0.0.2", port))
                stranger.connect(address)
                stranger.sendall(b"stranger")
                self.real.bind(("127.0.0.1", port))
            return self.real.connect_ex(address)

    stand_in(AfterNamesake)
    pair = fallback()
    assert stranger.getsockname() == ("127.0.0.2", port)
    assert pair[1].getsockname() == ("127.0.0.1", port)
    assert_is_direct(*pair)
    close(stranger, *pair)


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
