"""What the tests and the comparison share: a stand-in for socket.socket, the system's table of sockets."""

import os
import select
import socket
import stat
import subprocess
import sys
import time
import types

JYTHON = sys.platform.startswith("java")
WINDOWS = os.name == "nt"
if WINDOWS:
    import ctypes
if JYTHON:
    from java.net import InetSocketAddress, Socket
RealSocket = socket.socket


class StandIn(object):
    """Passes every call on to a real socket. Tests override the calls they have something to do in."""

    def __init__(self, *args, **kwargs):
        self.real = kwargs.pop("real", None) or RealSocket(*args, **kwargs)

    def __getattr__(self, name):
        return getattr(self.real, name)

    def accept(self):
        sock, peer = self.real.accept()
        # Python 3 makes the accepted socket with socket.socket, which is the stand-in already.
        return (sock if isinstance(sock, StandIn) else type(self)(real=sock)), peer


def passing_calls(pass_on):
    """A stand-in whose every call goes through pass_on(name, call), the making of a socket included."""

    class Passing(StandIn):
        def __init__(self, *args, **kwargs):
            def make():
                StandIn.__init__(self, *args, **kwargs)

            # An accepted socket, which is given by name, is part of the call to accept.
            make() if kwargs else pass_on("socket", make)

        def __getattr__(self, name):
            method = getattr(self.real, name)
            return lambda *args: pass_on(name, lambda: method(*args))

        def accept(self):
            return pass_on("accept", lambda: StandIn.accept(self))

    return Passing


def full_listener(family, host):
    """A listener whose backlog is full, so that it answers no further client; and what fills it."""
    listener = RealSocket(family, socket.SOCK_STREAM)
    listener.bind((host, 0))
    listener.listen(0)
    fillers = [RealSocket(family, socket.SOCK_STREAM) for _ in range(4)]
    for filler in fillers:
        filler.setblocking(False)
        filler.connect_ex(listener.getsockname())
    return listener, fillers


def closed_port(family, host):
    """A port that nobody else is given until what holds it is closed, and that refuses to be connected to."""
    if JYTHON:
        # Its own sockets have no port before they listen, and close in another thread.
        holder = Socket()
        holder.bind(InetSocketAddress(host, 0))
        return holder, holder.getLocalPort()
    holder = RealSocket(family, socket.SOCK_STREAM)
    holder.bind((host, 0))
    return holder, holder.getsockname()[1]


def await_connection(listener):
    """Return when there is one to accept: Jython's threads might put a later one before it."""
    assert select.select([listener], [], [], 10)[0]


class Flooder(object):
    """The stranger in a process of its own."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), "flooder.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            universal_newlines=True,
        )

    def flood(self, host, port):
        """Keep connecting there; return when the first connection stands."""
        self.process.stdin.write("%s %d\n" % (host, port))
        self.process.stdin.flush()
        assert self.process.stdout.readline().strip() == "connected"

    def stop(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def close(*socks):
    for sock in socks:
        sock.close()


def is_closed(sock):
    """Whether the system has taken this socket back."""
    try:
        return sock.fileno() == -1
    except socket.error:  # Python 2
        return True


def open_sockets():
    """How many sockets this process has, by the operating system's own table."""
    if WINDOWS:
        return sum(map(is_socket_handle, range(4, 0x4000, 4)))
    folder = "/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"
    return sum(is_socket_descriptor(os.path.join(folder, name)) for name in os.listdir(folder))


def is_socket_handle(handle):
    kind, size = ctypes.c_int(), ctypes.c_int(4)
    return not ctypes.windll.ws2_32.getsockopt(
        ctypes.c_void_p(handle),
        socket.SOL_SOCKET,
        socket.SO_TYPE,
        ctypes.byref(kind),
        ctypes.byref(size),
    )


def is_socket_descriptor(path):
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:  # it was listdir's own
        return False


def assert_open_sockets(expected):
    """On Jython soon, since it opens and closes in threads of its own; elsewhere at once."""
    deadline = time.time() + (10 if JYTHON else 0)
    while open_sockets() != expected and time.time() < deadline:
        time.sleep(0.005)
    assert open_sockets() == expected


def load(path, name):
    """A module of the source at path, run anew."""
    module = types.ModuleType(name)
    module.__file__ = path
    with open(path) as source:
        exec(compile(source.read(), path, "exec"), module.__dict__)
    return module


def run_python(*args, **kwargs):
    """Run this Python in a process of its own and return its standard output."""
    process = subprocess.Popen(
        [sys.executable] + list(args),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
        **kwargs
    )
    out, err = process.communicate()
    assert process.returncode == 0, out + err
    return out
