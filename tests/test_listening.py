"""Where the listener is: on loopback alone, by its literal address, on a port that nobody else gets."""

import errno
import socket

import pytest

from conftest import maker
from standins.sockets import StandIn
from support import HOSTS, RealSocket, assert_is_a_pair, assert_is_direct, close, load_copy


def test_listens_on_the_literal_address_and_a_free_port(stand_in, make_pair, family):
    """A hosts file may send "localhost" anywhere."""
    bound = []

    class Noting(StandIn):
        def bind(self, address):
            bound.append(address)
            self.real.bind(address)

    stand_in(Noting)
    pair = make_pair()
    assert bound == [(HOSTS["AF_INET" if family == socket.AF_INET else "AF_INET6"], 0)]
    assert_is_direct(*pair)


def test_a_hundred_connections_can_come_before_ours(stand_in, make_pair, family):
    """At once: a full listener ignores our client for a second."""
    strangers = []

    class Crowded(StandIn):
        def listen(self, backlog):
            self.real.listen(backlog)
            for _ in range(100):
                strangers.append(RealSocket(family, socket.SOCK_STREAM))
                strangers[-1].settimeout(0.5)
                strangers[-1].connect(self.real.getsockname()[:2])

    stand_in(Crowded)
    assert_is_direct(*make_pair())
    close(*strangers)


@pytest.fixture
def make_exclusive_pair(monkeypatch, family):
    """Makes pairs where ports can be exclusive, as on Windows."""
    if not hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
        monkeypatch.setattr(socket, "SO_EXCLUSIVEADDRUSE", -5, raising=False)
    copy = load_copy()  # held, since Python 2 empties a module that nobody holds
    make, made = maker(copy.fallback_socketpair, family)
    yield make
    for pair in made:
        close(*pair)


def test_asks_for_an_exclusive_port_and_never_for_a_shared_one(stand_in, make_exclusive_pair):
    """Windows lets another process take over a port that was not bound exclusively."""
    asked = []

    class Noting(StandIn):
        bound = False

        def setsockopt(self, level, option, value):
            asked.append((level, option))
            assert option != socket.SO_EXCLUSIVEADDRUSE or not self.bound
            if option != -5:
                self.real.setsockopt(level, option, value)

        def bind(self, address):
            self.bound = True
            self.real.bind(address)

    stand_in(Noting)
    assert_is_direct(*make_exclusive_pair())
    assert (socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE) in asked
    assert (socket.SOL_SOCKET, socket.SO_REUSEADDR) not in asked


@pytest.mark.parametrize("code", [errno.ENOPROTOOPT, errno.EINVAL, 10042])
def test_does_without_options_that_are_refused(stand_in, make_exclusive_pair, code):
    class Refusing(StandIn):
        def setsockopt(self, level, option, value):
            raise socket.error(code, "refused")

    stand_in(Refusing)
    assert_is_direct(*make_exclusive_pair())


def test_takes_nothing_but_the_port_of_getsockname(stand_in, make_pair):
    """A layered Windows provider has said 0.0.0.0 for the host."""

    class Layered(StandIn):
        def getsockname(self):
            return ("0.0.0.0",) + tuple(self.real.getsockname()[1:])

    stand_in(Layered)
    assert_is_a_pair(*make_pair())


def test_port_is_asked_for_when_the_listener_listens(stand_in, make_pair):
    """Jython has none before."""

    class NamedLate(StandIn):
        waits_for_listen = False

        def bind(self, address):
            self.real.bind(address)
            self.waits_for_listen = True

        def listen(self, backlog):
            self.real.listen(backlog)
            self.waits_for_listen = False

        def getsockname(self):
            assert not self.waits_for_listen
            return self.real.getsockname()

    stand_in(NamedLate)
    assert_is_direct(*make_pair())
