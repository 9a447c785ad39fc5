"""Tests of where attempts listen: after a failure, at another port and, if possible, another address."""

import errno
import os
import socket

import pytest

from standins.sockets import StandIn
from support import JYTHON, assert_is_direct, failure, has_random_host, is_closed, is_random_host, module, usual


@pytest.fixture
def attempts(stand_in, family):
    """Return a function that calls the fallback. Each connect fails, with an error of its own.

    It returns a list for each attempt: the addresses that it binds, and then "listens" and "connects".
    """

    def call():
        bound, codes = [], []

        class Failing(StandIn):
            def bind(self, address):
                # The sockets of the previous attempt are closed.
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


def test_attempts_alternate_usual_and_random_addresses(attempts, family):
    """Expect numeric addresses: a hosts file may change "localhost". The wildcard reserves the client's port."""
    at_usual = [(usual(family), 0), ("0.0.0.0" if family == socket.AF_INET else "::", 0), "listens", "connects"]
    made = attempts()
    assert made[::2] == [at_usual] * 5
    if not has_random_host(family):
        assert [attempt[-4:] for attempt in made] == [at_usual] * 10
        return
    for attempt in made[1::2]:  # the first bind finds out whether the system has the address
        assert attempt == [attempt[0]] * 3 + ["listens", "connects"]
        assert is_random_host(attempt[0][0]) and attempt[0][1] == 0
    assert len({attempt[0] for attempt in made[1::2]}) == 5


def test_random_addresses_vary_in_both_bytes(attempts, family, monkeypatch):
    if not has_random_host(family):
        pytest.skip("this system has only one usable loopback address of this family")
    hosts = [attempt[0][0] for _ in range(1 if JYTHON else 30) for attempt in attempts()[1::2]]
    # 150 draws from 255 numbers give 113 different ones on average.
    for place in (1, 2):
        assert len({host.split(".")[place] for host in hosts}) > (1 if JYTHON else 80)
    monkeypatch.setattr(os, "urandom", lambda size: b"\0" * size)  # must not give 127.0.0.1, the usual one
    assert all(is_random_host(attempt[0][0]) for attempt in attempts()[1::2])


@pytest.mark.parametrize("refused", [False, True])
def test_port_is_exclusive_and_never_shared(stand_in, make_pair, monkeypatch, refused):
    """Check SO_EXCLUSIVEADDRUSE: on Windows, another process could bind a port that is not exclusive."""
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
