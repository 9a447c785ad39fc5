"""Tests of pairs and asyncio among strangers on WASI, where CPython's own function authenticates nobody."""

import asyncio
import re
import socket

import pytest

import backports_socketpair
from backports_socketpair import machine_check
from standins.strangers import SPOKEN
from support import RealSocket, assert_is_direct, close, fallback, module


@pytest.fixture
def strangers(monkeypatch):
    """Yield the strangers. At each listener, one connects and sends bytes before any other client does."""
    strangers = []

    class StrangerFirst(socket.socket):
        def listen(self, backlog=128):
            RealSocket.listen(self, backlog)
            strangers.append(RealSocket(self.family, socket.SOCK_STREAM))
            strangers[-1].connect(self.getsockname())
            strangers[-1].sendall(SPOKEN)

    monkeypatch.setattr(socket, "socket", StrangerFirst)
    yield strangers
    close(*strangers)


def test_600_pairs_are_right_with_a_stranger_first_at_each(family, strangers, nothing_left_open):
    for _ in range(600):
        ends = fallback(family)
        assert_is_direct(*ends)
        assert strangers[0].recv(1) == b""
        close(strangers.pop(), *ends)
        assert strangers == []


def test_pythons_own_function_returns_the_stranger(strangers):
    first, second = socket.socketpair()
    first.settimeout(10)
    assert first.recv(100) == SPOKEN
    close(first, second)


async def wake():
    """Wake the loop through its pair. Return whether the two ends are connected directly."""
    woken, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.call_soon(loop.call_soon_threadsafe, woken.set)
    await asyncio.wait_for(woken.wait(), 10)
    return loop._ssock.getpeername() == loop._csock.getsockname()


def test_asyncio_runs_with_a_stranger_first_at_each_loops_pair(strangers, monkeypatch, nothing_left_open):
    for holder in (socket, module, backports_socketpair):
        monkeypatch.setattr(holder, "socketpair", holder.socketpair)  # so that monkeypatch undoes install()
    backports_socketpair.install()
    for _ in range(20):
        assert asyncio.run(wake())
    assert len(strangers) == 20
    close(*strangers)


def test_machine_check_does_not_try_pythons_own_function(capsys):
    assert machine_check.check_machine("off") == 0
    assert re.search("^socket.socketpair: NOT TRIED", capsys.readouterr().out, re.MULTILINE)
