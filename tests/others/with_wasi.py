"""CPython on WASI, whose own function is an emulation that checks nothing: our pairs amid strangers, and asyncio's."""

import asyncio
import re
import socket

import pytest

import backports_socketpair
from backports_socketpair import machine_check
from support import RealSocket, close, fallback, module, receive


@pytest.fixture
def strangers(monkeypatch):
    """One for each listener, which connects and speaks before anybody else does."""
    strangers = []

    class StrangerFirst(socket.socket):
        def listen(self, backlog=128):
            RealSocket.listen(self, backlog)
            strangers.append(RealSocket(self.family, socket.SOCK_STREAM))
            strangers[-1].connect(self.getsockname())
            strangers[-1].sendall(b"stranger")

    monkeypatch.setattr(socket, "socket", StrangerFirst)
    yield strangers
    close(*strangers)


def assert_is_a_pair(first, second):
    assert first.getpeername() == second.getsockname()
    assert second.getpeername() == first.getsockname()
    first.sendall(b"ping")
    second.sendall(b"pong")
    assert receive(second, 4) == b"ping"
    assert receive(first, 4) == b"pong"


def test_600_pairs_are_pairs(family, nothing_left_open):
    for _ in range(600):
        ends = fallback(family)
        assert_is_a_pair(*ends)
        close(*ends)


def test_600_pairs_are_pairs_with_a_stranger_first_at_each(family, strangers, nothing_left_open):
    for _ in range(600):
        ends = fallback(family)
        assert_is_a_pair(*ends)
        assert strangers[0].recv(1) == b""
        close(strangers.pop(), *ends)
        assert strangers == []


def test_pythons_own_function_hands_the_stranger_out(strangers):
    first, second = socket.socketpair()
    first.settimeout(10)
    assert first.recv(8) == b"stranger"
    close(first, second)


async def exchange_and_wake():
    """Ask over a connection and be answered, and have a callback wake the loop through its pair."""

    async def answer(reader, writer):
        writer.write((await reader.readline()).upper())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(b"question\n")
    answered = await reader.readline()
    writer.close()
    server.close()
    woken = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.call_soon(loop.call_soon_threadsafe, woken.set)
    await asyncio.wait_for(woken.wait(), 10)
    return answered, loop._ssock.getpeername() == loop._csock.getsockname()


def test_asyncio_runs_with_a_stranger_first_at_each_loops_pair(strangers, monkeypatch, nothing_left_open):
    for holder in (socket, module, backports_socketpair):
        monkeypatch.setattr(holder, "socketpair", holder.socketpair)  # to be undone
    backports_socketpair.install()
    for _ in range(20):
        assert asyncio.run(exchange_and_wake()) == (b"QUESTION\n", True)
    # The pair's and the server's.
    assert len(strangers) == 40
    close(*strangers)


def test_machine_check_does_not_end_the_process_by_trying_pythons_own(capsys):
    assert machine_check.check_machine("off") == 0
    assert re.search("^own +FAILED: RuntimeError: not tried", capsys.readouterr().out, re.MULTILINE)
