"""Where each attempt listens, and that whatever goes wrong in one leads to another, somewhere else: ten in all."""

import errno
import os
import re
import socket

import pytest

from standins.sockets import StandIn, Unconnected
from standins.strangers import closed_port
from support import (
    HOSTS,
    JYTHON,
    WASI,
    RealSocket,
    assert_is_a_pair,
    assert_is_direct,
    close,
    fallback,
    has_address,
    is_closed,
    module,
)

# macOS has one loopback address. Wine, Jython and WASI do not connect to a mapped IPv4 address.
HAS_OTHERS = {"AF_INET": has_address("AF_INET", "127.3.2.1"), "AF_INET6": os.name == "posix" and not WASI}
ALL_ADDRESSES = {"AF_INET": "0.0.0.0", "AF_INET6": "::"}
UNKNOWN = {"AF_INET": r"127\.[1-9]\d*\.[1-9]\d*\.1$", "AF_INET6": r"::ffff:127\.[1-9]\d*\.[1-9]\d*\.1$"}


def name_of(family):
    return "AF_INET" if family == socket.AF_INET else "AF_INET6"


def needs_other_addresses(family):
    if not HAS_OTHERS[name_of(family)]:
        pytest.skip("this system has one loopback address of this family")


class Noting(StandIn):
    """Notes the addresses that are bound and listen, in order."""

    bound, listening = [], []

    def bind(self, address):
        self.bound.append(address)
        self.real.bind(address)

    def listen(self, backlog):
        self.listening.append(self.real.getsockname()[0])
        self.real.listen(backlog)


@pytest.fixture
def noting():
    Noting.bound, Noting.listening = [], []
    return Noting


# Where an attempt listens


def test_listener_is_bound_to_the_literal_address(stand_in, make_pair, family, noting):
    """A hosts file may map localhost to another address. The client's port is nobody else's at any address."""
    stand_in(noting)
    assert_is_direct(*make_pair())
    assert noting.bound == [(HOSTS[name_of(family)], 0), (ALL_ADDRESSES[name_of(family)], 0)]


def test_both_ends_are_bound_to_an_unknown_address(stand_in, make_pair, family, noting):
    needs_other_addresses(family)

    class Refused(noting):
        def connect_ex(self, address):
            return errno.EIO if address[0] == HOSTS[name_of(family)] else self.real.connect_ex(address)

    stand_in(Refused)
    assert_is_direct(*make_pair())
    bound = noting.bound[2:]  # first to see that there is such an address
    assert bound == [bound[0]] * 3 and re.match(UNKNOWN[name_of(family)], bound[0][0])


def test_both_ends_are_bound_before_the_listener_listens(stand_in, make_pair, noting):
    class Listening(noting):
        def listen(self, backlog):
            assert len(self.bound) == 2
            self.real.listen(backlog)

    stand_in(Listening)
    assert_is_direct(*make_pair())


@pytest.fixture
def exclusive(monkeypatch):
    """Ports can be exclusive, as on Windows."""
    if not hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
        monkeypatch.setattr(module, "_EXCLUSIVE", -5)


def test_port_is_exclusive_and_never_shared(stand_in, make_pair, exclusive):
    """On Windows, another process could bind a port that is not exclusive."""
    asked = []

    class Asking(StandIn):
        bound = False

        def setsockopt(self, level, option, value):
            asked.append((level, option))
            assert option != module._EXCLUSIVE or not self.bound
            if option != -5:
                self.real.setsockopt(level, option, value)

        def bind(self, address):
            self.bound = True
            self.real.bind(address)

    stand_in(Asking)
    assert_is_direct(*make_pair())
    assert (socket.SOL_SOCKET, module._EXCLUSIVE) in asked
    assert (socket.SOL_SOCKET, socket.SO_REUSEADDR) not in asked


def test_options_that_are_refused_do_not_matter(stand_in, make_pair, exclusive):
    class Refusing(StandIn):
        def setsockopt(self, level, option, value):
            raise socket.error(errno.ENOPROTOOPT, "refused")

    stand_in(Refusing)
    assert_is_direct(*make_pair())


def test_only_the_port_of_getsockname_is_used(stand_in, make_pair):
    """A layered Windows provider has returned 0.0.0.0 for the host."""

    class Layered(StandIn):
        def getsockname(self):
            return ("0.0.0.0",) + tuple(self.real.getsockname()[1:])

    stand_in(Layered)
    assert_is_a_pair(*make_pair())


def test_a_hundred_connections_can_come_before_ours(stand_in, make_pair, family):
    """A listener whose backlog is full ignores the client for a second."""
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


# Where the next attempts listen


@pytest.fixture
def hosts_of_failed_call(stand_in, family, noting):
    """Makes a call whose connects all fail, each with another error; returns where its attempts listen."""

    def call():
        codes = []

        class Failing(noting):
            def bind(self, address):
                # Nothing of the attempt before is open.
                assert len([sock for sock in made if not is_closed(sock)]) <= 2
                noting.bind(self, address)

            def connect_ex(self, address):
                assert address[0] == self.listening[-1]
                codes.append(1000 + len(codes))
                return codes[-1]

        del noting.listening[:]
        made = stand_in(Failing)
        with pytest.raises(socket.error) as caught:
            fallback(family)
        assert caught.value.errno == codes[-1]
        assert all(map(is_closed, made))
        return list(noting.listening)

    return call


def test_ten_attempts_fail_with_the_last_error(hosts_of_failed_call):
    assert len(hosts_of_failed_call()) == 10


