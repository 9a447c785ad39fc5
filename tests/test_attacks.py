"""Other processes of this machine that want to be in the pair, or to keep it from being made."""

import socket
from timeit import default_timer

import pytest

from standins.sockets import StandIn
from standins.strangers import SPOKEN, closed_port, connect_and_reset
from support import JYTHON, RealSocket, assert_is_a_pair, assert_is_direct, close


def test_dead_connection_from_our_clients_port_is_not_returned(stand_in, make_pair, family):
    """Linux hands out what was reset before it was accepted, with its peer's address and its bytes."""

    class AfterDead(StandIn):
        port = None

        def connect_ex(self, address):
            if not self.port:
                self.port = connect_and_reset(family, address)
                self.real.bind((address[0], self.port))
            return self.real.connect_ex(address)

    stand_in(AfterDead)
    for _ in range(5):
        first, second = make_pair()
        assert second.getsockname()[1] == second.port
        assert_is_direct(first, second)


@pytest.mark.skipif(JYTHON, reason="Jython's threads, which finish a connect, get no turn amid such a crowd")
def test_pair_comes_in_seconds_while_a_process_keeps_the_queue_full(stand_in, make_pair, flooder):
    """Our client's first packet is dropped, and is sent again after a second."""

    class Crowded(StandIn):
        def listen(self, backlog):
            self.real.listen(backlog)
            flooder.flood(*self.real.getsockname()[:2], way="crowd")

    stand_in(Crowded)
    started = default_timer()
    assert_is_direct(*make_pair())
    assert default_timer() - started < 5


def test_stranger_on_our_port_is_not_returned_beside_a_relay(stand_in, make_pair, family, relay):
    strangers = []
    relay = relay("slow")

    class BesideStranger(StandIn):
        met = False

        def connect_ex(self, address):
            if not self.met:
                self.met = True
                # Found beforehand, since Jython binds no client before it connects.
                holder, port = closed_port(family, address[0])
                holder.close()
                strangers.append(RealSocket(family, socket.SOCK_STREAM))
                for sock in (strangers[-1], self.real):
                    # As Linux gives one port to two that connect to different listeners.
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    sock.bind((address[0], port))
                strangers[-1].connect(relay.target)
                strangers[-1].sendall(SPOKEN)
            return self.real.connect_ex(address)

    stand_in(relay.relayed(BesideStranger))
    first, second = make_pair()
    assert second.getpeername()[:2] == relay.address
    assert strangers[-1].getsockname()[1] == second.getsockname()[1]
    assert_is_a_pair(first, second)
    close(*strangers)
