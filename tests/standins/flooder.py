"""A stranger in a process of its own: connects in a loop to each port that it reads.

Reads a way, a host and a port per line, and answers with a line when it is under way:

flood    one connection after the other, 32 at a time, which speak, until it is refused;
crowd    200 at a time, which are silent, and others for those that are hung up on, until it is refused.
"""

import select
import socket
import sys

AT_ONCE = 32
AT_MOST = 200000
CROWD = 200
MOMENT = 0.001 if sys.platform.startswith("linux") else 0.02  # seconds


def answer():
    sys.stdout.write("connected\n")
    sys.stdout.flush()


def stranger(address):
    return socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)


def flood(address):
    held = []
    for number in range(AT_MOST):
        sock = stranger(address)
        try:
            sock.settimeout(1)
            sock.connect(address)
            sock.sendall(b"I am a stranger.")
            held.append(sock)
        except socket.error:
            sock.close()
            break
        finally:
            if number == 0:
                answer()
        if len(held) == AT_ONCE:  # more would fill the queue
            await_end(held.pop(0))
    for sock in held:
        sock.close()


def await_end(sock):
    try:
        sock.recv(1)
    except socket.error:
        pass
    sock.close()


def crowd(address):
    """Fill the listener's queue before the answer, and keep it full."""
    held = []
    answered = refused = False
    while not refused:
        full = False
        while len(held) < CROWD and not full and not refused:
            sock = stranger(address)
            sock.setblocking(False)
            sock.connect_ex(address)
            # On loopback it is connected in a moment, or there is no room.
            _, done, failed = select.select([], [sock], [sock], MOMENT)
            full = not done and not failed
            refused = failed or (done and sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
            sock.close() if full or refused else held.append(sock)
        if full and not answered:
            answer()
            answered = True
        for sock in select.select(held, [], [], MOMENT)[0] if held else []:
            held.remove(sock)
            sock.close()
    for sock in held:
        sock.close()


for line in iter(sys.stdin.readline, ""):
    way, host, port = line.split()
    {"flood": flood, "crowd": crowd}[way]((host, int(port)))
