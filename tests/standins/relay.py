"""A relay of this process's, for one client whose connect comes to it."""

import select
import socket
import threading
from timeit import default_timer

from standins.sockets import StandIn, connect_ex_of
from standins.strangers import RESET
from support import HOSTS, JYTHON, RealSocket, close, in_thread


class Relay(object):
    """Connects on, from an address of its own, for one client whose connect comes to it instead.

    how: "eager", "lazy" (only once the client has sent something), "slow" (only after a while), "trickling" (a byte at
    a time), "hanging up", "resetting" or "never" (it takes the connection and keeps it).
    """

    WHILE = 0.1  # seconds that the slow one takes

    def __init__(self, family, how):
        self.family = family
        self.how = how
        self.target = None
        self.has_passed_on = threading.Event()  # as many bytes as a proof has
        self.passed_on = None  # when that was
        self.stopped = threading.Event()
        self.socks = []
        self.listener = self.open()
        self.listener.bind((HOSTS["AF_INET" if family == socket.AF_INET else "AF_INET6"], 0))
        self.listener.listen(5)
        self.address = self.listener.getsockname()[:2]
        self.thread = in_thread(self.serve_until_stopped)

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

    def others(self, made):
        """What a stand-in made less what is the relay's own."""
        return [sock for sock in made if sock.real not in self.socks]

    def stop(self):
        self.stopped.set()
        poke = RealSocket(self.family, socket.SOCK_STREAM)
        try:
            poke.connect(self.address)
        except socket.error:  # it had ended
            pass
        self.thread.join(10)
        poke.close()

    # In the thread

    def serve_until_stopped(self):
        try:
            self.serve()
        except socket.error:  # the pair was given up
            pass
        self.stopped.wait(60)
        close(*self.socks)

    def serve(self):
        if not self.await_any(self.listener):
            return
        near, _ = self.listener.accept()
        near = getattr(near, "real", near)  # Python 3 makes it with what stands for socket.socket
        near.setblocking(True)
        self.socks.append(near)
        if self.how in ("hanging up", "resetting"):
            if self.how == "resetting":
                near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            near.close()
        if self.how in ("hanging up", "resetting", "never"):
            return
        if self.how == "lazy" and not self.await_any(near):
            return
        if self.how == "slow":
            self.stopped.wait(self.WHILE)
        far = self.open()
        # Else it may be given the client's very port, since the two go to different listeners.
        far.bind((self.address[0], 0))
        far.connect(self.target)
        self.pump({near: far, far: near})

    def await_any(self, *socks):
        """Return those that can be read, or none when the relay is stopped."""
        # Who stops it connects to the listener.
        readable = select.select(socks + (self.listener,), [], [], 60)[0]
        return [] if self.stopped.is_set() else readable

    def pump(self, targets):
        in_bytes = 20 if self.how == "trickling" else 0
        count = 0
        for sock in targets:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while targets:
            readable = self.await_any(*targets)
            if not readable:
                return
            for source in readable:
                data = source.recv(1 if in_bytes > 0 else 65536)
                if not data:
                    target = targets.pop(source)
                    # Jython does not deliver half of a close.
                    target.close() if JYTHON else target.shutdown(socket.SHUT_WR)
                    if JYTHON:
                        return
                    continue
                targets[source].sendall(data)
                count += len(data)
                if count >= 16 and not self.has_passed_on.is_set():
                    self.passed_on = default_timer()
                    self.has_passed_on.set()
                if in_bytes > 0:
                    in_bytes -= 1
                    self.stopped.wait(0.002)
