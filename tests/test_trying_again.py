"""A port that is refused and a client that is lost are tried again, elsewhere: ten in all."""

import errno
import re
import socket

import pytest

from standins.sockets import StandIn, Unconnected, going
from support import HOSTS, JYTHON, assert_is_direct, close, fallback, has_address, is_closed


def numbers(*names):
    return [getattr(errno, name) for name in names if hasattr(errno, name)]


REFUSED = numbers("EADDRINUSE", "EADDRNOTAVAIL") + [10048, 10049, 10013, 10055]
LOST = numbers("ECONNRESET", "ECONNABORTED", "EPIPE") + [10053, 10054]
# macOS has one loopback address alone.
HAS_OTHERS = has_address("AF_INET", "127.3.2.1")


def is_elsewhere(family, host):
    """Whether this is where a try after the first is to listen, if the machine lets it."""
    if family != socket.AF_INET:
        return host == HOSTS["AF_INET6"]
    return host.startswith("127.") and host != HOSTS["AF_INET"]


def once(call, answer, cls=StandIn):
    """A stand-in whose call fails once, if it is for our listener or client; an exception is raised."""
    failures = [answer]

    def fail(name):
        if name == call and failures:
            answer = failures.pop()
            if isinstance(answer, Exception):
                raise answer
            return answer
        return None

    class Once(cls):
        def bind(self, address):
            fail("bind")
            self.real.bind(address)

        def listen(self, backlog):
            fail("listen")
            self.real.listen(backlog)

        def connect_ex(self, address):
            # One that is to be lost is on its way until then.
            self.is_lost = bool(failures) and call in ("getsockopt", "send")
            return fail("connect_ex") or (errno.EINPROGRESS if self.is_lost else self.real.connect_ex(address))

        def getsockopt(self, level, option):
            return fail("getsockopt") or self.real.getsockopt(level, option)

        def send(self, data):
            if not getattr(self, "is_lost", False):
                return self.real.send(data)
            return fail("send") or Unconnected.send(self, data)

    return Once, failures


def raised(codes):
    return [socket.error(code, "as the system says") for code in codes]


if JYTHON:  # each listener costs it 20 descriptors for good
    REFUSED, LOST = REFUSED[:1], LOST[:1]
FAILURES = [("connect_ex", code) for code in REFUSED + LOST]
FAILURES += [(call, error) for call in ("bind", "listen", "connect_ex") for error in raised(REFUSED)]
FAILURES += [("getsockopt", code) for code in LOST]
if not JYTHON:  # whose client is asked whether it can send before it does
    FAILURES += [("send", error) for error in raised(LOST)]


def name_of(each):
    return "raised %d" % each.errno if isinstance(each, Exception) else str(each)


@pytest.mark.parametrize("call, answer", FAILURES, ids=name_of)
def test_refused_port_or_lost_client_is_tried_again_elsewhere(stand_in, family, make_pair, call, answer):
    cls, failures = once(call, answer)
    made = stand_in(cls)
    pair = make_pair()
    assert failures == []
    assert_is_direct(*pair)
    assert is_elsewhere(family, pair[1].getpeername()[0]) or not HAS_OTHERS
    assert [sock for sock in made if not is_closed(sock)] == [pair[1], pair[0]]


def test_number_is_winsocks_though_errno_renames_it(stand_in, make_pair):
    """As Python 3 does on Windows, where it has WSAEACCES for EACCES."""
    error = socket.error(errno.EACCES, "refused")
    error.winerror = 10013
    stand_in(once("bind", error)[0])
    assert_is_direct(*make_pair())


@pytest.mark.parametrize("call", ["bind", "listen", "connect_ex", "getsockopt", "send"])
@pytest.mark.parametrize("code", [errno.EIO, errno.EMFILE, 10022])
def test_other_error_is_not_tried_again(stand_in, family, call, code):
    if JYTHON and call == "send":
        pytest.skip("a Jython client is asked whether it can send before it does")
    error = socket.error(code, "for good")
    cls, failures = once(call, code if call == "getsockopt" else error)
    made = stand_in(cls)
    with pytest.raises(socket.error) as caught:
        fallback(family)
    assert caught.value.errno == code
    assert failures == []
    assert made and all(map(is_closed, made))


@pytest.mark.parametrize("codes", [REFUSED[:1], LOST[:1], [REFUSED[0], LOST[0]]], ids=["refused", "lost", "in turn"])
def test_there_are_ten_tries_in_all(stand_in, family, codes):
    clients = []

    class Failing(StandIn):
        def connect_ex(self, address):
            clients.append(self)
            return codes[len(clients) % len(codes)]

    made = stand_in(Failing)
    with pytest.raises(socket.error) as caught:
        fallback(family)
    assert len(clients) == 10
    assert caught.value.errno == codes[10 % len(codes)]
    assert all(map(is_closed, made))


