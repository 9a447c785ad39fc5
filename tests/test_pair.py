"""What a pair of connected sockets does, however it was made."""

import errno
import os
import select
import socket
from timeit import default_timer

import pytest

from support import JYTHON, WASI, assert_is_a_pair, default_timeout, exchange, in_thread, receive, write_write_read

WOULD_BLOCK = (errno.EWOULDBLOCK, errno.EAGAIN, 10035)


def test_carries_bytes_both_ways(pair):
    assert_is_a_pair(*pair)


def test_carries_megabytes_both_ways_at_once(pair):
    size = 1 << 20 if JYTHON else 1 << 22
    for end in pair:
        # As by default, since the joins see to an end. Wine said once, under load, that a recv() with a timeout had
        # timed out, with its bytes on the way.
        end.settimeout(None)
    rising = bytearray(range(256))
    data = [bytes(each) * (size // 256) for each in (rising, rising[::-1])]
    assert exchange(pair, data) == data[::-1]


@pytest.mark.parametrize("closing", [0, 1])
def test_closing_one_end_is_the_end_of_file_at_the_other(pair, closing):
    pair[closing].sendall(b"last")
    pair[closing].close()
    assert receive(pair[1 - closing], 4) == b"last"
    assert pair[1 - closing].recv(1) == b""


@pytest.mark.skipif(JYTHON, reason="Jython does not deliver a half-close of any socket")
@pytest.mark.parametrize("closing", [0, 1])
def test_half_closed_pair_still_carries_bytes_the_other_way(pair, closing):
    pair[closing].shutdown(socket.SHUT_WR)
    assert pair[1 - closing].recv(1) == b""
    pair[1 - closing].sendall(b"answer")
    assert receive(pair[closing], 6) == b"answer"


@pytest.mark.parametrize("reading", [0, 1])
def test_non_blocking_end_does_not_wait_for_bytes(pair, reading):
    pair[reading].setblocking(False)
    with pytest.raises(socket.error) as caught:
        pair[reading].recv(1)
    assert caught.value.errno in WOULD_BLOCK


def test_non_blocking_end_does_not_wait_for_room(pair):
    pair[0].setblocking(False)
    try:
        while pair[0].send(b"x" * 65536):
            pass
        assert JYTHON  # which says that it took 0 bytes
    except socket.error as error:
        assert error.errno in WOULD_BLOCK


@pytest.mark.parametrize("reading", [0, 1])
def test_end_with_a_timeout_waits_no_longer(pair, reading):
    pair[reading].settimeout(0.02)
    started = default_timer()
    with pytest.raises(socket.timeout):
        pair[reading].recv(1)
    assert 0.01 < default_timer() - started < 5


@pytest.mark.parametrize("reading", [0, 1])
def test_blocking_end_waits_for_bytes(make_any_pair, reading):
    pair = make_any_pair()
    assert [end.gettimeout() for end in pair] == [None, None]
    received = []
    reader = in_thread(lambda: received.append(pair[reading].recv(1)))
    reader.join(0.02)
    assert reader.is_alive()
    pair[1 - reading].sendall(b"x")
    reader.join(10)
    assert received == [b"x"]


@pytest.mark.skipif(WASI, reason="WASI's select() tells of bytes that were received, until a recv() finds none")
@pytest.mark.parametrize("reading", [0, 1])
def test_select_tells_when_there_are_bytes(pair, reading):
    assert select.select([pair[reading]], [], [], 0) == ([], [], [])
    pair[1 - reading].sendall(b"x")
    assert select.select([pair[reading]], [], [], 10)[0] == [pair[reading]]


@pytest.mark.parametrize("writing", [0, 1])
def test_select_tells_at_once_that_there_is_room(pair, writing):
    # On WASI the host may tell of a connection that was just accepted, any one, a moment later.
    assert select.select([], [pair[writing]], [], 10 if WASI else 0)[1] == [pair[writing]]


@pytest.mark.parametrize("default", [None, 7.5, 0.0, 1e-6])
def test_both_ends_have_the_default_timeout(make_any_pair, default):
    with default_timeout(default):
        pair = make_any_pair()
    assert [end.gettimeout() for end in pair] == [default, default]


@pytest.mark.parametrize("default", [0.02, 0.0])
def test_default_timeout_is_what_both_ends_keep_to(make_any_pair, default):
    with default_timeout(default):
        pair = make_any_pair()
    for reading in (0, 1):
        if default == 0.0:
            with pytest.raises(socket.error) as caught:
                pair[reading].recv(1)
            assert caught.value.errno in WOULD_BLOCK
        else:
            started = default_timer()
            with pytest.raises(socket.timeout):
                pair[reading].recv(1)
            assert 0.01 < default_timer() - started < 5
        pair[1 - reading].send(b"x")
        assert select.select([pair[reading]], [], [], 10)[0]
        assert pair[reading].recv(1) == b"x"


@pytest.mark.skipif(WASI, reason="on WASI TCP_NODELAY is without effect")
@pytest.mark.parametrize("writing", [0, 1])
def test_second_of_two_small_writes_is_not_held_back(pair, writing):
    ends = pair[writing], pair[1 - writing]
    # The delayed acknowledgement that Nagle's algorithm waits for takes 40 ms or more.
    assert sorted(write_write_read(*ends) for _ in range(31))[15] < 0.020


def test_pairs_are_independent(make_any_pair):
    pairs = [make_any_pair() for _ in range(3)]
    for number, (first, _) in enumerate(pairs):
        first.sendall(str(number).encode("ascii"))
    for number, (_, second) in enumerate(pairs):
        second.settimeout(10)
        assert second.recv(10) == str(number).encode("ascii")


# Behind a relay a pair takes some fifty times as long.
@pytest.mark.parametrize("size", [1, 4 if JYTHON or "RELAYED" in os.environ else 50])
def test_threads_make_pairs_side_by_side(make_any_pair, size):
    wrong = []

    def make_and_try(name):
        for number in range(size):
            message = ("%s %d" % (name, number)).encode("ascii")
            first, second = make_any_pair()
            first.settimeout(10)
            second.settimeout(10)
            first.sendall(message)
            if second.recv(100) != message:
                wrong.append(message)
            first.close()
            second.close()
        finished.append(name)

    finished = []
    for thread in [in_thread(make_and_try, "thread %d" % n) for n in range(8)]:
        thread.join(60)
    assert len(finished) == 8
    assert wrong == []
