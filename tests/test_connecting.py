"""How our client connects: what its system may answer meanwhile, and which failure is told."""

import errno
import socket
from timeit import default_timer

import pytest

from standins.sockets import StandIn
from standins.strangers import closed_port, full_listener
from support import (
    HOSTS,
    JYTHON,
    WINDOWS,
    assert_is_direct,
    close,
    fallback,
    has_address,
    in_thread,
    is_closed,
)


def numbers(*names):
    return [getattr(errno, name) for name in names if hasattr(errno, name)]


DONE = [0, errno.EISCONN, 10056]
UNDER_WAY = numbers("EINPROGRESS", "EWOULDBLOCK", "EAGAIN", "EALREADY", "EINTR") + [10035, 10036, 10037]


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


@pytest.mark.parametrize("code", UNDER_WAY + DONE)
def test_connect_under_way_or_done_has_many_names(stand_in, make_pair, code):
    stand_in(answering(code))
    assert_is_direct(*make_pair())


@pytest.mark.parametrize("code", [code for code in UNDER_WAY + DONE if code])
def test_connect_under_way_or_done_may_be_raised(stand_in, make_pair, code):
    stand_in(answering(socket.error(code, "as some cooperative sockets do")))
    assert_is_direct(*make_pair())


@pytest.mark.skipif(JYTHON, reason="Jython's client has to be asked before it can send")
@pytest.mark.parametrize("answer", DONE)
def test_connected_client_is_not_asked_again(stand_in, make_pair, answer):
    """.NET takes a needless question ill."""

    class ConnectedAtOnce(StandIn):
        connected = False

        def connect_ex(self, address):
            if self.connected:
                return errno.EINVAL
            self.connected = True
            self.real.setblocking(True)
            self.real.connect(address)
            self.real.setblocking(False)
            return answer

    stand_in(ConnectedAtOnce)
    assert_is_direct(*make_pair())


@pytest.mark.parametrize("code", UNDER_WAY + numbers("ENOTCONN", "ENOTSUP") + [10057])
def test_pair_is_returned_only_when_the_client_can_send(stand_in, make_pair, code):
    """The connection can be accepted earlier: on Jython, and where a driver holds the client back."""
    ready = [default_timer() + 0.03]

    class ConnectedLate(StandIn):
        def connect_ex(self, address):
            answer = self.real.connect_ex(address)
            return answer if self.is_ready() else errno.EINPROGRESS

        def getpeername(self):
            if not self.is_ready():
                raise socket.error(errno.ENOTCONN, "no peer yet")
            return self.real.getpeername()

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


def test_refused_client_is_raised_at_once_with_its_own_errno(stand_in, family):
    host = HOSTS["AF_INET" if family == socket.AF_INET else "AF_INET6"]
    holder, port = closed_port(family, host)

    class ToClosedPort(StandIn):
        def connect_ex(self, address):
            return self.real.connect_ex((host, port))

    made = stand_in(ToClosedPort)
    for _ in range(2):  # since the first takes Jython a second or more, to load what it has for errors
        started = default_timer()
        with pytest.raises(socket.error) as caught:
            fallback(family)
        took = default_timer() - started
    holder.close()
    assert took < (3 if WINDOWS else 1)  # Windows itself tries for two seconds
    code = caught.value.errno
    # Jython may tell no more of a connect that failed than that it is not connected.
    assert code == errno.ECONNREFUSED or JYTHON and code == errno.ENOTCONN
    assert "connect to %s port " % host in str(caught.value)
    assert ": %s" % errno.errorcode[code] in str(caught.value)
    assert made and all(map(is_closed, made))


@pytest.mark.skipif(JYTHON, reason="a Jython listener accepts by itself and is never full")
def test_client_that_is_refused_later_is_raised_then(stand_in):
    """Both families side by side, since a client's next attempt, which is refused, comes a second after its first."""
    full = {}
    outcomes = {}
    made = []

    class ToFullListener(StandIn):
        def __init__(self, *args, **kwargs):
            StandIn.__init__(self, *args, **kwargs)
            made.append(self)

        def connect_ex(self, address):
            return self.real.connect_ex(addresses[self.real.family])

        def accept(self):
            full[self.real.family][0].close()
            return StandIn.accept(self)

    def call(family):
        started = default_timer()
        try:
            outcomes[family] = fallback(family)
        except socket.error as error:
            outcomes[family] = error.errno, default_timer() - started

    for name, host in HOSTS.items():
        if has_address(name, host):
            full[getattr(socket, name)] = full_listener(getattr(socket, name), host)
    addresses = {family: listener.getsockname()[:2] for family, (listener, _) in full.items()}
    stand_in(ToFullListener)
    for thread in [in_thread(call, family) for family in full]:
        thread.join(20)
    assert sorted(outcomes) == sorted(full)
    for code, seconds in outcomes.values():
        assert code == errno.ECONNREFUSED
        assert 0.5 < seconds < 5
    assert made and all(map(is_closed, made))
    for _, fillers in full.values():
        close(*fillers)


@pytest.mark.parametrize(
    "code, name", [(errno.ECONNREFUSED, "ECONNREFUSED"), (10061, "error 10061"), (54321, "error 54321")]
)
def test_failed_connect_is_told_by_the_name_of_its_errno(stand_in, code, name):
    addresses = []

    class Failing(StandIn):
        def connect_ex(self, address):
            addresses.append(address)
            return code

    stand_in(Failing)
    with pytest.raises(socket.error) as caught:
        fallback()
    assert caught.value.errno == code
    if WINDOWS and code == 10061:
        name = "WSAECONNREFUSED"  # as errno there calls it
    assert caught.value.strerror == "connect to %s port %d: %s" % (addresses[0] + (name,))


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

        def getsockopt(self, level, option):
            assert (level, option) == (socket.SOL_SOCKET, socket.SO_ERROR)
            return errno.ECONNREFUSED

    made = stand_in(Failing)
    with pytest.raises(socket.error) as caught:
        fallback()
    assert caught.value.errno == errno.ECONNREFUSED
    assert all(map(is_closed, made))


@pytest.mark.parametrize(
    "error",
    [socket.error("no errno, as a proxy's errors have none"), socket.error(0, "Error"), socket.error(errno.EIO, "x")],
    ids=["no number", "0", "EIO"],
)
def test_any_other_error_that_connect_raises_comes_out_itself(stand_in, clock, family, error):
    made = stand_in(clock.hurried(answering(error)))
    with pytest.raises(socket.error) as caught:
        fallback(family)
    assert caught.value is error
    assert clock.seconds == 0
    assert all(map(is_closed, made))


@pytest.mark.parametrize("raised", [False, True])
def test_10022_from_the_first_connect_is_an_error_at_once(stand_in, clock, family, raised):
    made = stand_in(clock.hurried(answering(socket.error(10022, "raised") if raised else 10022)))
    with pytest.raises(socket.error) as caught:
        fallback(family)
    assert caught.value.errno == 10022
    assert clock.seconds == 0
    assert all(map(is_closed, made))
