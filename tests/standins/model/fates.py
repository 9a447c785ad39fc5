"""The possible fates of the client's connection in one attempt, and the kinds of strangers."""

import itertools
from collections import namedtuple

Fate = namedtuple(
    "Fate",
    "name"
    " result"  # "direct", "relayed", "refused", "lost", "timed out" or "port refused"
    " arrives"  # seconds until the listener can accept the connection
    " connected"  # seconds until the client is connected
    " fails"  # seconds until connect fails or the connection is reset, or "read": when the nonce has been read
    " relay"  # what the relay does: "eager", "lazy" (it waits for the first byte), ...
    " takes"  # seconds that the relay waits before it connects to the listener or hangs up
    " refuses"  # the call that fails because no port is free; "connecting": connect fails later
    " only_usual",  # whether only an attempt at the usual address has this fate
)
NOTHING = dict.fromkeys(Fate._fields, None)


def fate(name, result, **more):
    return Fate(**dict(NOTHING, name=name, result=result, **dict({"takes": 0}, **more)))


def direct(name, arrives, connected):
    return fate(name, "direct", arrives=arrives, connected=connected)


def relayed(name, relay, takes, connected=0.0002, result="relayed", only_usual=False):
    return fate(name, result, connected=connected, relay=relay, takes=takes, only_usual=only_usual)


# Time is virtual, but the model simulates each of the module's waits of at most 20 ms. So long times are slow.
SOON, LATE, VERY_LATE = 0.0002, 0.1, 1.2
A_BYTE = 0.005  # seconds for each byte, in the relay that trickles
HESITATION = 0.004  # seconds, in the relay that hesitates

AT_ONCE = direct("at once", 0, 0)
ACCEPTED_FIRST = direct("accepted before it is connected", 0, HESITATION)
CONNECTED_FIRST = direct("connected before it can be accepted", 0.01, 0)
REFUSED = fate("refused", "refused", fails=SOON)
NEVER = fate("never", "timed out")
RESET = fate("reset before it is accepted", "lost", arrives=SOON, connected=SOON / 2, fails=SOON / 2)
RELAYED = relayed("relayed", "eager", 0.001, 0)
LAZY = relayed("relayed from the first byte", "lazy", 0.001)
HESITANT = relayed("relayed by one that connects before it forwards", "hesitant", 0.0005)
NO_PORT = [
    fate("port refused by %s" % call, "port refused", fails=SOON, refuses=call)
    for call in ("bind", "listen", "connect", "connecting")
]
# An attacker's socket has met the client (a simultaneous open). The client's peer has the listener's address, but
# the listener never sees the client. The attacker can do this only at an address that it knows.
CAUGHT = relayed("caught", "eager", 0, 0, only_usual=True)
CAUGHT_AND_REPLACED = relayed("caught and reset, and its port taken", "replacing", 0, 0, "lost", only_usual=True)
# When the attacker has the nonce, it hides that socket, and connects to the listener, from the client's port if it can.
TWIN = relayed("caught, and its twin sends the nonce", "twin", 0.001, 0, only_usual=True)

# One fate of each kind. The tests combine them in rows of attempts, in all orders.
KINDS = [AT_ONCE, REFUSED, RESET, NO_PORT[0], RELAYED, LAZY, CAUGHT, CAUGHT_AND_REPLACED, TWIN]
# Fates that make a pair within milliseconds.
QUICK_PAIRS = [AT_ONCE, ACCEPTED_FIRST, CONNECTED_FIRST, RELAYED, LAZY, HESITANT]
FATES = [
    CONNECTED_FIRST,
    NEVER,
    fate("accepted but never connected", "timed out", arrives=SOON),
    fate("reset when the nonce is read", "lost", arrives=SOON, connected=SOON, fails="read"),
    relayed("relayed a byte at a time", "trickling", 0.001),
    HESITANT,
    relayed("relayed by one that hangs up", "hanging up", 0.1, result="lost"),
    relayed("relayed by one that resets", "resetting", 0.1, result="lost"),
    relayed("relayed by one that never connects to the listener", "never", 0, result="timed out"),
    relayed("caught, and forwarded from the first byte", "lazy", 0.001, only_usual=True),
    # The ports of one address can run out: each pair of asyncio leaves one in TIME_WAIT.
    NO_PORT[0]._replace(name="ports used up at the usual address", only_usual=True),
    REFUSED._replace(name="the usual address rejects", only_usual=True),
    NEVER._replace(name="the usual address drops", only_usual=True),
]
FATES += KINDS + NO_PORT[1:]
FATES += [fate("refused after %g s" % seconds, "refused", fails=seconds) for seconds in (0, LATE)]
FATES += [
    direct("accepted after %g s, connected after %g s" % moments, *moments)
    for moments in itertools.product((0, SOON, LATE), repeat=2)
    if any(moments)
]
FATES += [
    relayed(
        "relayed (%s): connected after %g s, relay connects %g s later" % details, details[0], details[2], details[1]
    )
    for details in itertools.product(("eager", "lazy"), (SOON, LATE), (0.001, 0.2))
]

# Rows of fates, one fate for each attempt. After the last fate, the row starts again.
ROWS = [
    [direct("very late", VERY_LATE, VERY_LATE)],
    [relayed("relayed by one that takes a second", "eager", 1.0)],
    [relayed("relayed by one that takes a second from the first byte on", "lazy", 1.0)],
    [fate("reset very late", "lost", arrives=VERY_LATE + SOON, connected=SOON, fails=VERY_LATE)],
    [RELAYED, relayed("relayed in seven seconds", "eager", 7.0), relayed("relayed in 3.5 seconds", "eager", 3.5)],
    [CAUGHT, NEVER],
    [RESET] * 9 + [AT_ONCE],
]

STRANGERS = ["silent", "half", "wrong", "wrong later", "closing", "resetting", "pending"]
# Seconds from listen() until a stranger connects. At the first moment, the client has not connected yet.
MOMENTS = [0.0, 0.0015, 0.06]
