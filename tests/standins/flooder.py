"""The stranger in a process of its own: connects in a loop to each port it is told.

Reads a host and a port per line. Answers with a line once its first connection stands, goes on
connecting until it is refused or turned away for good, then reads the next line.
"""

import socket
import sys

AT_ONCE = 32
AT_MOST = 200000


def flood(address):
    held = []
    for number in range(AT_MOST):
        sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        try:
            sock.settimeout(1)
            sock.connect(address)
            sock.sendall(b"stranger")
            held.append(sock)
        except socket.error:
            sock.close()
            break
        finally:
            if number == 0:
                sys.stdout.write("connected\n")
                sys.stdout.flush()
        if len(held) == AT_ONCE:
            held.pop(0).close()
    for sock in held:
        sock.close()


for line in iter(sys.stdin.readline, ""):
    host, port = line.split()
    flood((host, int(port)))
