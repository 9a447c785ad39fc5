"""A model of the systems' sockets in virtual time: no thread, no sleep, no network.

A World is the surroundings of one call: a system, the fate of the client's connection in each attempt, and strangers.
A call that no system allows, or that the module must never make, raises AssertionError at once.
"""
