"""Every order of events, on a model of each system's sockets: our own pair or the right error, in the time it needs."""

import errno
import os
import socket
import sys

import pytest

from standins.model.fates import (
    A_BYTE,
    ACCEPTED_LATER,
    AT_ONCE,
    DIVERTED,
    FATES,
    HAD_OUR_PORT,
    HESITANT,
    MOMENTS,
    NEVER,
    ON_OUR_PORT,
    RELAYED,
    RESET,
    SLOW,
    SOON_CONNECTED,
    STRANGERS,
    TRICKLED,
    TRIES,
)
from standins.model.sockets import NONCE, OPTION, Select, Sockets
from standins.model.systems import SYSTEMS
from standins.model.world import AF_INET, AF_INET6, World
from support import JYTHON, load_copy

EARLY, SOON, LATER = MOMENTS
# Each kind together with another, at each moment.
TELLING = [
    (HAD_OUR_PORT, ("wrong later", EARLY)),
    (("silent", EARLY), ("half", SOON)),
    (("closing", EARLY), HAD_OUR_PORT, ("on our port elsewhere", SOON)),
    (("resetting", EARLY), ("wrong", SOON), ("silent", LATER)),
    (("wrong", EARLY), ("pending", SOON), ("wrong later", LATER)),
    (("half", EARLY), ("resetting", SOON), ("closing", LATER)),
    (("pending", EARLY), ("closing", SOON), ("wrong", LATER)),
    (("on our port elsewhere", EARLY), ("wrong later", SOON), ("resetting", LATER)),
    (("wrong later", EARLY), ("silent", SOON), ("half", LATER)),
]
TIMEOUT = 10  # seconds
MARGIN = 0.1  # seconds
A_WAIT, LONGEST_WAIT = 0.001, 0.021  # seconds
FAILURES = 10
IN_A_ROW = 3
HELD = 66  # what is kept, the one that came last, and our own


def copy_for(system):
    """Our module as it is on system, which it asks for when it is imported."""
    os_name, platform = os.name, sys.platform
    os.name, sys.platform = system.os_name or os_name, system.platform or platform
    try:
        copy = load_copy("on_a_model")
        copy._EXCLUSIVE = OPTION
        return copy
    finally:
        os.name, sys.platform = os_name, platform


COPIES = {system.name: copy_for(system) for system in SYSTEMS}


def call(world):
    """Make a pair in world, and return it, or the socket.error."""
    copy = COPIES[world.system.name]
    copy.socket = Sockets(world)
    copy.select, copy._now = Select, world.now
    try:
        return copy.fallback_socketpair(world.family)
    except socket.error as error:
        return error


# What is right, and when


def expected(world):
    """The result of the last try, how many tries there are, and the seconds that all need."""
    failed = relayed = seconds = tries = 0
    result = None
    while result not in ("direct", "refused") and failed < FAILURES and relayed < IN_A_ROW:
        fate = world.fates[min(tries, len(world.fates) - 1)]
        result = result_of(world, fate, tries)
        tries += 1
        seconds += 0 if result == "port refused" else soonest(fate)
        if result == "timed out" or seconds >= TIMEOUT:
            return "timed out", tries, TIMEOUT
        is_failure = result in ("lost", "port refused")
        failed += is_failure
        relayed = 0 if is_failure else relayed + 1
    return result, tries, seconds


def result_of(world, fate, number):
    system = world.system
    is_elsewhere = number > 0 and system.has_127 and world.family == AF_INET
    if fate.refuses == "used up" and not is_elsewhere:
        return "port refused"
    if fate.result == "direct" and system.local == "any":
        return "relayed"  # for all that the two ends tell
    return fate.result


def soonest(fate):
    """When the pair, or the error, can be there."""
    if fate.relay == "trickling":
        return fate.connected + fate.takes + NONCE * A_BYTE
    return max(fate.arrives or 0, fate.connected or 0, fate.fails or 0) + fate.takes


def is_ordinary(world):
    """Whether the first connection to come is our client's, which is connected only then, or a moment before."""
    system, fate = world.system, world.current.fate
    if system.must_ask:  # its first connection may be dead, and tells its peer all the same
        return False
    alone = not (world.strangers or world.crowd or world.crowd_later or world.flood or fate.relay or world.late)
    tells = system.local != "any" and (fate.connected == 0 or not system.must_poll)
    return alone and tells and fate.arrives - A_WAIT < fate.connected <= fate.arrives


# What is


def check(world):
    result, tries, seconds = expected(world)
    outcome = call(world)
    check_time(world, tries, seconds)
    assert len(world.tries) == tries
    if result in ("direct", "relayed"):
        assert isinstance(outcome, tuple), outcome
        check_pair(world, *outcome)
    else:
        assert isinstance(outcome, socket.error), outcome
        check_error(world, outcome, result)
        outcome = ()
    assert [sock.closed for sock in world.made if sock not in outcome] == [1] * (len(world.made) - len(outcome))
    assert world.most_held <= HELD


def check_time(world, tries, seconds):
    if world.late:
        assert world.time <= TIMEOUT + world.late + MARGIN, "late"
    else:
        # Each try may end a wait later than what ends it.
        assert world.time <= seconds + max(MARGIN, tries * LONGEST_WAIT), "late"


