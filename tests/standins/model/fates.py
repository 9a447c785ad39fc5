"""What may become of a client's connection, in one try, and the strangers that come."""

from collections import namedtuple

Fate = namedtuple(
    "Fate",
    "name"
    " arrives"  # seconds until it is there to be accepted
    " connected"  # seconds until the client is connected
    " fails"  # seconds until the connect fails, or the client is reset
    " relay"  # how it is relayed: "eager", "lazy" (from the first byte on), ...
    " takes"  # seconds that the relay takes
    " by"  # whose the relay is: "kernel", "library" or "attacker"
    " refuses"  # a port is refused: by "bind", "listen", "connect", "connecting", or as "used up" on the usual address
    " result",  # "direct", "relayed", "refused", "lost", "timed out", "port refused"
)


PLAIN = Fate(
    name="", arrives=None, connected=None, fails=None, relay=None, takes=0, by=None, refuses=None, result="direct"
)


def fate(name, **more):
    return PLAIN._replace(name=name, **more)


def relayed(name, relay, takes, connected=0.0002, by="kernel", result="relayed"):
    return fate(name, result=result, connected=connected, relay=relay, takes=takes, by=by)


# Time is virtual, but each wait of 20 ms is simulated.
SOON, LATE, VERY_LATE = 0.0002, 0.1, 1.2
AT_ONCE = fate("at once", arrives=0, connected=0)
SOON_CONNECTED = fate("soon", arrives=SOON, connected=SOON)
ACCEPTED_LATER = fate("connected before it can be accepted", arrives=2 * SOON, connected=0)
RESET = fate("reset before it is accepted", arrives=SOON, connected=SOON / 2, fails=SOON / 2, result="lost")
NEVER = fate("never", result="timed out")
RELAYED = relayed("relayed", "eager", 0.001, 0)
TRICKLED = relayed("relayed a byte at a time", "trickling", 0.001)
HESITANT = relayed("relayed by one that connects on before it hands on", "hesitant", 0.0005)
FATES = [
    AT_ONCE,
    SOON_CONNECTED,
    fate("late", arrives=LATE, connected=LATE),
    ACCEPTED_LATER,
    fate("connected long before it can be accepted", arrives=LATE, connected=SOON),
    fate("accepted before it is connected", arrives=0, connected=2 * SOON),
    fate("accepted long before it is connected", arrives=SOON, connected=LATE),
    fate("refused at once", fails=0, result="refused"),
    fate("refused soon", fails=SOON, result="refused"),
    fate("refused late", fails=LATE, result="refused"),
    NEVER,
    fate("accepted but never connected", arrives=SOON, result="timed out"),
    RESET,
    RELAYED,
    relayed("relayed late", "eager", 0.001, LATE),
    relayed("relayed slowly", "eager", 0.2),
    relayed("relayed when the first byte has come", "lazy", 0.001),
    relayed("relayed late when the first byte has come", "lazy", 0.001, LATE),
    relayed("relayed slowly from the first byte on", "lazy", 0.2),
    TRICKLED,
    HESITANT,
    relayed("relayed by one that hangs up", "hanging up", 0.1, result="lost"),
    relayed("relayed by one that breaks off", "breaking off", 0.001, result="lost"),
    relayed("relayed by one that resets", "resetting", 0.1, result="lost"),
    relayed("relayed by one that never connects on", "never", 0, result="timed out"),
]
A_BYTE = 0.005  # seconds, in the relay that trickles
HESITATION = 0.0013  # seconds, in the one that hesitates

# The client is connected to a relay of a library's, and has its address for its peer.
DIVERTED = [
    relayed("diverted to a relay", "eager", 0.001, 0, by="library"),
    relayed("diverted to a relay from the first byte on", "lazy", 0.001, by="library"),
    relayed("diverted to a slow relay", "eager", 0.2, 0, by="library"),
]

# A socket that was on its way from the listener's port to our client's has met our client (a simultaneous open): the
# client has the listener's address for its peer, and the listener never sees it. Whoever holds that socket hands on
# what it hears, or resets it.
CAUGHT = relayed("caught", "eager", 0, 0, "attacker")
CAUGHT_LATER = relayed("caught, and handed on later", "lazy", 0.001, by="attacker")
CAUGHT_AND_RESET = relayed("caught and reset", "resetting", 0.001, by="attacker", result="lost")
CAUGHT_AND_REPLACED = relayed(
    "caught and reset, and our port taken", "taking our port after resetting", 0, 0, "attacker", result="lost"
)
CAUGHT_AND_LEFT = relayed("caught, left and reset", "hanging up and resetting", 0.001, by="attacker", result="lost")

BIND, LISTEN, CONNECT, CONNECTING = [
    fate("port refused by %s" % call, fails=SOON, refuses=call, result="port refused")
    for call in ("bind", "listen", "connect", "connecting")
]
# asyncio closes the end that makes TIME_WAIT the listener's; Windows says 10055 after some thousands of event loops.
USED_UP = AT_ONCE._replace(name="ports used up", refuses="used up")

# One fate for each try; the last stays. Ten seconds are for all of them.
SLOW = [
    [fate("very late", arrives=VERY_LATE, connected=VERY_LATE)],
    [relayed("relayed by one that takes a second", "eager", 1.0)],
    [relayed("relayed by one that takes a second from the first byte", "lazy", 1.0)],
    [fate("reset very late", arrives=VERY_LATE + SOON, connected=SOON, fails=VERY_LATE, result="lost")],
    [relayed("relayed very slowly", "eager", 1.5), relayed("relayed very slowly", "lazy", 1.5), BIND],
    [RELAYED, relayed("relayed in seconds", "eager", 7.0), relayed("relayed in seconds", "eager", 3.5)],
    [CAUGHT, NEVER],
]
TRIES = SLOW + [
    [CAUGHT, AT_ONCE],
    [CAUGHT, CAUGHT, AT_ONCE],
    [CAUGHT_LATER, CAUGHT_LATER, AT_ONCE],
    [CAUGHT_AND_RESET, AT_ONCE],
    [CAUGHT_AND_REPLACED, AT_ONCE],
    [CAUGHT_AND_LEFT, AT_ONCE],
    [CAUGHT, CAUGHT_AND_RESET, CAUGHT, CAUGHT, AT_ONCE],
    [CAUGHT, CAUGHT, BIND, CAUGHT, CAUGHT, AT_ONCE],
    [CAUGHT, RELAYED, RELAYED],
    [RELAYED, RELAYED, CONNECT, RELAYED],
    [RESET] * 9 + [AT_ONCE],
    [RESET, CAUGHT] * 9 + [AT_ONCE],
    [RESET, CAUGHT] * 10,
    [BIND],
    [LISTEN],
    [CONNECT],
    [CONNECTING],
    [BIND, LISTEN, CONNECT, CONNECTING] * 2 + [AT_ONCE],
    [CONNECT] * 9 + [AT_ONCE],
    [CONNECT] * 9 + [fate("refused", fails=0, result="refused")],
    [BIND] * 3 + [RELAYED],
    [USED_UP],
]

# Kinds of unrelated peers, and seconds from when the listener listens until they come, the first before our client.
STRANGERS = ["wrong later", "silent", "closing", "resetting", "wrong", "half", "pending", "on our port elsewhere"]
MOMENTS = [0.0, 0.0015, 0.06]
# Only before our client has its port: connected, spoken, reset.
HAD_OUR_PORT = ("had our port", MOMENTS[0])
# Only where our client is connected elsewhere.
ON_OUR_PORT = ["silent on our port", "wrong on our port"]
