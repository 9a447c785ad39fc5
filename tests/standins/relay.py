"""A relay: takes the connections of clients that wanted to go elsewhere, and connects on."""

import select
import socket
import threading
from timeit import default_timer

from standins.sockets import StandIn, connect_ex_of
from standins.strangers import RESET
from support import HOSTS, JYTHON, RealSocket, close, in_thread


class Relay(object):
    """Connects on, from an address of its own, for each client whose connect comes to it instead.

    how: "eager", "lazy" (only once the client has sent something), "slow" (only after a while), "trickling" (a byte at
    a time), "hanging up", "resetting" or "never" (it takes the connection and keeps it).
    """

    WHILE = 0.1  # seconds that the slow one takes
    TRICKLE = 20  # bytes each way, after which it is as fast as others

    def __init__(self, family, how, port=0):
        self.family = family
        self.how = how
        self.target = None
        self.held = 0.0  # seconds that it took its time for, in all
        self.stopped = threading.Event()
        self.socks = []
        self.threads = []
        self.listener = self.open()
        self.listener.bind((HOSTS["AF_INET" if family == socket.AF_INET else "AF_INET6"], port))
        self.listener.listen(128)
        self.address = self.listener.getsockname()[:2]
        self.acceptor = in_thread(self.accept_until_stopped)

    def open(self):
        sock = RealSocket(self.family, socket.SOCK_STREAM)
        sock.setblocking(True)
        self.socks.append(sock)
        return sock

    def relayed(self, cls=StandIn):
        """A stand-in whose connect comes here."""
        relay = self

        class Relayed(cls):
            def connect_ex(self, address):
                relay.target = address
                return connect_ex_of(cls, self)(relay.address)

            connect = connect_ex  # for CPython's function, which passes over what connect raises

        return Relayed

    def meant_for(self, near):
        """Where the client at the other end of near wanted to go."""
        return self.target

    def stop(self):
        self.stopped.set()
        poke = RealSocket(self.family, socket.SOCK_STREAM)
        try:
            poke.connect(self.address)
        except socket.error:  # it had ended
            pass
        self.acceptor.join(10)
        for thread in list(self.threads):
            thread.join(10)
        poke.close()
        close(*self.socks)

    # In the threads: one that accepts, and two for each client

    def accept_until_stopped(self):
        while self.await_any(self.listener):
            near, _ = self.listener.accept()
            near = getattr(near, "real", near)  # Python 3 makes it with what stands for socket.socket
            near.setblocking(True)
            self.socks.append(near)
            self.threads.append(in_thread(self.serve, near))

    def await_any(self, sock):
        """Whether sock can be read: it cannot when the relay is stopped."""
        while not self.stopped.is_set():
            # Who stops it connects to the listener, and is not accepted.
            if sock in select.select([sock, self.listener], [], [], 60)[0] and not self.stopped.is_set():
                return True
        return False

    def serve(self, near):
        if self.how == "never":
            return
        try:
            if self.how == "resetting":
                near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            elif self.how != "hanging up" and (self.how != "lazy" or self.await_any(near)):
                self.connect_on(near)
        except (socket.error, select.error):  # the client has gone, or its listener
            pass
        near.close()

    def connect_on(self, near):
        target = self.meant_for(near)
        if self.how == "slow":
            started = default_timer()
            self.stopped.wait(self.WHILE)
            self.held += default_timer() - started
        far = self.open()
        # Else it may be given the client's very port, since the two go to different listeners.
        far.bind((self.address[0], 0))
        try:
            far.connect(target)
            for sock in (near, far):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if JYTHON:  # where recv() of what the other thread has closed would wait for ever
                    sock.settimeout(1)
            back = in_thread(self.carry, far, near)
            self.carry(near, far)
            back.join()
        finally:
            far.close()

    def carry(self, source, sink):
        count = 0
        started = None
        try:
            while self.await_any(source):
                data = source.recv(1 if self.how == "trickling" and count < self.TRICKLE else 65536)
                if not data:
                    break
                count += len(data)
                started = started or default_timer()
                if self.how == "trickling" and count <= self.TRICKLE:
                    self.stopped.wait(0.002)
                    self.held += default_timer() - started if count == 16 else 0  # bytes that a nonce has
                sink.sendall(data)
            hang_up(sink, socket.SHUT_WR)
        except (socket.error, select.error):  # either has gone
            for sock in (source, sink):
                hang_up(sock, socket.SHUT_RDWR)


def hang_up(sock, how):
    try:
        # Jython does not deliver half of a close.
        sock.close() if JYTHON else sock.shutdown(how)
    except socket.error:  # it has gone already
        pass
