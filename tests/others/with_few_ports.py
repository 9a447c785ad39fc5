"""Tests on a network with few ephemeral ports. Run this file through tests/pythons/namespace.sh."""

import errno
import itertools
import os
import socket
import subprocess
import sys
from statistics import median
from timeit import default_timer

import pytest

from standins.sockets import StandIn
from support import HOSTS, assert_is_direct, close, fallback

ATTACKER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "standins", "attacker.py")
FIRST = itertools.count(10000, 1000)
if "OWN_NETWORK" not in os.environ:
    sys.exit("run this through tests/pythons/namespace.sh")


def set_network(name, *values):
    with open("/proc/sys/net/ipv4/" + name, "w") as setting:
        setting.write(" ".join(map(str, values)))


@pytest.fixture
def ports(request):
    """Limit the ephemeral ports to the number that the test asks for (default: 16). Return the first and the last."""
    # Not the ports of the previous test: some of them may be in TIME_WAIT.
    first = next(FIRST)
    given = first, first + getattr(request, "param", 16) - 1
    set_network("tcp_max_tw_buckets", 1 << 20)
    set_network("ip_local_port_range", *given)
    return given


# An unprivileged process that acts between the calls of the fallback


@pytest.fixture
def attacked(family, ports, stand_in):
    """Yield a function that starts an attacker of the fallback, and returns a function that sends it commands."""
    # The attacker needs an interface besides loopback. A machine on a network has one.
    subprocess.run("ip link add eth9 type bridge && ip link set eth9 up", shell=True, check=True)
    subprocess.run("ip addr add 10.9.9.9 dev eth9 && ip addr add fd00::9 dev eth9 nodad", shell=True, check=True)
    attackers = []

    def start(way, elsewhere=None):
        command = [sys.executable, ATTACKER, way, "6" if family == socket.AF_INET6 else "4", *map(str, ports)]
        attacker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        attackers.append(attacker)

        def ask(*words):
            print(*words, file=attacker.stdin, flush=True)
            return int(attacker.stdout.readline())

        class Attacked(StandIn):
            def bind(self, address):
                ask("prepare")
                self.real.bind(address)

            def connect_ex(self, address):
                if address[0] not in HOSTS.values():
                    return elsewhere or self.real.connect_ex(address)
                ask("before", address[1], *self.real.getsockname()[:2])
                code = self.real.connect_ex(address)
                ask("after")
                return code

            def accept(self):
                ask("accepting")
                return StandIn.accept(self)

        stand_in(Attacked)
        return ask

    yield start
    for attacker in attackers:
        attacker.communicate()
    subprocess.run("ip link delete eth9", shell=True, check=True)


def test_attacker_with_the_clients_address_is_not_in_the_pair(attacked, make_pair):
    attacked("twin")
    assert_is_direct(*make_pair())


@pytest.mark.parametrize("way, met", [("late", 0), ("early", 0), ("heir", 1)])
def test_attacker_that_passes_the_nonce_on_is_not_in_the_pair(attacked, make_pair, way, met):
    """Check attackers that try to bind the client's port before it connects, or after they have reset the client."""
    ask = attacked(way)
    assert_is_direct(*make_pair())
    assert ask("met") == met


@pytest.mark.parametrize("way", ["relay", "reset"])
def test_attacker_in_the_middle_is_not_in_the_pair(attacked, family, way):
    set_network("tcp_max_tw_buckets", 0)
    ask = attacked(way)
    for _ in range(10):
        pair = fallback(family)
        assert_is_direct(*pair)
        close(*pair)
    assert ask("met") >= 10


def test_failures_elsewhere_do_not_let_the_attacker_in(attacked, make_pair):
    """Let each random address time out, as if the attacker's connections filled the accept queue there."""
    set_network("tcp_max_tw_buckets", 0)
    ask = attacked("relay", elsewhere=errno.ETIMEDOUT)
    with pytest.raises(socket.error):
        make_pair()
    assert ask("met") > 1


# Ports that run out: a closed pair keeps one for a minute


@pytest.mark.parametrize("ports", [1000], indirect=True)
def test_ports_do_not_run_out_and_pairs_stay_fast(ports):
    def make_and_close(number):
        started = default_timer()
        ends = fallback()
        close(ends[number % 2], ends[1 - number % 2])  # the first to be closed keeps its port
        return default_timer() - started

    times = [make_and_close(number) for number in range(20000)]
    # If most ports are taken, the system needs some time to find that out.
    assert median(times[-2000:]) < min(3 * median(times[:2000]), 0.002)


@pytest.mark.parametrize("ports", [1000], indirect=True)
def test_ports_of_ipv6_do_not_run_out(ports):
    for _ in range(3000):
        close(*fallback(socket.AF_INET6))
