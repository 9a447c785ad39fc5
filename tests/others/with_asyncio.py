"""asyncio's self-pipe and streams over our pair after install(), and selectors'."""

import _socket
import asyncio
import selectors
import socket
import time
from timeit import default_timer

import pytest

import backports_socketpair
from support import fallback, in_thread

try:
    from asyncio import windows_utils
except ImportError:
    windows_utils = None

LOOPS = [getattr(asyncio, name) for name in ("SelectorEventLoop", "ProactorEventLoop") if hasattr(asyncio, name)]


@pytest.fixture(params=LOOPS)
def loop(request, monkeypatch, nothing_left_open):
    made = []

    def recording(*args):
        made.append(fallback(*args))
        return made[-1]

    monkeypatch.setattr(backports_socketpair, "fallback_socketpair", recording)
    for holder in (socket, backports_socketpair, windows_utils):
        if hasattr(holder, "socketpair"):
            monkeypatch.setattr(holder, "socketpair", holder.socketpair)  # to be undone
    monkeypatch.delattr(_socket, "socketpair", raising=False)
    backports_socketpair.install()
    loop = request.param()
    # Its self-pipe is a pair of ours.
    assert [(loop._ssock, loop._csock)] == made
    yield loop
    loop.close()


def test_loop_is_woken_from_a_thread_within_milliseconds(loop):
    woken = []
    took = []

    def wake_up():
        time.sleep(0.05)  # by when it waits
        woken.append(default_timer())
        loop.call_soon_threadsafe(loop.stop)

    for _ in range(10):
        waker = in_thread(wake_up)
        loop.call_later(10, loop.stop)
        loop.run_forever()
        took.append(default_timer() - woken[-1])
        waker.join()
    assert len(woken) == 10
    assert sorted(took)[5] < 0.1


class Answering(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data.upper())


class Asking(asyncio.Protocol):
    def __init__(self, answer):
        self.answer = answer
        self.received = b""

    def connection_made(self, transport):
        self.transport = transport
        transport.write(b"question")

    def data_received(self, data):
        self.received += data
        if len(self.received) == len(b"question"):
            self.answer.set_result(self.received)


@pytest.fixture
def ask(loop):
    """Waits for the answer over a connection that is made as create_connection's arguments say."""
    transports = []

    def connect_and_wait(*args, **kwargs):
        answer = asyncio.Future(loop=loop)
        connecting = loop.create_connection(lambda: Asking(answer), *args, **kwargs)
        transports.append(loop.run_until_complete(connecting)[0])
        loop.call_later(10, answer.cancel)
        return loop.run_until_complete(answer)

    yield connect_and_wait
    for transport in transports:
        transport.close()
    loop.call_later(0.1, loop.stop)  # by when they have closed
    loop.run_forever()


def test_server_and_client_exchange_while_the_self_pipe_is_ours(loop, ask):
    server = loop.run_until_complete(loop.create_server(Answering, "127.0.0.1", 0))
    assert ask(*server.sockets[0].getsockname()) == b"QUESTION"
    server.close()


def test_server_and_client_exchange_over_a_pair(loop, ask):
    first, second = socket.socketpair()
    loop.run_until_complete(loop.create_connection(Answering, sock=first))
    assert ask(sock=second) == b"QUESTION"


def test_selector_tells_of_bytes_in_a_pair(make_pair):
    first, second = make_pair()
    with selectors.DefaultSelector() as selector:
        selector.register(second, selectors.EVENT_READ, "second")
        assert selector.select(0) == []
        first.sendall(b"x")
        ((key, events),) = selector.select(10)
        assert (key.data, events) == ("second", selectors.EVENT_READ)
