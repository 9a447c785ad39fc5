"""gevent with everything patched, and the fallback forced: others run while one waits."""

from support import run_python

PATCHED = """
from gevent import monkey
monkey.patch_all()
import gevent, socket
del socket.socketpair
import importlib
module = importlib.import_module("backports_socketpair.socketpair")
assert socket.socketpair is module.fallback_socketpair

ticks = []
def tick():
    while True:
        ticks.append(1)
        gevent.sleep(0.01)
gevent.spawn(tick)
"""


def run(code):
    return run_python("-c", PATCHED + code).split()


def test_pair_is_of_gevents_sockets_and_others_run_while_one_waits_on_it():
    answer = run(
        """
first, second = socket.socketpair()
assert type(first).__module__.startswith("gevent."), type(first)
gevent.spawn_later(0.5, first.sendall, b"x")
assert second.recv(1) == b"x"
print(len(ticks))
"""
    )
    assert int(answer[0]) > 20


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
    assert answer[0] == "True"
    assert int(answer[1]) > 20
