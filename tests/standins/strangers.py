"""What else is on a machine: processes that connect to our port, listeners that do not answer, ports that refuse."""

import os
import select
import socket
import subprocess
import sys

from standins.sockets import StandIn
from support import JYTHON, RealSocket, discard

if JYTHON:
    from java.net import InetSocketAddress, Socket

SPOKEN = b"I am a stranger."  # as many bytes as a nonce has


# What a stranger does when it is connected.
KINDS = [
    lambda stranger: None,
    lambda stranger: stranger.close(),
    discard,
    lambda stranger: stranger.sendall(SPOKEN[:8]),
    lambda stranger: stranger.sendall(SPOKEN),
    lambda stranger: stranger.sendall(SPOKEN * 60),
]


def stranger_to(address, family):
    stranger = RealSocket(family, socket.SOCK_STREAM)
    stranger.settimeout(10)
    stranger.connect(address)
    return stranger


def await_connection(listener):
    """Return when there is one to accept: Jython's threads might put a later one before it."""
    assert select.select([listener], [], [], 10)[0]


def after_strangers(kinds, cls=StandIn):
    """A stand-in to whose listeners strangers of these kinds connect before our own client does; and the strangers."""
    strangers = []

    class AfterStrangers(cls):
        def listen(self, backlog):
            self.real.listen(backlog)
            address = self.real.getsockname()[:2]
            for kind in kinds:
                strangers.append(stranger_to(address, socket.AF_INET6 if ":" in address[0] else socket.AF_INET))
                await_connection(self.real)
                kind(strangers[-1])

    return AfterStrangers, strangers


def full_listener(family, host):
    """A listener whose backlog is full, so that it answers no further client; and what fills it."""
    listener = RealSocket(family, socket.SOCK_STREAM)
    listener.bind((host, 0))
    listener.listen(0)
    fillers = [RealSocket(family, socket.SOCK_STREAM) for _ in range(4)]
    for filler in fillers:
        filler.setblocking(False)
        filler.connect_ex(listener.getsockname())
    return listener, fillers


def closed_port(family, host):
    """A port that nobody else is given until what holds it is closed, and that refuses to be connected to."""
    if JYTHON:
        # Its own sockets have no port before they listen, and close in another thread.
        holder = Socket()
        holder.bind(InetSocketAddress(host, 0))
        return holder, holder.getLocalPort()
    holder = RealSocket(family, socket.SOCK_STREAM)
    holder.bind((host, 0))
    return holder, holder.getsockname()[1]


def connect_and_reset(family, address, port=0):
    """Connect there, send something, and reset the connection; the port that it came from, which is free again.

    A port that is given may be another socket's that shares it.
    """
    stranger = RealSocket(family, socket.SOCK_STREAM)
    if port:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Bound first, for a port that is not in TIME_WAIT either, and so can be bound again.
    stranger.bind((address[0], port))
    stranger.connect(address)
    port = stranger.getsockname()[1]
    stranger.sendall(SPOKEN)
    discard(stranger)
    return port


class Flooder(object):
    """The stranger in a process of its own."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), "flooder.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            universal_newlines=True,
        )

    def flood(self, host, port):
        """Keep connecting there; return when a connection stands."""
        self.process.stdin.write("%s %d\n" % (host, port))
        self.process.stdin.flush()
        assert self.process.stdout.readline().strip() == "connected"

    def stop(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
