"""Tests of kafka-python's client, which wakes up through our pair: our file replaces kafka/vendor/socketpair.py.

kafka.sh replaces the file, and runs these tests.
"""

import socket
import threading
from timeit import default_timer

import pytest

from support import in_thread, open_sockets

# So that kafka's vendored copy sets the function.
if hasattr(socket, "socketpair"):
    del socket.socketpair

from kafka.client_async import KafkaClient
from kafka.vendor import socketpair as vendored

SECONDS = 5
WAITS = {"retry_backoff_ms": SECONDS * 2000, "request_timeout_ms": SECONDS * 4000}


@pytest.fixture
def client():
    """Yield a client of a listener that never answers, so that only a wake-up ends a poll."""
    before = open_sockets()
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind(("127.0.0.1", 0))
    listener.listen(5)
    server = "127.0.0.1:%d" % listener.getsockname()[1]
    client = KafkaClient(bootstrap_servers=server, api_version=(0, 10, 1), **WAITS)
    while poll(client, 0.3) < 0.25:  # until it has connected and sent its request
        pass
    yield client
    client.close()
    for end in filter(None, (client._wake_r, client._wake_w)):  # releases before 2.0 leave them to the collector
        end.close()
    listener.close()
    assert open_sockets() == before


def poll(client, seconds):
    started = default_timer()
    client.poll(timeout_ms=seconds * 1000)
    return default_timer() - started


def test_vendored_file_is_ours_and_sets_socketpair():
    assert vendored.socketpair is vendored.fallback_socketpair is socket.socketpair


def test_only_a_wake_up_from_another_thread_ends_a_poll(client):
    assert poll(client, 0.5) > 0.4
    for _ in range(10):
        timer = threading.Timer(0.1, client.wakeup)
        timer.start()
        assert 0.05 < poll(client, SECONDS) < 0.2
        timer.join()


def test_eight_threads_wake_the_client_eight_hundred_times(client):
    polls, wakened = [], []
    done = threading.Event()

    def keep_polling():
        while not done.is_set():
            polls.append(poll(client, SECONDS))

    poller = in_thread(keep_polling)
    wakers = [in_thread(lambda: [wakened.append(client.wakeup()) for _ in range(100)]) for _ in range(8)]
    for waker in wakers:
        waker.join()
    done.set()
    client.wakeup()  # now the poller either sees done, or is woken
    poller.join(SECONDS)
    assert not poller.is_alive()
    assert len(wakened) == 800
    assert polls and max(polls) < 1
