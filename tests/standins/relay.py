"""A relay that accepts connections meant for another address, and connects to that address itself."""

import os
import select
import socket
import threading

from standins.sockets import StandIn, connect_ex_of
from support import JYTHON, RESET, RealSocket, discard, in_thread, usual

MAPPED = "::ffff:"  # the prefix of IPv4-mapped IPv6 addresses; connections to them use IPv4


class Relay(object):
    """A relay that connects to the target, from a port of its own, for each client that comes to it instead.

    how: "eager", "lazy" (once the client has sent something), "greeting" (it sends bytes of its own), "garbling" (it
    reverses the bytes), "hanging up", "resetting" or "never" (it accepts the connection and does nothing more).
    """

    def __init__(self, family, how, port=0):
        self.family, self.how = family, how
        self.target = None
        self.stopped = threading.Event()
        self.socks, self.threads = [], []
        self.listeners = [self.listen(family, port)]
        if family != socket.AF_INET and os.name == "posix" and not port:
            self.listeners.append(self.listen(socket.AF_INET))  # for clients that connect to a mapped address
        self.acceptor = in_thread(self.accept_until_stopped)

    def open(self, family):
        sock = RealSocket(family, socket.SOCK_STREAM)
        sock.setblocking(True)
        self.socks.append(sock)
        return sock

    def listen(self, family, port=0):
        listener = self.open(family)
        listener.bind((usual(family), port))
        listener.listen(128)
        return listener

    @property
    def address(self):
        """Return the address that a client connects to instead of the target."""
        is_mapped = self.target is not None and self.target[0].startswith(MAPPED)
        host, port = self.listeners[is_mapped].getsockname()[:2]
        return MAPPED * is_mapped + host, port

    def instead_of(self, target):
        """Set the target of the next client. Return the address that it connects to instead."""
        self.target = target
        return self.address

    def relayed(self, cls=StandIn):
        """Return a stand-in class that connects to this relay instead."""
        relay = self

        class Relayed(cls):
            def connect_ex(self, address):
                return connect_ex_of(cls, self)(relay.instead_of(address))

            connect = connect_ex  # for CPython's function, which ignores the EINPROGRESS of connect()

        return Relayed

    def meant_for(self, near):
        """Return the address that near's client meant to connect to."""
        return self.target

    def stop(self):
        self.stopped.set()
        poke = RealSocket(self.family, socket.SOCK_STREAM)
        poke.settimeout(1)
        try:
            poke.connect(self.listeners[0].getsockname())
        except socket.error:  # the acceptor has ended
            pass
        self.acceptor.join(10)
        for thread in list(self.threads):
            thread.join(10)
        poke.close()
        discard(*self.socks)

    # These run in threads: one that accepts, and two for each client

    def accept_until_stopped(self):
        while True:
            for listener in select.select(self.listeners, [], [], 60)[0]:
                if self.stopped.is_set():
                    return
                near, _ = listener.accept()
                near = getattr(near, "real", near)  # Python 3 makes it with the class that replaces socket.socket
                near.setblocking(True)
                self.socks.append(near)
                self.threads.append(in_thread(self.serve, near))

    def has_more(self, sock):
        """Wait until sock can be read, and return True. Return False if the relay is stopped."""
        while not self.stopped.is_set():
            # stop() ends this wait: it connects to the listener, and nobody accepts that connection.
            if sock in select.select([sock, self.listeners[0]], [], [], 60)[0] and not self.stopped.is_set():
                return True
        return False

    def serve(self, near):
        if self.how == "never" or self.meant_for(near) is None:  # a stranger that comes before our client
            return
        try:
            if self.how == "resetting":
                near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            elif self.how != "hanging up" and (self.how != "lazy" or self.has_more(near)):
                self.connect_on(near)
        except (socket.error, select.error):  # the client has gone, or its listener
            pass
        near.close()

    def connect_on(self, near):
        host, port = self.meant_for(near)
        is_mapped = host.startswith(MAPPED)
        family = socket.AF_INET if is_mapped else self.family
        far = self.open(family)
        # Without bind(), the system may give it the client's port, since the two connect to different listeners.
        far.bind((usual(family), 0))
        try:
            far.connect((host[len(MAPPED) * is_mapped :], port))
            for sock in (near, far):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if JYTHON:  # its recv() would wait forever if the other thread has closed the socket
                    sock.settimeout(1)
            back = in_thread(self.carry, far, near)
            self.carry(near, far)
            back.join()
        finally:
            far.close()

    def carry(self, source, sink):
        try:
            while self.has_more(source):
                data = source.recv(65536)
                if not data:
                    break
                if self.how == "greeting":
                    source.sendall(b"hello")
                sink.sendall(data[::-1] if self.how == "garbling" else data)
            hang_up(sink, socket.SHUT_WR)
        except (socket.error, select.error):  # either has gone
            for sock in (source, sink):
                hang_up(sock, socket.SHUT_RDWR)


def hang_up(sock, how):
    try:
        # Jython does not deliver a half-close.
        sock.close() if JYTHON else sock.shutdown(how)
    except socket.error:  # it has gone already
        pass
