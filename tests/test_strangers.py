"""Connections that are not our own: closed, and the pair is made all the same (CVE-2024-3219)."""

import errno
import gc
import os
import socket
import struct
from timeit import default_timer

import pytest

from conftest import has_address, module
from support import JYTHON, Flooder, RealSocket, StandIn, await_connection, close, closed_port

# l_onoff and l_linger, which are shorter on Windows: close() then resets the connection.
RESET = struct.pack("HH" if os.name == "nt" else "ii", 1, 0)


def assert_is_a_pair(first, second):
    for end in (first, second):
        end.settimeout(10)
    first.sendall(b"to second")
    second.sendall(b"to first")
    assert second.recv(100) == b"to second"
    assert first.recv(100) == b"to first"
    assert first.getpeername()[1] == second.getsockname()[1]
    assert second.getpeername()[1] == first.getsockname()[1]


@pytest.fixture
def strangers_first(stand_in, family):
    """Connects strangers before our own client connects."""
    strangers = []

    def come(count, then=lambda stranger: None):
        class AfterStrangers(StandIn):
            def connect_ex(self, address):
                while len(strangers) < count:
                    stranger = RealSocket(family, socket.SOCK_STREAM)
                    strangers.append(stranger)
                    stranger.settimeout(10)
                    stranger.connect(address)
                    await_connection(made[0].real)
                    then(stranger)
                return self.real.connect_ex(address)

        made = stand_in(AfterStrangers)
        return strangers

    yield come
    close(*strangers)


@pytest.mark.parametrize("count", [1, 60])
def test_strangers_that_come_first_are_not_taken_for_our_client(strangers_first, make_pair, count):
    strangers = strangers_first(count, lambda stranger: stranger.sendall(b"stranger"))
    started = default_timer()
    assert_is_a_pair(*make_pair())
    assert default_timer() - started < 5
    assert len(strangers) == count


def test_stranger_is_hung_up_on(strangers_first, make_pair):
    strangers = strangers_first(1)
    make_pair()
    assert strangers[0].recv(1) == b""


def test_pair_outlives_strangers_that_are_collected(strangers_first, make_pair):
    """As it does not by itself on Jython, which counts a connection out again when it is collected."""
    strangers_first(3)
    first, second = make_pair()
    gc.collect()
    first.settimeout(0.5)
    with pytest.raises(socket.timeout):  # where the end of file would be read
        first.recv(1)
    assert_is_a_pair(first, second)


def test_stranger_that_has_gone_again_is_passed_over(strangers_first, make_pair):
    strangers_first(1, lambda stranger: stranger.close())
    assert_is_a_pair(*make_pair())


@pytest.mark.skipif(JYTHON, reason="Jython ignores SO_LINGER: none of its sockets sends a reset")
def test_stranger_that_resets_before_it_is_accepted_is_passed_over(strangers_first, make_pair):
    def reset(stranger):
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        stranger.close()

    strangers_first(1, reset)
    assert_is_a_pair(*make_pair())


@pytest.mark.parametrize("code", ["ECONNABORTED", "ECONNRESET", "ENOTCONN", 10053, 10054])
def test_accept_that_reports_a_stranger_gone_is_passed_over(stand_in, make_pair, code):
    """As BSD, Windows and Jython do, where Linux hands out the dead connection."""
    reports = [socket.error(getattr(errno, str(code), code), "a stranger has gone")]

    class Reporting(StandIn):
        def accept(self):
            if reports:
                raise reports.pop()
            return StandIn.accept(self)

    stand_in(Reporting)
    assert_is_a_pair(*make_pair())
    assert reports == []


@pytest.mark.parametrize("nothing", [None, "", ()])
def test_stranger_that_accept_has_no_address_for_is_turned_away(
    stand_in, strangers_first, make_pair, nothing
):
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
    assert_is_a_pair(*make_pair())
    assert len(nameless) == 1


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
    pair = module._fallback_socketpair()
    assert stranger.getsockname() == ("127.0.0.2", port)
    assert pair[1].getsockname() == ("127.0.0.1", port)
    assert_is_a_pair(*pair)
    close(stranger, *pair)


@pytest.fixture
def flooder():
    flooder = Flooder()
    yield flooder
    flooder.stop()


def test_second_process_that_keeps_connecting_is_kept_out(stand_in, make_pair, family, flooder):
    class Flooded(StandIn):
        def listen(self, backlog):
            self.real.listen(backlog)
            flooder.flood(module._LOOPBACK[family], self.real.getsockname()[1])
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
        assert_is_a_pair(*make_pair())
        assert default_timer() - flooded[-1] < 5
    assert len(connections) > pairs