def check_pair(world, server, client):
    assert server.end is world.current.own_end, "a stranger's"
    assert server.end.kind == "own", "the man's in the middle"
    assert client is world.current.client
    for end in (server, client):
        assert end.timeout == world.timeout and end.blocks == (world.timeout is None)
    check_kept(world, server, client)
    if is_ordinary(world):
        assert client.end.sent == b""
    client.end.send(b"from client")
    server.end.send(b"from server")
    world.wait(1, lambda: False)
    # Of the nonce nothing is left, nor was the user's first byte taken for it.
    assert server.end.incoming == b"from client"
    assert client.end.incoming == b"from server"


def check_kept(world, server, client):
    """Jython would hang up on server when a stranger of the same listener's is collected; elsewhere nothing is kept."""
    strangers = [sock for sock in world.made if sock.state == "accepted" and sock.attempt is world.current]
    wanted = [sock for sock in strangers if world.system.must_ask and sock is not server and not sock.end.reset]
    lists = [value for end in (server, client) for value in vars(end).values() if type(value) is list]
    kept = [each for value in lists for each in value if each is not server]
    assert set(wanted) <= set(kept) if world.system.must_ask else kept == []


def check_error(world, error, result):
    if result == "refused":
        assert error.errno == world.system.refused
    elif result == "lost":
        assert error.errno in (errno.ECONNRESET, errno.EPIPE, 10053, 10054)
    elif result == "port refused":
        assert error.errno in world.system.ports_refused
    else:
        assert error.errno == errno.ETIMEDOUT
        assert world.time >= TIMEOUT, "early"


def named(fates):
    return ", ".join(fate.name for fate in fates)


each_fate = pytest.mark.parametrize("fates", [[fate] for fate in FATES], ids=named)
each_sequence = pytest.mark.parametrize("fates", TRIES, ids=named)
# Jython takes its time, and is itself here.
SYSTEMS_HERE = [system for system in SYSTEMS if system.must_ask or not JYTHON]


def check_on_each_system(fates, sets, **more):
    for system in SYSTEMS_HERE:
        for strangers in sets:
            try:
                check(World(system, fates, strangers, **more))
            except AssertionError as error:
                pytest.fail("on %s with %s and %s: %s" % (system.name, strangers, more, error))


def is_quick(fate):
    """Whether it does not take the ten seconds, each wait of which is simulated."""
    return fate.result not in ("timed out", "lost") or fate is RESET


@each_fate
def test_own_pair_or_right_error_whichever_strangers_come(fates):
    check_on_each_system(fates, [()] + (TELLING if is_quick(fates[0]) else TELLING[:1]))


@each_sequence
def test_own_pair_or_right_error_whatever_becomes_of_each_try(fates):
    check_on_each_system(fates, [(), TELLING[0]])


@pytest.mark.parametrize("fates", [[fate] for fate in DIVERTED], ids=named)
def test_own_pair_through_a_librarys_relay_amid_strangers_on_our_port(fates):
    check_on_each_system(fates, [()] + [((kind, moment),) for kind in ON_OUR_PORT for moment in (EARLY, SOON)])


@pytest.mark.parametrize("fates", [[AT_ONCE], [ACCEPTED_LATER], [RELAYED], [RESET]], ids=named)
def test_own_pair_or_right_error_amid_a_crowd_few_of_which_are_held(fates):
    check_on_each_system(fates, [[HAD_OUR_PORT]], crowd=300)


@pytest.mark.parametrize("fates", [[AT_ONCE], [SOON_CONNECTED], [RELAYED], [HESITANT]], ids=named)
def test_own_pair_amid_a_crowd_before_and_after_our_client(fates):
    check_on_each_system(fates, [()], crowd=100, crowd_later=200)


@pytest.mark.parametrize("fates", [[AT_ONCE], [SOON_CONNECTED], [RELAYED], [HESITANT]], ids=named)
def test_own_pair_in_time_amid_a_crowd_that_comes_again_and_again(fates):
    check_on_each_system(fates, [()], flood=200)


@pytest.mark.parametrize("clock", ["stands still", "is put back"])
def test_own_pair_or_right_error_though_the_clock_is_no_help(clock):
    for fates in [[NEVER], [RELAYED], [RESET]] + SLOW:
        check_on_each_system(fates, [(), (("silent", SOON),)], clock=clock)


@pytest.mark.parametrize("late", [0.3, 1.9, 2.0, 7.0])
def test_timeout_after_ten_seconds_though_waits_end_late(late):
    check_on_each_system([NEVER], [()] + [((kind, moment),) for kind in STRANGERS for moment in MOMENTS], late=late)


def test_own_pair_though_each_wait_ends_late():
    for fates in [[fate] for fate in FATES if fate.result == "direct"]:
        check_on_each_system(fates, [(), (("silent", EARLY),)], late=1.0)


@pytest.mark.skipif(AF_INET6 is None, reason="this Python has no AF_INET6")
def test_own_pair_or_the_right_error_in_time_over_ipv6():
    for fates in [[fate] for fate in FATES + DIVERTED if is_quick(fate)] + TRIES:
        check_on_each_system(fates, [(HAD_OUR_PORT, ("on our port elsewhere", EARLY))], family=AF_INET6)


@pytest.mark.parametrize("timeout", [0.0, 5.0])
def test_default_timeout_is_both_ends_alone(timeout):
    for fates in [[AT_ONCE], [RELAYED], [RESET], [ACCEPTED_LATER]]:
        check_on_each_system(fates, [(), TELLING[0]], timeout=timeout)


def test_own_pair_though_a_library_sends_a_few_bytes_at_a_time():
    for fates in [[RELAYED], [HESITANT], [SOON_CONNECTED], [TRICKLED]]:
        check_on_each_system(fates, [(), TELLING[0]], at_once=5)
