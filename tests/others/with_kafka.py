"""kafka-python's own client, woken through our pair: the file stands in place of kafka/vendor/socketpair.py.

Run by kafka.sh, which puts it there.
"""

import socket
import threading
from timeit import default_timer

import pytest

from support import open_sockets

# So that kafka's vendored copy is the first to come.
if hasattr(socket, "socketpair"):
    del socket.socketpair

from kafka.client_async import KafkaClient
from kafka.vendor import socketpair as vendored

SECONDS = 5


@pytest.fixture
def client():
    """Connected to a listener that never answers, so that only a wake-up ends its poll."""
    before = open_sockets()
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind(("127.0.0.1", 0))
    listener.listen(5)
    client = KafkaClient(
        bootstrap_servers="127.0.0.1:%d" % listener.getsockname()[1],
        api_version=(0, 10, 1),
        retry_backoff_ms=SECONDS * 2000,
        request_timeout_ms=SECONDS * 4000,
    )
    while poll(client, 0.3) < 0.25:  # until it has connected and asked
        pass
    yield client
    client.close()
    close_wake_up_pair(client)
    listener.close()
    assert open_sockets() == before


def close_wake_up_pair(client):
    """Releases before 2.0 leave this to the collector."""
    for end in (client._wake_r, client._wake_w):
        if end is not None:
            end.close()


def poll(client, seconds):
    started = default_timer()
    client.poll(timeout_ms=seconds * 1000)
    return default_timer() - started


def test_vendored_file_is_ours_and_set_the_function():
    assert vendored.socketpair is vendored.fallback_socketpair is socket.socketpair


def test_poll_that_nobody_wakes_takes_its_time(client):
    assert poll(client, 0.5) > 0.4


def test_wake_up_from_another_thread_ends_a_poll(client):
    woken = []

    def wake_up():
        woken.append(default_timer())
        client.wakeup()

    for _ in range(10):
        timer = threading.Timer(0.1, wake_up)
        timer.start()
        poll(client, SECONDS)
        assert default_timer() - woken[-1] < 0.1
        timer.join()
    assert len(woken) == 10


def test_eight_threads_wake_it_eight_hundred_times_at_once(client):
    failures = []
    polls = []
    done = threading.Event()

    def keep_polling():
        while not done.is_set():
            polls.append(poll(client, SECONDS))

    def keep_waking():
        for _ in range(100):
            try:
                client.wakeup()
            except Exception as error:
                failures.append(error)

    poller = threading.Thread(target=keep_polling)
    poller.start()
    wakers = [threading.Thread(target=keep_waking) for _ in range(8)]
    for waker in wakers:
        waker.start()
    for waker in wakers:
        waker.join()
    done.set()
    client.wakeup()  # which is not lost, after all the others
    poller.join(SECONDS)
    assert not poller.is_alive()
    assert failures == []
    assert polls and max(polls) < 1
