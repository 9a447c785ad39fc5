"""Tests of many orders of events, on a model of each system: the call returns our pair or raises the right error."""

import errno
import itertools
import os
import socket
import sys

import pytest

from standins.model.fates import A_BYTE, AT_ONCE, FATES, KINDS, MOMENTS, NEVER, QUICK_PAIRS, RESET, ROWS, STRANGERS
from standins.model.sockets import NONCE, install
from standins.model.systems import SYSTEMS
from standins.model.world import AF_INET6, MOST, World
from support import JYTHON, load_copy

EARLY, SOON, LATER = MOMENTS
# Sets of three strangers, one at each moment. Over all sets, each kind of stranger comes at each moment.
TOGETHER = [tuple(zip((STRANGERS[at], STRANGERS[at - 3], STRANGERS[at - 5]), MOMENTS)) for at in range(len(STRANGERS))]
TIMEOUT, ATTEMPT_TIMEOUT = 10, 10 / 3.0  # seconds
MARGIN = 0.1  # seconds
LONGEST_WAIT = 0.02  # seconds
MOST_ATTEMPTS = 10


def copy_for(system):
    """Return a copy of the module, imported while os.name and sys.platform are this system's."""
    os_name, platform = os.name, sys.platform
    os.name, sys.platform = system.os_name, system.platform or platform
    try:
        return load_copy("on_a_model")
    finally:
        os.name, sys.platform = os_name, platform


# Jython is slow, so on Jython only its own model is tested.
SYSTEMS_HERE = [system for system in SYSTEMS if system.must_ask or not JYTHON]
COPIES = {system.name: copy_for(system) for system in SYSTEMS_HERE}


def check(world):
    copy = COPIES[world.system.name]
    install(copy, world)
    pair, error = (), None
    try:
        pair = copy.fallback_socketpair(world.family)
    except socket.error as caught:
        error = caught
    ends = [attempt.started for attempt in world.attempts[1:]] + [world.time]
    is_pair, result = check_attempts(world, ends)
    assert is_pair == bool(pair), error or result
    if is_pair:
        check_pair(world, result, *pair)
    else:
        assert error.errno in errors_of(world, result)
    assert [sock.closed for sock in world.made if sock not in pair] == [1] * (len(world.made) - len(pair))
    assert ends[-1] <= TIMEOUT + world.late + MARGIN or world.clock != "runs", "late"
    others = [attempt.host for attempt in world.attempts if attempt.host not in (attempt.usual, None)]
    assert len(others) < 3 or len(set(others)) > 1, "all random addresses are the same"


def check_attempts(world, ends):
    """Check the time of each attempt, and their number. Return whether the last one makes a pair, and its result."""
    relayed = 0
    for number, (attempt, end) in enumerate(zip(world.attempts, ends), 1):
        assert attempt.most_held <= MOST + 1
        limit = min(ATTEMPT_TIMEOUT, TIMEOUT - attempt.started)
        result = result_of(attempt, limit)
        check_time(attempt, result, limit, end - attempt.started)
        relayed = relayed + 1 if result == "relayed" else 0
        is_pair = result == "direct" or relayed and attempt.host != attempt.usual or relayed == 3
        if is_pair or number == MOST_ATTEMPTS or end >= TIMEOUT:
            assert number == len(world.attempts)
            return bool(is_pair), result
    raise AssertionError("another attempt has to follow")


def result_of(attempt, limit):
    fate = attempt.fate
    if attempt.failed:
        return "failed"
    if soonest(fate) > limit:
        return "timed out"
    return "relayed" if fate.result == "direct" and attempt.world.system.hides_host else fate.result


def check_time(attempt, result, limit, seconds):
    world = attempt.world
    # If the clock is wrong, the module adds up its waits. It does not count a wait that ends with a connection.
    margin = world.margin + (0 if world.clock == "runs" else MOST_ATTEMPTS * LONGEST_WAIT)
    expected = limit if result == "timed out" else min(limit, soonest(attempt.fate))
    assert world.late or result == "failed" or expected - margin < seconds, "early"
    assert world.late or seconds < expected + margin, "late"


def soonest(fate):
    """Return the least number of seconds that an attempt with this fate takes."""
    if fate.relay == "trickling":
        return fate.connected + fate.takes + NONCE * A_BYTE
    fails = 0 if fate.fails == "read" or fate.refuses else fate.fails or 0
    return max(fate.arrives or 0, fate.connected or 0, fails) + fate.takes


