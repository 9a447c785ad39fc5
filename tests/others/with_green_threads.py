"""Tests of the fallback under gevent's and eventlet's monkey patches: while one green thread waits, the others run.

They run on each library that is installed. tox.ini says which ones it installs.
"""

import pkgutil

import pytest

from support import run_python

SET_UP = {
    "gevent": "from gevent import monkey, sleep, spawn, spawn_later, Timeout; monkey.patch_all()",
    "eventlet": "from eventlet import sleep, spawn, spawn_after as spawn_later, Timeout, monkey_patch; monkey_patch()",
}
pytestmark = pytest.mark.parametrize("library", [name for _, name, _ in pkgutil.iter_modules() if name in SET_UP])

PATCHED = """
import errno, socket
if hasattr(socket, "socketpair"):
    del socket.socketpair
import backports_socketpair.socketpair
assert socket.socketpair is backports_socketpair.fallback_socketpair

ticks = []
def tick():
    while True:
        ticks.append(1)
        sleep(0.01)
spawn(tick)
"""


def run(library, code):
    return list(map(int, run_python("-c", SET_UP[library] + PATCHED + code).split()))


def test_green_thread_that_reads_an_end_is_woken(library):
    code = """
for reading in (0, 1):
    pair = socket.socketpair()
    for end in pair:
        assert type(end).__module__.startswith(%r), type(end)
    before = len(ticks)
    spawn_later(0.3, pair[1 - reading].sendall, b"x")
    with Timeout(10):
        assert pair[reading].recv(1) == b"x"
    print(len(ticks) - before)
"""
    ticks = run(library, code % library)
    assert len(ticks) == 2
    assert min(ticks) > 10


def test_other_green_threads_run_while_a_pair_is_made(library):
    code = """
class Late(socket.socket):
    def connect_ex(self, address):
        spawn_later(0.5, real.connect_ex, self, address)
        return errno.EINPROGRESS
    def send(self, data):
        try:
            return real.send(self, data)
        except socket.error as error:
            raise error if error.errno != errno.EPIPE else socket.error(errno.EAGAIN, "not connected yet")
real = socket.socket
socket.socket = Late
socket.socketpair()
print(len(ticks))
"""
    assert run(library, code)[0] > 20