@pytest.mark.parametrize("call", ["bind", "listen"])
def test_port_that_stays_refused_is_the_systems_error(stand_in, family, call):
    class Refusing(StandIn):
        def bind(self, address):
            self.real.bind(address)
            refuse("bind")

        def listen(self, backlog):
            refuse("listen")

    def refuse(name):
        if name == call:
            errors.append(socket.error(errno.EADDRINUSE, "refused"))
            raise errors[-1]

    errors = []
    made = stand_in(Refusing)
    with pytest.raises(socket.error) as caught:
        fallback(family)
    assert caught.value is errors[-1]
    assert all(map(is_closed, made))


def hosts_of_tries(stand_in, family):
    """Where each try of a call listens whose connects are refused; all of the try before is closed then."""
    hosts = []

    class Failing(StandIn):
        def bind(self, address):
            assert all(is_closed(sock) for sock in made if sock is not self)
            hosts.append(address[0])
            self.real.bind(address)

        def connect_ex(self, address):
            assert address[0] == hosts[-1]
            return errno.EADDRINUSE

    made = stand_in(Failing)
    with pytest.raises(socket.error):
        fallback(family)
    return hosts


def test_each_try_closes_all_before_it_listens(stand_in, family):
    assert len(hosts_of_tries(stand_in, family)) == 10


@pytest.mark.skipif(not HAS_OTHERS, reason="this machine has one loopback address alone")
def test_first_try_is_on_the_usual_address_and_no_other_is(stand_in):
    hosts = hosts_of_tries(stand_in, socket.AF_INET)
    assert hosts[0] == "127.0.0.1"
    assert len(set(hosts)) == 10


@pytest.mark.skipif(not HAS_OTHERS, reason="this machine has one loopback address alone")
def test_other_addresses_are_at_random_without_0_and_255(stand_in):
    seen = set()
    for _ in range(1 if JYTHON else 60):
        for host in hosts_of_tries(stand_in, socket.AF_INET)[1:]:
            assert re.match(r"127\.\d+\.\d+\.\d+$", host)
            numbers = [int(number) for number in host.split(".")[1:]]
            assert 1 <= min(numbers) <= max(numbers) <= 254
            seen.update(enumerate(numbers))
    for place in range(3):
        numbers = [number for where, number in seen if where == place]
        assert len(numbers) > (5 if JYTHON else 200)


def test_ipv6_has_one_loopback_address_for_all_tries(stand_in):
    assert set(hosts_of_tries(stand_in, socket.AF_INET6)) == {HOSTS["AF_INET6"]}


@pytest.mark.parametrize("call", ["bind", "listen"])
@pytest.mark.parametrize("code", [errno.EADDRNOTAVAIL, 10049])
def test_usual_address_is_taken_where_others_are_absent(stand_in, call, code):
    """As macOS does."""
    refused = []

    class Usual(once("connect_ex", errno.EADDRINUSE)[0]):
        def bind(self, address):
            self.host = address[0]
            self.refuse_others("bind")
            self.real.bind(address)

        def listen(self, backlog):
            self.refuse_others("listen")
            self.real.listen(backlog)

        def refuse_others(self, name):
            if name == call and self.host != "127.0.0.1":
                refused.append(self.host)
                raise socket.error(code, "no such address")

    made = stand_in(Usual)
    pair = fallback()
    assert len(refused) == 1
    assert pair[1].getpeername()[0] == "127.0.0.1"
    assert_is_direct(*pair)
    assert [sock for sock in made if not is_closed(sock)] == [pair[1], pair[0]]
    close(*pair)


@pytest.mark.parametrize("code", [errno.EADDRINUSE, errno.EACCES, 10048, 10013])
def test_usual_address_is_not_taken_for_want_of_ports_on_others(stand_in, code):
    """Else whoever holds all ports but one has the address chosen that he knows."""
    hosts = []

    class WithoutPorts(once("connect_ex", errno.EADDRINUSE)[0]):
        def bind(self, address):
            hosts.append(address[0])
            if address[0] != "127.0.0.1":
                raise socket.error(code, "no port")
            self.real.bind(address)

    made = stand_in(WithoutPorts)
    with pytest.raises(socket.error) as caught:
        fallback()
    assert caught.value.errno == code
    assert hosts.count("127.0.0.1") == 1
    assert all(map(is_closed, made))


# Lost for real


@pytest.mark.parametrize("how", ["resetting", "hanging up"])
def test_client_that_is_reset_is_tried_again(stand_in, family, make_pair, relay, how):
    if JYTHON and how == "resetting":
        pytest.skip("Jython ignores SO_LINGER: none of its sockets sends a reset")
    cls, gone = going([relay(how), relay(how), None])
    stand_in(cls)
    pair = make_pair()
    assert len(gone) == 3
    assert_is_direct(*pair)