def check_pair(world, result, server, client):
    attempt, system = world.attempts[-1], world.system
    assert client is attempt.client
    assert server.end is attempt.own_end, "a stranger's"
    # On a system that has only the usual address, an attacker that relays three attempts in a row is believed.
    is_believed = result == "relayed" and system.has_only_usual(world.family == AF_INET6)
    assert server.end.kind == "own" or is_believed, "the attacker's"
    assert server.timeout == client.timeout == world.timeout
    # If Jython garbage-collected a stranger of this listener, it would close the pair. So there the module keeps them.
    accepted = [sock for sock in world.made if sock.state == "accepted" and sock.attempt is attempt]
    kept = getattr(server, "kept", [])
    assert {sock for sock in accepted if not sock.end.is_reset} <= set(kept) if system.must_ask else not kept
    assert len(client.end.sent) == server.received == NONCE
    client.end.send(b"from client")
    server.end.send(b"from server")
    world.wait(1)
    assert (server.end.incoming, client.end.incoming) == (b"from client", b"from server")


def errors_of(world, result):
    return {
        "failed": [world.attempts[-1].failed],
        "refused": [world.system.refused],
        "port refused": world.system.ports_refused,
        "timed out": [errno.ETIMEDOUT],
        "relayed": [errno.ECONNABORTED],
        "lost": [errno.ECONNRESET, errno.ECONNABORTED, 10054, world.system.gone],
    }[result]


def named(fates):
    return ", ".join(fate.name for fate in fates)


each_fate = pytest.mark.parametrize("fates", [[fate] for fate in FATES], ids=named)
each_row = pytest.mark.parametrize("fates", ROWS, ids=named)


def check_on_each_system(fates, sets=((),), **more):
    for system in SYSTEMS_HERE:
        for strangers in sets:
            try:
                check(World(system, fates, strangers, **more))
            except AssertionError as error:
                pytest.fail("on %s with %s, %s and %s: %s" % (system.name, named(fates), strangers, more, error))


def is_quick(fate):
    """Return whether a call with this fate is quick to simulate. A call of ten seconds has many waits."""
    return fate.result != "timed out" and (fate.result != "lost" or soonest(fate) < MARGIN)


@each_fate
def test_pair_is_ours_or_error_is_right_with_strangers(fates):
    check_on_each_system(fates, [()] + TOGETHER[: None if is_quick(fates[0]) else 1])


@each_row
def test_pair_is_ours_or_error_is_right_in_a_row_of_attempts(fates):
    check_on_each_system(fates, [TOGETHER[0]])


@pytest.mark.parametrize("first", KINDS, ids=lambda fate: fate.name)
def test_pair_is_ours_or_error_is_right_if_attempts_differ(first):
    for second in KINDS:
        check_on_each_system([first, second])


@pytest.mark.skipif(AF_INET6 is None, reason="this Python has no AF_INET6")
def test_pair_is_ours_or_error_is_right_over_ipv6():
    for fates in [[fate] for fate in FATES if is_quick(fate)] + list(itertools.product(KINDS, KINDS)):
        check_on_each_system(fates, family=AF_INET6)


# Crowds: before the client, soon after it, with few free descriptors, or coming again. Or send() takes 5 bytes at most.
CROWDS = [{}, {"crowd": 80, "margin": 0.03}, {"crowd_later": 100, "margin": 0.1}, {"crowd": 60, "descriptors": 40}]
CROWDS += [{"crowd": 100, "descriptors": 30, "lacks": "ENFILE"}, {"flood": 100, "margin": 0.1}]
CROWDS += [{"at_once": 5, "margin": 0.1}]


@pytest.mark.parametrize("more", CROWDS, ids=repr)
def test_pair_is_made_within_milliseconds_of_the_last_event(more):
    for fate in QUICK_PAIRS:
        check_on_each_system([fate], **dict({"margin": 0.01}, **more))


def test_error_is_right_if_descriptors_run_out():
    for free in range(3):
        check_on_each_system([AT_ONCE], descriptors=free)


@pytest.mark.parametrize("clock", ["stands still", "is set back"])
def test_pair_is_ours_or_error_is_right_if_the_clock_is_wrong(clock):
    for fates in [[NEVER], [RESET]] + ROWS:
        check_on_each_system(fates, [(("silent", SOON),)], clock=clock)


@pytest.mark.parametrize("late", [0.3, 7.0])
def test_error_comes_at_most_one_late_wait_after_ten_seconds(late):
    check_on_each_system([NEVER], [((kind, SOON),) for kind in STRANGERS], late=late)
    check_on_each_system([RESET._replace(arrives=None)], late=late)


def test_pair_is_ours_though_each_wait_ends_late():
    for fate in FATES:
        if fate.result == "direct":
            check_on_each_system([fate], [(("silent", EARLY),)], late=1.0)


@pytest.mark.parametrize("timeout", [0.0, 5.0])
def test_default_timeout_affects_only_the_two_ends(timeout):
    for fate in QUICK_PAIRS + [RESET, NEVER]:
        check_on_each_system([fate], [TOGETHER[0]], timeout=timeout)
