"""How our client connects: what its system may answer meanwhile, and which failure comes out."""

import errno
import socket
from timeit import default_timer

import pytest

from standins.sockets import StandIn
from standins.strangers import closed_port, full_listener
from support import HOSTS, JYTHON, WINDOWS, assert_is_direct, close, fallback, is_closed

NOT_YET = ["EINPROGRESS", "EWOULDBLOCK", "EAGAIN", "EALREADY", "EINTR"]
NOT_YET = [getattr(errno, name) for name in NOT_YET if hasattr(errno, name)] + [10035, 10036, 10037]
DONE = [0, errno.EISCONN, 10056]


def answering(*answers):
    """Connects for real, but connect_ex answers these first; an exception among them is raised."""
    left = list(answers)

    class Answering(StandIn):
        def connect_ex(self, address):
            code = self.real.connect_ex(address)
            answer = left.pop(0) if left else code
            while getattr(answer, "errno", answer) in DONE and code not in DONE:  # what it says has to be true
                code = self.real.connect_ex(address)
            if isinstance(answer, Exception):
                raise answer
            return answer

    return Answering


# The connect that succeeds


@pytest.mark.parametrize("raised", [False, True], ids=["returned", "raised"])
@pytest.mark.parametrize("code", NOT_YET + DONE)
def test_connect_that_succeeds_has_many_numbers(stand_in, make_pair, code, raised):
    """Some cooperative sockets raise what connect_ex should return, and one says 0 of what has failed."""
    made = stand_in(answering(socket.error(code, "raised") if raised else code))
    assert_is_direct(*make_pair())
    assert len(made) == 3 or raised and code == 0


@pytest.mark.skipif(JYTHON, reason="Jython's client has to be asked before it can send")
@pytest.mark.parametrize("answer", DONE)
def test_connected_client_is_not_asked_again(stand_in, make_pair, answer):
    """On Windows, it would connect anew, and .NET says that the question is invalid."""

    class ConnectedAtOnce(StandIn):
        connected = False

        def connect_ex(self, address):
            assert not self.connected
            self.connected = True
            self.real.setblocking(True)
            self.real.connect(address)
            self.real.setblocking(False)
            return answer

    stand_in(ConnectedAtOnce)
    assert_is_direct(*make_pair())


@pytest.mark.parametrize("code", NOT_YET + [errno.ENOTCONN, 10057])
def test_pair_is_returned_only_when_the_client_can_send(stand_in, make_pair, code):
    """On Jython, and if a driver holds the client back, the connection is accepted sooner."""
    ready = [default_timer() + 0.03]

    class ConnectedLate(StandIn):
        def connect_ex(self, address):
            answer = self.real.connect_ex(address)
            return answer if self.is_ready() else errno.EINPROGRESS

        def send(self, data):
            if not self.is_ready():
                raise socket.error(code, "not connected yet")
            return self.real.send(data)

        def is_ready(self):
            return default_timer() > ready[0]

    stand_in(ConnectedLate)
    pair = make_pair()
    assert default_timer() > ready[0]
    assert_is_direct(*pair)


# The connect that fails


def test_refused_client_fails_at_once_with_its_errno(stand_in, family):
    holder, port = closed_port(family, HOSTS["AF_INET" if family == socket.AF_INET else "AF_INET6"])

    class ToClosedPort(StandIn):
        def connect_ex(self, address):
            return self.real.connect_ex((address[0], port))

    made = stand_in(ToClosedPort)
    for _ in range(2):  # since the first takes Jython a second or more, to load what it has for errors
        started = default_timer()
        with pytest.raises(socket.error) as caught:
            fallback(family)
        took = default_timer() - started
    holder.close()
    # Windows itself tries for two seconds.
    assert took < (10.5 if WINDOWS else 1)
    # Jython may tell no more of a connect that failed than that it is not connected.
    assert caught.value.errno in (errno.ECONNREFUSED, errno.ENOTCONN if JYTHON else errno.ECONNREFUSED)
    assert made and all(map(is_closed, made))


@pytest.mark.skipif(JYTHON, reason="a Jython listener accepts by itself and is never full")
def test_client_that_is_refused_later_is_an_error_then(stand_in, family):
    """Its second packet, which is refused, comes a second after its first."""
    refused = []

    class ToFullListener(StandIn):
        def connect_ex(self, address):
            if refused:
                return errno.ECONNREFUSED
            refused.extend(full_listener(family, HOSTS["AF_INET" if family == socket.AF_INET else "AF_INET6"]))
            return self.real.connect_ex(refused[0].getsockname()[:2])

        def accept(self):
            refused[0].close()
            return StandIn.accept(self)

    made = stand_in(ToFullListener)
    started = default_timer()
    with pytest.raises(socket.error) as caught:
        fallback(family)
    assert 0.5 < default_timer() - started < 5
    assert caught.value.errno == errno.ECONNREFUSED
    assert made and all(map(is_closed, made))
    close(*refused[1])


@pytest.mark.parametrize("code", [errno.ECONNREFUSED, 10061, 10022, 54321])
def test_failed_connect_is_told_by_address_and_name(stand_in, code):
    addresses = []

    class Failing(StandIn):
        def connect_ex(self, address):
            addresses.append(address)
            return code

    stand_in(Failing)
    with pytest.raises(socket.error) as caught:
        fallback()
    name = errno.errorcode.get(code, "error %d" % code)
    assert caught.value.errno == code
    assert caught.value.strerror == "connect to %s port %d: %s" % (addresses[-1] + (name,))


@pytest.mark.parametrize("afterwards", [10053, errno.ECONNABORTED, errno.EINVAL])
def test_reason_for_a_failed_connect_is_that_of_so_error(stand_in, afterwards):
    """As under Wine, where connect_ex says only that it has failed, and BSD."""

    class Failing(StandIn):
        asked = False

        def connect_ex(self, address):
            if self.asked:
                return afterwards
            self.asked = True
            return errno.EINPROGRESS

        def send(self, data):
            raise socket.error(errno.ENOTCONN, "not connected")

        def getsockopt(self, level, option):
            assert (level, option) == (socket.SOL_SOCKET, socket.SO_ERROR)
            return errno.ECONNREFUSED

    made = stand_in(Failing)
    with pytest.raises(socket.error) as caught:
        fallback()
    # Jython's client is asked again.
    assert caught.value.errno == (afterwards if JYTHON else errno.ECONNREFUSED)
    assert all(map(is_closed, made))


@pytest.mark.parametrize(
    "error",
    [socket.error("no errno, as a proxy's errors have none"), socket.error(0, "Error"), socket.error(errno.EIO, "x")],
    ids=["no number", "0", "EIO"],
)
def test_other_error_that_connect_raises_comes_out_itself(stand_in, clock, family, error):
    class Raising(clock.hurried()):
        def connect_ex(self, address):
            raise error

    made = stand_in(Raising)
    with pytest.raises(socket.error) as caught:
        fallback(family)
    assert caught.value is error
    assert clock.seconds == 0
    assert all(map(is_closed, made))
