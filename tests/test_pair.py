"""Tests of the behaviour of a pair of connected sockets, whether the fallback or the system makes it."""

import errno
import os
import select
import socket
from timeit import default_timer

import pytest

from support import (
    JYTHON,
    WASI,
    assert_is_a_pair,
    default_timeout,
    discard,
    exchange,
    in_thread,
    receive,
    write_write_read,
)

WOULD_BLOCK = (errno.EWOULDBLOCK, errno.EAGAIN, 10035)


def assert_would_block(reader):
    with pytest.raises(socket.error) as caught:
        reader.recv(1)
    assert caught.value.errno in WOULD_BLOCK


def assert_times_out(reader):
    started = default_timer()
    with pytest.raises(socket.timeout):
        reader.recv(1)
    assert 0.01 < default_timer() - started < 5


def test_carries_bytes_both_ways(pair):
    assert_is_a_pair(*pair)


def test_carries_megabytes_both_ways_at_once(pair):
    size = 1 << 20 if JYTHON else 1 << 22
    for end in pair:
        # No timeout: on Wine under load, a recv() with a timeout once timed out although its bytes were on the way.
        # exchange() limits the time when it joins its threads.
        end.settimeout(None)
    rising = bytearray(range(256))
    data = [bytes(each) * (size // 256) for each in (rising, rising[::-1])]
    assert exchange(pair, data) == data[::-1]


def test_closing_one_end_is_the_end_of_file_at_the_other(ends):
    reader, writer = ends
    writer.sendall(b"last")
    writer.close()
    assert receive(reader, 100) == b"last"  # and no byte of the nonce


@pytest.mark.skipif(JYTHON, reason="Jython does not deliver a half-close of any socket")
def test_half_closed_pair_still_carries_bytes_the_other_way(ends):
    ends[0].shutdown(socket.SHUT_WR)
    assert ends[1].recv(1) == b""
    ends[1].sendall(b"answer")
    assert receive(ends[0], 6) == b"answer"


def test_non_blocking_end_does_not_wait(ends):
    reader, writer = ends
    reader.setblocking(False)
    assert_would_block(reader)
    writer.setblocking(False)
    try:
        while writer.send(b"x" * 65536):
            pass
        assert JYTHON  # its send() returns 0 instead
    except socket.error as error:
        assert error.errno in WOULD_BLOCK


def test_recv_times_out_if_the_end_has_a_timeout(ends):
    ends[0].settimeout(0.02)
    assert_times_out(ends[0])


def test_blocking_end_waits_for_bytes(make_any_pair):
    pair = make_any_pair()
    assert [end.gettimeout() for end in pair] == [None, None]
    for reader, writer in (pair, pair[::-1]):
        received = []
        thread = in_thread(lambda reader=reader, received=received: received.append(reader.recv(1)))
        thread.join(0.02)
        assert thread.is_alive()
        writer.sendall(b"x")
        thread.join(10)
        assert received == [b"x"]


@pytest.mark.skipif(WASI, reason="WASI's select() reports bytes that were already read, until a recv() finds none")
def test_select_reports_when_there_are_bytes_to_read(ends):
    reader, writer = ends
    assert select.select([reader], [], [], 0) == ([], [], [])
    writer.sendall(b"x")
    assert select.select([reader], [], [], 10)[0] == [reader]


def test_select_reports_a_new_end_as_writable_at_once(ends):
    # On WASI the host may report the accepted end of any new connection as writable a moment late.
    assert select.select([], [ends[0]], [], 10 if WASI else 0)[1] == [ends[0]]


@pytest.mark.parametrize("default", [7.5, 0.02, 0.0, 1e-6])
def test_both_ends_have_the_default_timeout(make_any_pair, default):
    with default_timeout(default):
        pair = make_any_pair()
    assert [end.gettimeout() for end in pair] == [default, default]
    for reader, writer in (pair, pair[::-1]) if default in (0.02, 0.0) else ():
        (assert_times_out if default else assert_would_block)(reader)
        writer.send(b"x")
        assert select.select([reader], [], [], 10)[0]
        assert reader.recv(1) == b"x"


@pytest.mark.skipif(WASI, reason="TCP_NODELAY has no effect on WASI")
def test_second_of_two_small_writes_is_not_held_back(ends):
    # The delayed acknowledgement that Nagle's algorithm waits for takes 40 ms or more.
    assert sorted(write_write_read(*ends) for _ in range(31))[15] < 0.020


# Behind a relay a pair takes about fifty times as long.
@pytest.mark.parametrize("size", [4 if JYTHON or "RELAYED" in os.environ else 50])
def test_threads_make_pairs_side_by_side(make_any_pair, size):
    finished, wrong = [], []

    def make_and_try(name):
        for number in range(size):
            message = ("%s %d" % (name, number)).encode("ascii")
            first, second = make_any_pair()
            first.settimeout(10)
            second.settimeout(10)
            first.sendall(message)
            if second.recv(100) != message:
                wrong.append(message)
            discard(first, second)
        finished.append(name)

    for thread in [in_thread(make_and_try, "thread %d" % n) for n in range(8)]:
        thread.join(60)
    assert len(finished) == 8
    assert wrong == []
