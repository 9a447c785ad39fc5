"""A process that meets a client on its way to a listener, and so stands between them: a simultaneous open.

    man_in_the_middle.py relaying|resetting FIRST-PORT LAST-PORT ELSEWHERE

A socket that is bound to the listener's port, and on its way to the client's, gets what the client sends to the
listener, since Linux looks for a connection before it looks for a listener. To have the port although a listener is
given it later, and to be there before the client is, the socket goes

1. elsewhere, to an address of this machine that is not loopback's, so that its own is none of loopback's either, and
   in nobody's way;
2. when there is a listener, to each port that a client may have. It must not hear that nobody is there yet, and so
   takes no packet that is not from a neighbour: no answer says that it is.

Reads a line at a time, and answers with a line when it is done: "prepare"; "meet HOST PORT", where somebody listens;
"caught" has the number of clients as its answer. A client that it has caught it relays, or resets. Linux, on a network
that gives out the ports from the first to the last; it takes no privilege, and gives up what it has.
"""

import ctypes
import os
import select
import socket
import struct
import sys
import threading
import time

IP_MINTTL, IPV6_MINHOPCOUNT = 21, 73
NEIGHBOURS, ANYBODY = 255, 0
RESET = struct.pack("ii", 1, 0)
NOBODY = 65534
libc = ctypes.CDLL(None, use_errno=True)


def hear(sock, whom):
    if sock.family == socket.AF_INET:
        sock.setsockopt(socket.IPPROTO_IP, IP_MINTTL, whom)
    else:
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_MINHOPCOUNT, whom)


def call_back(sock):
    unspecified = struct.pack("=H26x", socket.AF_UNSPEC)
    if libc.connect(sock.fileno(), unspecified, len(unspecified)):
        raise OSError(ctypes.get_errno(), "connect to AF_UNSPEC")


def bind_when_free(sock, port):
    deadline = time.monotonic() + 5
    while True:
        try:
            sock.bind(("", port))
            return
        except OSError:  # what was closed just now has it
            if time.monotonic() > deadline:
                raise
            time.sleep(0.001)


def carry(source, sink):
    try:
        data = source.recv(65536)
        while data:
            sink.sendall(data)
            data = source.recv(65536)
    except OSError:
        pass
    for sock in (source, sink):
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


class Man:
    def __init__(self, does, first, last, elsewhere):
        self.does = does
        self.elsewhere = elsewhere
        self.family, self.loopback = (socket.AF_INET6, "::1") if ":" in elsewhere else (socket.AF_INET, "127.0.0.1")
        ports = range(int(first), int(last) + 1)
        # Linux gives every other port to who binds, and the rest to who connects, as long as there are any.
        self.client_ports = ports[::2]
        self.held = {port: [] for port in ports[1::2]}
        self.opened = []
        self.caught = 0

    def open(self):
        sock = socket.socket(self.family)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.opened.append(sock)
        return sock

    def prepare(self):
        """Have a socket for each pair of ports that a listener and a client may have."""
        for sock in self.opened:
            sock.close()
        self.opened = []
        for port in self.held:
            self.held[port] = [self.hold(port, number) for number, _ in enumerate(self.client_ports)]

    def hold(self, port, number):
        sock = self.open()
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        hear(sock, NEIGHBOURS)
        bind_when_free(sock, port)
        # No two may go from one port to the same.
        sock.connect_ex((self.elsewhere, 1 + number))
        return sock

    def meet(self, host, port):
        port = int(port)
        on_their_way, self.held[port] = self.held.get(port, []), []
        poll = select.poll()
        for sock, client_port in zip(on_their_way, self.client_ports):
            call_back(sock)
            # Its own address is the same then. Another cannot be had: the listener is bound to the port there.
            sock.connect_ex((self.loopback, client_port))
            hear(sock, ANYBODY)
            poll.register(sock, select.POLLOUT)
        threading.Thread(target=self.catch, args=(on_their_way, poll, (host, port)), daemon=True).start()

    def catch(self, on_their_way, poll, listener):
        caught = []
        events = True
        while events and not caught:
            events = poll.poll(5000)
            established = [number for number, event in events if event == select.POLLOUT]
            caught = [sock for sock in on_their_way if sock.fileno() in established]
        for sock in on_their_way:
            if sock not in caught[:1]:
                sock.close()  # lest it meets the one below that goes to the listener
        if caught:
            self.caught += 1
            self.serve(caught[0], listener)

    def serve(self, sock, listener):
        if self.does == "resetting":
            sock.close()
            return
        sock.setblocking(True)
        onward = self.open()
        onward.connect(listener)
        for ends in ((sock, onward), (onward, sock)):
            threading.Thread(target=carry, args=ends, daemon=True).start()


def main():
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    man = Man(*sys.argv[1:])
    for line in sys.stdin:
        command, *words = line.split()
        if command == "caught":
            print(man.caught, flush=True)
        else:
            getattr(man, command)(*words)
            print("done", flush=True)


if __name__ == "__main__":
    main()
