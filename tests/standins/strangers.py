"""Strangers that connect to our port, listeners that do not answer, and ports that refuse a connection."""

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


# The kinds of strangers: each function runs when the stranger is connected.
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
    """Wait until a connection can be accepted. Otherwise Jython's threads might put a later one before it."""
    assert select.select([listener], [], [], 10)[0]


def after_strangers(kinds, cls=StandIn):
    """Return a stand-in class and a list of strangers. One of each kind connects to each listener before our client."""
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
    """Return a listener with a full backlog, and the sockets that fill it. It answers no further client."""
    listener = RealSocket(family, socket.SOCK_STREAM)
    listener.bind((host, 0))
    listener.listen(0)
    fillers = [RealSocket(family, socket.SOCK_STREAM) for _ in range(4)]
    for filler in fillers:
        filler.setblocking(False)
        filler.connect_ex(listener.getsockname())
    return listener, fillers


def closed_port(family, host):
    """Return a socket and its port, which refuses connections. Nobody else gets the port until the socket is closed."""
    if JYTHON:
        # Jython's own sockets have no port before they listen, and another thread closes them.
        holder = Socket()
        holder.bind(InetSocketAddress(host, 0))
        return holder, holder.getLocalPort()
    holder = RealSocket(family, socket.SOCK_STREAM)
    holder.bind((host, 0))
    return holder, holder.getsockname()[1]


def connect_and_reset(family, address, port=0):
    """Connect to address, send something, and reset the connection. Return the stranger's port, which is free again.

    port may be another socket's, if that socket has set SO_REUSEADDR.
    """
    stranger = RealSocket(family, socket.SOCK_STREAM)
    if port:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Bind before connecting: bind(), unlike connect(), never chooses a port in TIME_WAIT. So it can be bound again.
    stranger.bind((address[0], port))
    stranger.connect(address)
    port = stranger.getsockname()[1]
    stranger.sendall(SPOKEN)
    discard(stranger)
    return port


class Flooder(object):
    """A stranger in a process of its own, which runs flooder.py."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), "flooder.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            universal_newlines=True,
        )

    def flood(self, host, port):
        """Make the process connect to this address in a loop. Return after the first attempt."""
        self.process.stdin.write("%s %d\n" % (host, port))
        self.process.stdin.flush()
        assert self.process.stdout.readline().strip() == "connected"

    def stop(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
