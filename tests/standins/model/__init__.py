"""The systems' sockets as the module sees them, in virtual time: no thread, no sleep, no network.

A World is one call's surroundings: a system with its ways, fates of the client's connection, one for each try, and
strangers. What no system does, or the module must never do, is an AssertionError on the spot.
"""
