"""Tests of how the client connects: what connect_ex() may return, and the error that the caller gets."""

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
    """Return a stand-in that really connects, but whose connect_ex() once returns the answer, or raises it."""
    left = [answer]

    class Answering(StandIn):
        def connect_ex(self, address):
            code = self.real.connect_ex(address)
            answer = left.pop() if left else code
            while getattr(answer, "errno", answer) in DONE and code not in DONE:  # an answer of success must be true
                code = self.real.connect_ex(address)
            if isinstance(answer, Exception):
                raise answer
            return answer

    return Answering


@pytest.mark.parametrize("code", NOT_YET + DONE)
def test_many_answers_of_connect_ex_lead_to_a_pair(stand_in, make_pair, code):
    """Return each code, then raise it: some cooperative sockets raise it, and one raises code 0 if a connect fails."""
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
    for _ in range(1 + JYTHON):  # on Jython the first failure takes a second or more, to load classes
        started = default_timer()
        error = failure(family)
        took = default_timer() - started
    holder.close()
    # Windows itself keeps trying for two seconds.
    assert took < (10.5 if WINDOWS else 1)
    # Jython may report a failed connect only as ENOTCONN.
    assert error.errno in (errno.ECONNREFUSED, errno.ENOTCONN if JYTHON else errno.ECONNREFUSED)


@pytest.mark.parametrize("code", [errno.ECONNREFUSED, 10061, 10022, 54321])
def test_error_of_failed_connect_names_address_and_errno(stand_in, code):
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


# The errors of a proxy have no errno. Since Python 3.10, an ETIMEDOUT of the system is a socket.timeout.
OTHERS = [("no errno",), (0, "Error"), (errno.EIO, "x"), (errno.ETIMEDOUT, "timed out")]


@pytest.mark.parametrize("args", OTHERS, ids=str)
def test_other_error_raised_by_connect_reaches_the_caller(stand_in, clock, args):
    error = socket.error(*args)

    class Raising(clock.hurried()):
        def connect_ex(self, address):
            raise error

    stand_in(Raising)
    assert failure() is error
    assert clock.seconds == 0
