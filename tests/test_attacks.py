"""Tests of attacks by other processes on this machine, which try to get into the pair, or to keep us from making it."""

import socket
import sys
from timeit import default_timer

import pytest

from standins.sockets import StandIn
from standins.strangers import connect_and_reset
from support import JYTHON, WINDOWS, RealSocket, assert_is_direct, discard

LINUX = sys.platform.startswith("linux")


@pytest.mark.skipif(JYTHON or WINDOWS, reason="on Jython and Windows no other socket can have the client's address")
def test_dead_connection_from_our_clients_port_is_not_returned(stand_in, make_pair, family):
    """Reset a connection before accept(). On Linux accept() still returns it, with its peer's address and its bytes."""

    class AfterDead(StandIn):
        def bind(self, address):
            self.real.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.real.bind(address)

        def connect_ex(self, address):
            died.append(connect_and_reset(family, address, self.real.getsockname()[1]))
            return self.real.connect_ex(address)

    died = []
    stand_in(AfterDead)
    first, second = make_pair()
    assert second.getsockname()[1] == died[-1]
    assert_is_direct(first, second)


@pytest.mark.skipif(JYTHON, reason="on Jython the client has no port before it connects")
def test_no_other_socket_can_have_our_clients_port(stand_in, make_pair, family):
    """Also try other addresses: on Linux, a socket bound there could later connect from the client's address."""

    class Asked(StandIn):
        def connect_ex(self, address):
            for host in [address[0]] + (["127.0.0.2", "0.0.0.0"] if family == socket.AF_INET else ["::"]):
                other = RealSocket(family, socket.SOCK_STREAM)
                other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                with pytest.raises(socket.error):
                    other.bind((host, self.real.getsockname()[1]))
                refused.append(host)
                other.close()
            return self.real.connect_ex(address)

    refused = []
    stand_in(Asked)
    assert_is_direct(*make_pair())
    assert len(refused) > 1


@pytest.mark.skipif(JYTHON, reason="Jython's threads, which complete a connect, stop running with so many connections")
@pytest.mark.parametrize("family", [socket.AF_INET])
def test_pair_is_made_in_seconds_if_strangers_fill_the_queue(stand_in, make_pair):
    """Fill the accept queue. Linux drops the client's first packet, and sends it again after a second."""

    class Crowded(StandIn):
        def listen(self, backlog):
            self.real.listen(backlog)
            self.await_strangers(200)

        def accept(self):
            accepted = StandIn.accept(self)
            self.await_strangers(len(strangers) < 400)
            return accepted

        def await_strangers(self, count):
            for _ in range(count):
                strangers.append(RealSocket())
                strangers[-1].setblocking(False)
                strangers[-1].connect_ex(self.real.getsockname())

    strangers = []
    stand_in(Crowded)
    started = default_timer()
    assert_is_direct(*make_pair())
    assert (0.5 if LINUX else 0) < default_timer() - started < 5
    discard(*strangers)
