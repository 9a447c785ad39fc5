"""A model of the systems' sockets in virtual time: no thread, no sleep, no network.

A World is the environment of one call of the function: a system, the fate of the client's connection in each attempt,
and strangers. A socket call that no system allows, or that the module must never make, raises AssertionError at once.
"""
