"""Where each attempt listens, and that another follows a failure, somewhere else: ten in all."""

import errno
import os
import socket

import pytest

from standins.sockets import StandIn
from support import JYTHON, assert_is_direct, failure, has_unknown, is_closed, is_unknown, module, usual


@pytest.fixture
def attempts(stand_in, family):
    """Makes a call whose connects all fail, each with another error. Returns the addresses that each attempt binds."""

    def call():
        bound, codes = [], []

        class Failing(StandIn):
            def bind(self, address):
                # Nothing of the attempt before is open.
                assert len([sock for sock in made if not is_closed(sock)]) <= 2
                bound.append(address)
                self.real.bind(address)

            def listen(self, backlog):
                assert backlog == 128
                bound.append("listens")
                self.real.listen(backlog)

            def connect_ex(self, address):
                assert address[0] == bound[-2 - (bound[-1] == "listens")][0] and address[1]
                bound.append("connects")
                codes.append(1000 + len(codes))
                return codes[-1]

        made = stand_in(Failing)
        assert failure(family).errno == codes[-1] == 1009
        ends = [place + 1 for place, each in enumerate(bound) if each == "connects"]
        return [bound[start:end] for start, end in zip([0] + ends, ends)]

    return call


def test_attempts_are_at_the_usual_and_an_unknown_address(attempts, family):
    """A hosts file may map localhost to anything. At the usual address, the client's port is nobody else's anywhere."""
    at_usual = [(usual(family), 0), ("0.0.0.0" if family == socket.AF_INET else "::", 0), "listens", "connects"]
    made = attempts()
    assert made[::2] == [at_usual] * 5
    if not has_unknown(family):
        assert [attempt[-4:] for attempt in made] == [at_usual] * 10
        return
    for attempt in made[1::2]:  # which first sees whether there is such an address
        assert attempt == [attempt[0]] * 3 + ["listens", "connects"]
        assert is_unknown(attempt[0][0]) and attempt[0][1] == 0
    assert len({attempt[0] for attempt in made[1::2]}) == 5


def test_all_unknown_addresses_are_as_likely(attempts, family, monkeypatch):
    if not has_unknown(family):
        pytest.skip("this system has one loopback address of this family")
    hosts = [attempt[0][0] for _ in range(1 if JYTHON else 30) for attempt in attempts()[1::2]]
    # Of 255 numbers, 150 draws have 113 on the average.
    for place in (1, 2):
        assert len({host.split(".")[place] for host in hosts}) > (1 if JYTHON else 80)
    monkeypatch.setattr(os, "urandom", lambda size: b"\0" * size)  # 127.0.0.1 would be the usual one
    assert all(is_unknown(attempt[0][0]) for attempt in attempts()[1::2])


@pytest.mark.parametrize("refused", [False, True])
def test_port_is_exclusive_and_never_shared(stand_in, make_pair, monkeypatch, refused):
    """On Windows, another process could bind a port that is not exclusive."""
    if not hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
        monkeypatch.setattr(module, "_EXCLUSIVE", -5)

    class Asking(StandIn):
        def setsockopt(self, level, option, value):
            if refused:
                raise socket.error(errno.ENOPROTOOPT, "refused")
            asked.append((level, option, value))
            if option != -5:
                self.real.setsockopt(level, option, value)

        def bind(self, address):
            assert refused or asked.pop() == (socket.SOL_SOCKET, module._EXCLUSIVE, 1)
            self.real.bind(address)

    asked = []
    stand_in(Asking)
    assert_is_direct(*make_pair())
    assert socket.SO_REUSEADDR not in [option for _, option, _ in asked]
