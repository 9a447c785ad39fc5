"""On a network with few ports to give out: run through tests/pythons/namespace.sh."""

import os
import socket
import statistics
import subprocess
import sys
from timeit import default_timer

import pytest

from standins.sockets import StandIn
from support import assert_is_direct, close, fallback

SETTINGS = "/proc/sys/net/ipv4/"
MAN = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "standins", "man_in_the_middle.py")
FIRST = 40000
if "OWN_NETWORK" not in os.environ:
    sys.exit("run this through tests/pythons/namespace.sh")


def set_network(name, *values):
    with open(SETTINGS + name, "w") as setting:
        setting.write(" ".join(map(str, values)))


@pytest.fixture
def ports(request):
    """The first and the last of as many as the test has asked for."""
    given = FIRST, FIRST + request.param - 1
    set_network("tcp_max_tw_buckets", 1 << 20)
    set_network("ip_local_port_range", *given)
    return given


# An unprivileged process that meets our client on its way to the listener


class ManInTheMiddle:
    def __init__(self, *args):
        self.process = subprocess.Popen(
            [sys.executable, MAN, *map(str, args)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, *words):
        print(*words, file=self.process.stdin, flush=True)
        return self.process.stdout.readline().strip()

    def stop(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def man(request, family, ports):
    # Nothing is in TIME_WAIT, so that eight ports do for many calls.
    set_network("tcp_max_tw_buckets", 0)
    # As a machine has that is on a network.
    address = "192.0.2.1" if family == socket.AF_INET else "2001:db8::1"
    subprocess.run(["ip", "address", "replace", address, "dev", "lo"], check=True)
    man = ManInTheMiddle(request.param, *ports, address)
    yield man
    man.stop()


@pytest.mark.parametrize("ports", [8], indirect=True)
@pytest.mark.parametrize("man", ["relaying", "resetting"], indirect=True)
def test_man_in_the_middle_is_not_in_the_pair(stand_in, family, man):
    class Awaiting(StandIn):
        def listen(self, backlog):
            self.real.listen(backlog)
            tries.append(self.real.getsockname())
            # IPv6 has one loopback address: there, who is in time at each of three tries is in the pair.
            if family == socket.AF_INET or len(tries) < 3:
                assert man.ask("meet", *tries[-1][:2]) == "done"

    made = stand_in(Awaiting)
    for _ in range(36):
        tries = []
        assert man.ask("prepare") == "done"
        pair = fallback(family)
        assert_is_direct(*pair)
        close(*pair)
        del made[:]
        caught = int(man.ask("caught"))
        if caught >= 12:
            return
    pytest.fail("he caught %d clients" % caught)


# Ports that run out: what is closed keeps one for a minute


@pytest.mark.parametrize("first", [0, 1], ids=["accepted", "connecting"])
@pytest.mark.parametrize("ports", [1000], indirect=True)
def test_ports_do_not_run_out_and_a_pair_costs_no_more(ports, first):
    def make_and_close():
        started = default_timer()
        ends = fallback()
        close(ends[first], ends[1 - first])
        return default_timer() - started

    times = [make_and_close() for _ in range(30000)]
    # The first hundreds find a port where they look first.
    assert statistics.median(times[-3000:]) < 1.5 * statistics.median(times[3000:6000])
