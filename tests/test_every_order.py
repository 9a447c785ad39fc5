"""Every order of events, on a model of each system's sockets: our own pair or the right error, in the time it needs."""

import errno
import itertools
import os
import socket

import pytest

from standins.model import A_BYTE, FATES, MOMENTS, STRANGERS, SYSTEMS, Sockets, World
from support import JYTHON, load_copy

EARLY, SOON = MOMENTS[:2]
ONE = [((kind, moment),) for kind in STRANGERS for moment in MOMENTS]
TWO_AT_ONCE = [
    ((kind, EARLY), (other, EARLY)) for kind, other in itertools.combinations_with_replacement(STRANGERS, 2)
]
ONE_AFTER_THE_OTHER = [((kind, EARLY), (other, SOON)) for kind, other in itertools.product(STRANGERS, repeat=2)]
PROOF = 16  # bytes
LATE = 0.1  # seconds
HELD = 66  # what is kept, the one that came last, and our own

copy = load_copy("on_a_model")


class NamedOs(object):
    def __init__(self, name):
        self.name = name
        self.urandom = os.urandom


def call(world):
    """Make a pair in world, and return it, or the socket.error."""
    copy.socket = Sockets(world)
    copy.os = NamedOs("java" if world.system.name == "Jython" else "posix")
    copy._now = world.now
    try:
        return copy.fallback_socketpair()
    except socket.error as error:
        return error


def soonest(fate):
    """When the pair, or the error, can be there."""
    if fate.result == "timed out":
        return 10
    if fate.relay == "trickling":
        return fate.connected + fate.takes + PROOF * A_BYTE
    return max(fate.arrives or 0, fate.connected or 0, fate.fails or 0) + fate.takes


def check(world):
    outcome = call(world)
    assert world.time <= soonest(world.fate) + LATE, "late"
    if world.fate.result == "pair":
        assert isinstance(outcome, tuple), outcome
        check_pair(world, *outcome)
    else:
        assert isinstance(outcome, socket.error), outcome
        check_error(world, outcome)
        outcome = ()
    assert [sock.closed for sock in world.made if sock not in outcome] == [1] * (len(world.made) - len(outcome))
    assert world.most_held <= HELD


def check_pair(world, server, client):
    assert server.end is world.own_end, "a stranger's"
    assert client is world.client
    for end in (server, client):
        assert end.blocks and end.timeout is None
    # Jython would hang up on server when a stranger is collected.
    accepted = [sock for sock in world.made if sock.state == "accepted"]
    keeps = world.system.name == "Jython" and any(sock is not server and not sock.end.reset for sock in accepted)
    assert not hasattr(client, "strangers") and hasattr(server, "strangers") == keeps
    if is_ordinary(world):
        assert client.end.sent == b""
    client.end.send(b"from client")
    server.end.send(b"from server")
    world.pass_time(1)
    # Of the proof nothing is left, nor was the user's first byte taken for it.
    assert server.end.incoming == b"from client"
    assert client.end.incoming == b"from server"


def is_ordinary(world):
    """Whether the first connection to come is our client's, and its address tells."""
    fate = world.fate
    alone = not (world.strangers or world.crowd or world.crowd_later or fate.relay)
    return alone and world.system.name_early == "own" and fate.connected >= fate.arrives


def check_error(world, error):
    if world.fate.result == "refused":
        assert error.errno == world.system.refused
    elif world.fate.result == "lost":
        assert error.errno in (errno.ECONNRESET, 10054)
    else:
        assert error.errno == errno.ETIMEDOUT
        assert world.time >= 10, "early"


each_fate = pytest.mark.parametrize("fate", FATES, ids=lambda fate: fate.name)


def check_on_each_system(fate, sets, **kwargs):
    for system in SYSTEMS:
        for strangers in sets:
            try:
                check(World(system, fate, strangers, **kwargs))
            except AssertionError as error:
                pytest.fail("on %s with %s: %s" % (system.name, strangers, error))


@each_fate
def test_own_pair_or_the_right_error_in_time_whichever_two_strangers_come_and_when(fate):
    # The ten seconds of a time-out take as long as all else together.
    later = [] if fate.result == "timed out" or JYTHON else ONE_AFTER_THE_OTHER
    check_on_each_system(fate, [()] + ONE + TWO_AT_ONCE + later)


@each_fate
def test_own_pair_or_the_right_error_in_time_amid_a_crowd_of_which_few_are_held_at_once(fate):
    check_on_each_system(fate, [()], crowd=300)


def test_own_connection_that_its_address_tells_or_that_has_proved_itself_is_kept_amid_a_crowd_that_comes_after_it():
    for system in SYSTEMS:
        for fate in FATES:
            told = fate.name == "accepted long before it is connected" and system.name_early == "own"
            if told or fate.name in ("relayed", "relayed when the first byte has come"):
                check(World(system, fate, [], crowd=100, crowd_later=200))


@each_fate
def test_own_pair_or_the_right_error_in_time_though_the_clock_stands_still(fate):
    check_on_each_system(fate, [()] + [((kind, SOON),) for kind in STRANGERS], clock_runs=False)
