"""What the tests, the comparison and the benchmark share.

The functions under test, stand-ins for socket.socket, a relay, strangers, and the system's table of sockets.
"""

import contextlib
import importlib
import os
import select
import socket
import stat
import struct
import subprocess
import sys
import threading
import time
import types
from timeit import default_timer

JYTHON = sys.platform.startswith("java")
WINDOWS = os.name == "nt"
if WINDOWS:
    import ctypes
if JYTHON:
    from java.net import InetSocketAddress, Socket
RealSocket = socket.socket

# By name, since the package's attribute of that name is the function.
module = importlib.import_module("backports_socketpair.socketpair")
fallback = module.fallback_socketpair

SOURCE = os.path.join(os.path.dirname(os.path.abspath(module.__file__)), "socketpair.py")
HOSTS = {"AF_INET": "127.0.0.1", "AF_INET6": "::1"}
HAS_NATIVE = hasattr(module._socket, "socketpair")
# Windows Pythons since 3.5 have a function of their own, which is written in Python.
HAS_EMULATION = hasattr(socket, "_LOCALHOST") and not HAS_NATIVE

# l_onoff and l_linger, which are shorter on Windows: close() then resets the connection.
RESET = struct.pack("HH" if WINDOWS else "ii", 1, 0)


def load_copy(name="copy_of_socketpair"):
    """Our module, run anew."""
    return load(SOURCE, name)


def has_address(family, host):
    sock = RealSocket(getattr(socket, family), socket.SOCK_STREAM)
    try:
        sock.bind((host, 0))
        sock.listen(1)
        return True
    except socket.error:
        return False
    finally:
        sock.close()


def in_thread(function, *args):
    thread = threading.Thread(target=function, args=args)
    thread.daemon = True
    thread.start()
    return thread


def receive(sock, size):
    received = b""
    while len(received) < size:
        chunk = sock.recv(min(65536, size - len(received)))
        if not chunk:
            break
        received += chunk
    return received


def exchange(pair, data):
    """Send data's first from pair's first and its second from the second, at once; what each end received, in order."""
    received = {}

    def take(end, size):
        received[end] = receive(end, size)

    threads = [in_thread(end.sendall, each) for end, each in zip(pair, data)]
    threads += [in_thread(take, end, len(each)) for end, each in zip(pair, reversed(data))]
    for thread in threads:
        thread.join(30)
    return [received[end] for end in pair]


@contextlib.contextmanager
def default_timeout(seconds):
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(None)


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


def connect_ex_of(cls, sock):
    """connect_ex as cls has it, for a class that overrides it."""
    if hasattr(cls, "connect_ex"):
        return lambda address: cls.connect_ex(sock, address)
    return sock.__getattr__("connect_ex")


def passing_calls(pass_on):
    """A stand-in whose every call goes through pass_on(name, call), the making of a socket included.

    The name of a call on an accepted socket begins with "accepted ".
    """

    class Passing(StandIn):
        def __init__(self, *args, **kwargs):
            def make():
                StandIn.__init__(self, *args, **kwargs)

            # An accepted socket, which is given by name, is part of the call to accept, with what Python calls on it.
            self.role = None if kwargs else ""
            make() if kwargs else pass_on("socket", make)

        def __getattr__(self, name):
            method = getattr(self.real, name)
            if self.role is None:
                return method
            return lambda *args: pass_on(self.role + name, lambda: method(*args))

        def accept(self):
            accepted = pass_on("accept", lambda: StandIn.accept(self))
            accepted[0].role = "accepted "
            return accepted

    return Passing


class Hurried(StandIn):
    """Has no wait last, though each runs out, and notes how long it should have been.

    The module adds up the waits that ran out, and so believes that the time has passed.
    """

    waits = None  # a list, in a class of the test's

    def settimeout(self, seconds):
        self.hurries = bool(seconds)
        if self.waits is not None and seconds:
            self.waits.append(seconds)
        # Where nobody is there a wait takes a millisecond at least, and Jython's threads have to come to their turn.
        self.real.settimeout(seconds / 50.0 if seconds and JYTHON else seconds)

    def accept(self):
        if self.hurries and not JYTHON and not select.select([self.real], [], [], 0)[0]:
            raise socket.timeout("timed out")
        return StandIn.accept(self)


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


def start_python(*args, **kwargs):
    """Run this Python in a process of its own, and return what waits for the end.

    That returns the exit status, standard output and standard error.
    """
    process = subprocess.Popen(
        [sys.executable] + list(args),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
        **kwargs
    )

    def outcome():
        out, err = process.communicate()
        return process.returncode, out, err

    return outcome


def run_python(*args, **kwargs):
    """Run what has to succeed, and return its standard output."""
    status, out, err = start_python(*args, **kwargs)()
    assert status == 0, out + err
    return out
