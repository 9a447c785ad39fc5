"""A stranger in a process of its own: connects in a loop to each address that it reads.

It reads a host and a port per line. It connects there until a connection fails, keeps at most 32 connections open, and
sends bytes on each. It prints a line after the first attempt to connect.
"""

import socket
import sys

AT_ONCE = 32
AT_MOST = 200000


def flood(address):
    held = []
    for number in range(AT_MOST):
        sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        held.append(sock)
        try:
            sock.settimeout(1)
            sock.connect(address)
            sock.sendall(b"I am a stranger.")
        except socket.error:
            break
        finally:
            if number == 0:
                sys.stdout.write("connected\n")
                sys.stdout.flush()
        if len(held) == AT_ONCE:  # more would fill the accept queue
            await_end(held.pop(0))
    for sock in held:
        sock.close()


def await_end(sock):
    try:
        sock.recv(1)
    except socket.error:
        pass
    sock.close()


for line in iter(sys.stdin.readline, ""):
    host, port = line.split()
    flood((host, int(port)))
