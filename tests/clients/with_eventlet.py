"""eventlet with everything patched, and the fallback forced: others run while one waits."""

from support import run_python

PATCHED = """
import eventlet
eventlet.monkey_patch()
import socket
if hasattr(socket, "socketpair"):
    del socket.socketpair
import importlib
module = importlib.import_module("backports_socketpair.socketpair")
assert socket.socketpair is module.fallback_socketpair

ticks = []
def tick():
    while True:
        ticks.append(1)
        eventlet.sleep(0.01)
eventlet.spawn(tick)
"""


def run(code):
    return run_python("-c", PATCHED + code).split()


def test_green_thread_that_reads_either_end_is_woken_and_others_run_meanwhile():
    answer = run(
        """
for reading in (0, 1):
    pair = socket.socketpair()
    for end in pair:
        assert type(end).__module__.startswith("eventlet."), type(end)
    before = len(ticks)
    eventlet.spawn_after(0.3, pair[1 - reading].sendall, b"x")
    with eventlet.Timeout(10):
        assert pair[reading].recv(1) == b"x"
    print(len(ticks) - before)
"""
    )
    assert len(answer) == 2
    assert min(map(int, answer)) > 10


def test_others_run_while_a_pair_is_waited_for():
    answer = run(
        """
import errno
module._TIMEOUT = 0.5
class NeverConnecting(socket.socket):
    def connect_ex(self, address):
        return errno.EINPROGRESS
socket.socket = NeverConnecting
try:
    socket.socketpair()
except socket.error as error:
    print(error.errno == errno.ETIMEDOUT, len(ticks))
"""
    )
    assert answer[0].strip("(,") == "True"
    assert int(answer[1].strip(")")) > 20