def test_every_second_attempt_is_at_an_unknown_address(hosts_of_failed_call, family):
    needs_other_addresses(family)
    hosts = hosts_of_failed_call()
    assert hosts[::2] == [HOSTS[name_of(family)]] * 5
    assert all(re.match(UNKNOWN[name_of(family)], host) for host in hosts[1::2])
    assert len(set(hosts[1::2])) == 5


def test_all_unknown_addresses_are_as_likely(hosts_of_failed_call, family):
    needs_other_addresses(family)
    seen = set()
    for _ in range(1 if JYTHON else 100):
        for host in hosts_of_failed_call()[1::2]:
            seen.update(enumerate(host.split(".")[1:3]))
    # Of 255 numbers, 500 draws miss a seventh.
    assert all(len([each for where, each in seen if where == place]) > (1 if JYTHON else 180) for place in (0, 1))


@pytest.mark.parametrize("family", [getattr(socket, name) for name in HOSTS if not HAS_OTHERS[name]], ids=name_of)
def test_system_with_one_address_takes_it_for_all(hosts_of_failed_call, family):
    assert set(hosts_of_failed_call()) == {HOSTS[name_of(family)]}


@pytest.mark.parametrize("code", [errno.EADDRNOTAVAIL, errno.EINVAL, 10049, 10022])
def test_usual_address_is_taken_if_there_is_no_other(stand_in, make_pair, family, noting, code):
    class OneAddress(noting):
        clients = []

        def bind(self, address):
            if re.match(UNKNOWN[name_of(family)], address[0]):
                raise socket.error(code, "no such address")
            noting.bind(self, address)

        def connect_ex(self, address):
            self.clients.append(self)
            return self.real.connect_ex(address) if len(self.clients) == 4 else errno.EIO

    made = stand_in(OneAddress)
    pair = make_pair()
    assert [host for host, _ in noting.bound[::2]] == [HOSTS[name_of(family)]] * 4
    assert_is_direct(*pair)
    assert {sock for sock in made if not is_closed(sock)} == set(pair)


# What leads to another attempt


def once(call, error):
    """A stand-in whose call fails once, if it is our listener's or client's; and what has failed."""
    failed = []

    class Once(StandIn):
        def __init__(self, *args, **kwargs):
            fail("socket")
            StandIn.__init__(self, *args, **kwargs)

        def __getattr__(self, name):
            fail(name)
            return getattr(self.real, name)

        def connect_ex(self, address):
            fail("connect_ex")
            return self.real.connect_ex(address)

        def send(self, data):
            if call == "getsockopt" and not failed:  # which is asked of a client that is not connected yet
                raise socket.error(errno.EAGAIN, "not yet")
            fail("send")
            return self.real.send(data)

        def accept(self):
            fail("accept")
            return StandIn.accept(self)

    def fail(name):
        if name == call and not failed:
            failed.append(name)
            raise error

    return Once, failed


CALLS = ["socket", "bind", "listen", "getsockname", "setblocking", "connect_ex", "settimeout", "accept", "getsockopt"]


@pytest.mark.parametrize("code", [errno.EIO, errno.EACCES, errno.EMFILE, 10013, 10055, 54321])
@pytest.mark.parametrize("call", CALLS if JYTHON else CALLS + ["send"])
def test_one_error_at_any_call_leads_to_a_pair(stand_in, make_pair, family, call, code):
    if JYTHON and (code != errno.EIO or family != socket.AF_INET):
        pytest.skip("each listener that fails costs Jython 20 descriptors for good")
    cls, failed = once(call, socket.error(code, "once"))
    made = stand_in(cls)
    pair = make_pair()
    assert failed == [call]
    assert_is_direct(*pair)
    host = pair[1].getpeername()[0]
    assert host != HOSTS[name_of(family)] or not HAS_OTHERS[name_of(family)]
    assert {sock for sock in made if not is_closed(sock)} == set(pair)


def test_unknown_address_is_never_the_usual_one(hosts_of_failed_call, monkeypatch, family):
    needs_other_addresses(family)
    monkeypatch.setattr(os, "urandom", lambda size: b"\0" * size)
    assert all(re.match(UNKNOWN[name_of(family)], host) for host in hosts_of_failed_call()[1::2])


def test_nonce_that_cannot_be_drawn_is_no_loop(stand_in, monkeypatch, family):
    def urandom(size):
        raise NotImplementedError("no source of randomness")

    monkeypatch.setattr(os, "urandom", urandom)
    made = stand_in(StandIn)
    with pytest.raises(NotImplementedError):
        fallback(family)
    assert all(map(is_closed, made))


@pytest.mark.parametrize("how", ["rejects", "drops"])
def test_usual_address_that_is_blocked_is_left(stand_in, clock, family, how):
    """By a firewall, which tells of it or does not."""
    needs_other_addresses(family)
    holder, port = closed_port(family, HOSTS[name_of(family)])

    class Blocked(clock.hurried()):
        def connect_ex(self, address):
            if address[0] != HOSTS[name_of(family)]:
                return self.real.connect_ex(address)
            return self.real.connect_ex((address[0], port)) if how == "rejects" else errno.EINPROGRESS

    stand_in(Blocked)
    pair = fallback(family)
    assert_is_direct(*pair)
    assert clock.seconds < 5
    close(*pair)
    holder.close()


def test_time_of_an_attempt_ends_after_a_third(stand_in, clock, family):
    started = []

    class Dropped(clock.hurried(Unconnected)):
        def listen(self, backlog):
            started.append(clock.seconds)
            self.real.listen(backlog)

    stand_in(Dropped)
    with pytest.raises(socket.error) as caught:
        fallback(family)
    assert caught.value.errno == errno.ETIMEDOUT
    assert len(started) == 3
    assert all(abs(seconds - number * 10 / 3.0) < 0.05 for number, seconds in enumerate(started))
