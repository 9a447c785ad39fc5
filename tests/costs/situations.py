"""Tries one situation with one implementation of socketpair, and prints the outcome. compare.py runs this script.

    python3 tests/costs/situations.py SITUATION IMPLEMENTATION

IMPLEMENTATION is a file that sets socket.socketpair, or the name of a function, such as socket._fallback_socketpair.
"""

from __future__ import print_function

import collections
import errno
import os
import socket
import sys
from timeit import default_timer

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [TESTS, os.path.join(os.path.dirname(TESTS), "src")]

from standins.relay import Relay
from standins.sockets import StandIn, passing_calls
from standins.strangers import SPOKEN, connect_and_reset, full_listener, stranger_to
from support import SENT, WINDOWS, RealSocket, close, load, open_sockets, what_arrives, write_write_read

SITUATIONS = collections.OrderedDict()
strangers = []  # the situation's own sockets, which are closed before open sockets are counted


def function_of(implementation):
    if implementation.startswith("socket."):
        return getattr(socket, implementation[len("socket.") :])
    if hasattr(socket, "socketpair"):
        del socket.socketpair
    sys.modules["implementation"] = load(implementation, "implementation")  # Python 2 empties an unused module
    return socket.socketpair


def outcome_of(make, *args):
    """Call make(), and return the outcome in a few words."""
    before = open_sockets()
    started = default_timer()
    try:
        pair = make(*args)
        outcome = outcome_of_pair(*pair)
        close(*pair)
        close(*strangers)
        return outcome
    except Exception as error:
        took = default_timer() - started
        close(*strangers)
        left = open_sockets() - before
        return name_of(error) + " after %.0f s" % took * (took > 1) + " and %d sockets left open" % left * bool(left)


def name_of(error):
    if isinstance(error, AttributeError):
        return "AttributeError: " + str(error).split("'")[-2]
    number = getattr(error, "errno", None)
    return type(error).__name__ + (" " + errno.errorcode[number] if number else "")


def outcome_of_pair(first, second):
    arrived = what_arrives(first, second)
    if arrived == list(reversed(SENT)):
        return "right pair"
    errors = [each for each in arrived if isinstance(each, Exception)]
    return "no pair: " + name_of(errors[0]) if len(errors) == 2 else "stranger let in"


def over(words, cls):
    """Add a situation in which this class replaces socket.socket."""

    def outcome(make):
        socket.socket = cls
        return outcome_of(make)

    SITUATIONS[words] = outcome


def before_connect(words):
    """Add a situation in which the decorated function(sock, address, connect) replaces each connect(address)."""

    def listed(function):
        class Hooked(StandIn):
            def connect(self, address):
                return function(self.real, address, self.real.connect)

            def connect_ex(self, address):
                return function(self.real, address, self.real.connect_ex)

        over(words, Hooked)

    return listed


def failing_once(words, call, code):
    """Add a situation in which a call fails once."""
    failed = []

    def pass_on(name, forward):
        if name == call and not failed:
            failed.append(name)
            raise socket.error(code, os.strerror(code))
        return forward()

    over(words, passing_calls(pass_on))


SITUATIONS["plain pair, AF_INET"] = lambda make: outcome_of(make, socket.AF_INET)
SITUATIONS["plain pair, AF_INET6"] = lambda make: outcome_of(make, socket.AF_INET6)


@before_connect("a stranger connects first")
def _(sock, address, connect):
    if not strangers:
        strangers.append(stranger_to(address, socket.AF_INET))
        strangers[0].sendall(SPOKEN)
    return connect(address)


@before_connect("a stranger connects and resets, then the client gets the stranger's port")
def _(sock, address, connect):
    if not strangers:
        strangers.append(RealSocket(sock.family, socket.SOCK_STREAM))  # so that this happens only once
        port = connect_and_reset(sock.family, address)
        try:
            sock.bind((address[0], port))
        except socket.error:  # the client is bound already
            pass
    return connect(address)


@before_connect("the connection never completes")
def _(sock, address, connect):
    listener, fillers = full_listener(socket.AF_INET, "127.0.0.1")
    strangers.extend([listener] + fillers)
    return connect(listener.getsockname())


def default_timeout(make, seconds):
    socket.setdefaulttimeout(seconds)
    first, second = make()
    timeouts = first.gettimeout(), second.gettimeout()
    difference = "" if timeouts == (seconds, seconds) else ", timeouts %s and %s" % timeouts
    return outcome_of_pair(first, second) + difference


SITUATIONS["default timeout 7.5"] = lambda make: default_timeout(make, 7.5)
SITUATIONS["default timeout 0"] = lambda make: default_timeout(make, 0.0)

failing_once("bind fails once", "bind", 10013 if WINDOWS else errno.EADDRINUSE)
failing_once("accept fails once because of a stranger", "accept", errno.ECONNABORTED if WINDOWS else errno.EPROTO)


def relayed(make, how):
    def make_relayed():
        relay = Relay(socket.AF_INET, how)
        socket.socket = relay.relayed()
        try:
            return make()
        except Exception:
            relay.stop()
            raise

    return outcome_of(make_relayed)


SITUATIONS["a program relays loopback"] = lambda make: relayed(make, "eager")
SITUATIONS["a program relays loopback after the first byte"] = lambda make: relayed(make, "lazy")


def two_small_writes(make):
    ends = make()
    return "%.1f ms" % (sorted(write_write_read(*ends) for _ in range(11))[5] * 1e3)


def ports_used_up(make):
    """Make 3,000 pairs with 1,000 ports. Each closed pair leaves a port in TIME_WAIT."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", "w") as ports:
        ports.write("40000 40999")
    for number in range(3000):
        try:
            close(*make())
        except socket.error as error:
            return "%s after %d" % (name_of(error), number)
    return "right pair"


SITUATIONS["write, write, read"] = two_small_writes
SITUATIONS["3,000 pairs in a row with 1,000 ports"] = ports_used_up

if __name__ == "__main__":
    words, implementation = sys.argv[1:]
    print(SITUATIONS[words](function_of(implementation)))
    sys.stdout.flush()
    os._exit(0)  # without waiting for threads, such as Jython's
