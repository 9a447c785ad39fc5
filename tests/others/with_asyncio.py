"""Tests that asyncio (after install()) and selectors work over the fallback's pairs."""

import _socket
import asyncio
import selectors
import socket
import time
from timeit import default_timer

import pytest

import backports_socketpair
from support import fallback, in_thread

LOOPS = [getattr(asyncio, name) for name in ("SelectorEventLoop", "ProactorEventLoop") if hasattr(asyncio, name)]


@pytest.fixture(params=LOOPS)
def loop(request, monkeypatch, nothing_left_open):
    made = []

    def recording(*args):
        made.append(fallback(*args))
        return made[-1]

    monkeypatch.setattr(backports_socketpair, "fallback_socketpair", recording)
    for holder in (socket, backports_socketpair, getattr(asyncio, "windows_utils", None)):
        if hasattr(holder, "socketpair"):
            monkeypatch.setattr(holder, "socketpair", holder.socketpair)  # so that monkeypatch undoes install()
    monkeypatch.delattr(_socket, "socketpair", raising=False)
    backports_socketpair.install()
    loop = request.param()
    # The self-pipe is the only pair that the fallback has made.
    assert [(loop._ssock, loop._csock)] == made
    yield loop
    loop.call_later(0.1, loop.stop)  # by then the transports have closed
    loop.run_forever()
    loop.close()


def test_thread_wakes_the_loop_within_a_tenth_of_a_second(loop):
    woken = []
    took = []

    def wake_up():
        time.sleep(0.05)  # by then the loop waits
        woken.append(default_timer())
        loop.call_soon_threadsafe(loop.stop)

    for _ in range(10):
        waker = in_thread(wake_up)
        stop = loop.call_later(10, loop.stop)
        loop.run_forever()
        took.append(default_timer() - woken[-1])
        stop.cancel()
        waker.join()
    assert len(woken) == 10
    assert sorted(took)[5] < 0.1


class Answering(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data.upper())


def ask(loop, sock):
    """Send a question over this socket, return the answer, and close the socket."""
    sock.setblocking(False)
    stop = loop.call_later(10, loop.stop)
    loop.run_until_complete(loop.sock_sendall(sock, b"question"))
    answer = loop.run_until_complete(loop.sock_recv(sock, 100))
    stop.cancel()
    sock.close()
    return answer


def test_server_answers_a_client_while_the_self_pipe_is_ours(loop):
    server = loop.run_until_complete(loop.create_server(Answering, "127.0.0.1", 0))
    client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    client.connect(server.sockets[0].getsockname())
    assert ask(loop, client) == b"QUESTION"
    server.close()


def test_transport_answers_the_other_end_of_a_pair(loop):
    first, second = socket.socketpair()
    loop.run_until_complete(loop.create_connection(Answering, sock=first))
    assert ask(loop, second) == b"QUESTION"


def test_selector_reports_bytes_in_a_pair(make_pair):
    first, second = make_pair()
    with selectors.DefaultSelector() as selector:
        selector.register(second, selectors.EVENT_READ, "second")
        assert selector.select(0) == []
        first.sendall(b"x")
        ((key, events),) = selector.select(10)
        assert (key.data, events) == ("second", selectors.EVENT_READ)
