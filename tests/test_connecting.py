"""How our client connects: what its system may answer meanwhile, and which failure comes out."""

import errno
import socket
from timeit import default_timer

import pytest

from standins.sockets import StandIn
from standins.strangers import closed_port
from support import JYTHON, WINDOWS, assert_is_direct, failure, usual

NOT_YET = ["EINPROGRESS", "EWOULDBLOCK", "EAGAIN", "EALREADY", "EINTR"]
NOT_YET = [getattr(errno, name) for name in NOT_YET if hasattr(errno, name)] + [10035, 10036, 10037]
DONE = [0, errno.EISCONN, 10056]


def answering(answer):
    """Connects for real, but connect_ex answers this once. An exception is raised."""
    left = [answer]

    class Answering(StandIn):
        def connect_ex(self, address):
            code = self.real.connect_ex(address)
            answer = left.pop() if left else code
            while getattr(answer, "errno", answer) in DONE and code not in DONE:  # what it says has to be true
                code = self.real.connect_ex(address)
            if isinstance(answer, Exception):
                raise answer
            return answer

    return Answering


@pytest.mark.parametrize("code", NOT_YET + DONE)
def test_connect_that_succeeds_has_many_numbers(stand_in, make_pair, code):
    """Some cooperative sockets raise what connect_ex should return, and one says 0 of what has failed."""
    for answer in (code, socket.error(code, "raised")):
        made = stand_in(answering(answer))
        count = len(made)
        assert_is_direct(*make_pair())
        assert len(made) - count == 3 or isinstance(answer, Exception) and code == 0


def test_refused_client_fails_at_once_with_its_errno(stand_in, family):
    holder, port = closed_port(family, usual(family))

    class ToClosedPort(StandIn):
        def connect_ex(self, address):
            return self.real.connect_ex((address[0], port))

    stand_in(ToClosedPort)
    for _ in range(1 + JYTHON):  # since the first takes Jython a second or more, to load what it has for errors
        started = default_timer()
        error = failure(family)
        took = default_timer() - started
    holder.close()
    # Windows itself tries for two seconds.
    assert took < (10.5 if WINDOWS else 1)
    # Jython may tell no more of a connect that failed than that it is not connected.
    assert error.errno in (errno.ECONNREFUSED, errno.ENOTCONN if JYTHON else errno.ECONNREFUSED)


@pytest.mark.parametrize("code", [errno.ECONNREFUSED, 10061, 10022, 54321])
def test_failed_connect_is_told_by_address_and_name(stand_in, code):
    addresses = []

    class Failing(StandIn):
        def connect_ex(self, address):
            addresses.append(address)
            return code

    stand_in(Failing)
    error = failure()
    assert error.errno == code
    name = errno.errorcode.get(code, "error %d" % code)
    assert error.strerror == "connect to %s port %d: %s" % (addresses[-1] + (name,))


# A proxy's errors have no errno. Since Python 3.10, that of a connection that the system times out is a socket.timeout.
OTHERS = [("no errno",), (0, "Error"), (errno.EIO, "x"), (errno.ETIMEDOUT, "timed out")]


@pytest.mark.parametrize("args", OTHERS, ids=str)
def test_other_error_that_connect_raises_comes_out_itself(stand_in, clock, args):
    error = socket.error(*args)

    class Raising(clock.hurried()):
        def connect_ex(self, address):
            raise error

    stand_in(Raising)
    assert failure() is error
    assert clock.seconds == 0
