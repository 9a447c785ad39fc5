"""kafka-python's own client, woken through our pair: the file stands in place of kafka/vendor/socketpair.py.

Run by kafka.sh, which puts it there.
"""

import socket
import threading
from timeit import default_timer

import pytest

from support import in_thread, open_sockets

# So that kafka's vendored copy is the first to come.
if hasattr(socket, "socketpair"):
    del socket.socketpair

from kafka.client_async import KafkaClient
from kafka.vendor import socketpair as vendored

SECONDS = 5
WAITS = {"retry_backoff_ms": SECONDS * 2000, "request_timeout_ms": SECONDS * 4000}


@pytest.fixture
def client():
    """Connected to a listener that never answers, so that only a wake-up ends its poll."""
    before = open_sockets()
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind(("127.0.0.1", 0))
    listener.listen(5)
    server = "127.0.0.1:%d" % listener.getsockname()[1]
    client = KafkaClient(bootstrap_servers=server, api_version=(0, 10, 1), **WAITS)
    while poll(client, 0.3) < 0.25:  # until it has connected and asked
        pass
    yield client
    client.close()
    for end in filter(None, (client._wake_r, client._wake_w)):  # which releases before 2.0 leave to the collector
        end.close()
    listener.close()
    assert open_sockets() == before


def poll(client, seconds):
    started = default_timer()
    client.poll(timeout_ms=seconds * 1000)
    return default_timer() - started


def test_vendored_file_is_ours_and_set_the_function():
    assert vendored.socketpair is vendored.fallback_socketpair is socket.socketpair


def test_only_a_wake_up_from_another_thread_ends_a_poll(client):
    assert poll(client, 0.5) > 0.4
    for _ in range(10):
        timer = threading.Timer(0.1, client.wakeup)
        timer.start()
        assert 0.05 < poll(client, SECONDS) < 0.2
        timer.join()


def test_eight_threads_wake_it_eight_hundred_times_at_once(client):
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
    client.wakeup()  # which is not lost, after all the others
    poller.join(SECONDS)
    assert not poller.is_alive()
    assert len(wakened) == 800
    assert polls and max(polls) < 1
