"""What the tests, the comparison and the benchmark share.

The functions under test, facts of the system, its table of sockets, and Pythons of their own.
"""

import _socket
import contextlib
import importlib
import os
import re
import socket
import stat
import struct
import subprocess
import sys
import textwrap
import threading
import time
import types
import unittest
from timeit import default_timer

JYTHON = sys.platform.startswith("java")
WASI = sys.platform == "wasi"
WINDOWS = os.name == "nt"
if WINDOWS:
    import ctypes
RealSocket = socket.socket
# l_onoff and l_linger, which are shorter on Windows: close() then resets the connection.
RESET = struct.pack("HH" if WINDOWS else "ii", 1, 0)

# By name, since the package's attribute of that name is the function.
module = importlib.import_module("backports_socketpair.socketpair")
fallback = module.fallback_socketpair

SOURCE = os.path.join(os.path.dirname(os.path.abspath(module.__file__)), "socketpair.py")
# As getpeername() has them.
HOSTS = {"AF_INET": "127.0.0.1", "AF_INET6": "0:0:0:0:0:0:0:1" if JYTHON else "::1"}
HAS_NATIVE = hasattr(_socket, "socketpair")
# Windows Pythons since 3.5 have a function of their own, which is written in Python.
HAS_EMULATION = hasattr(socket, "_LOCALHOST") and not HAS_NATIVE


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


def usual(family):
    return HOSTS["AF_INET" if family == socket.AF_INET else "AF_INET6"]


def is_unknown(host):
    """Whether it is an address that our module makes up, an IPv6 one or not."""
    return re.match(r"(::ffff:)?127\.[1-9]\d*\.[1-9]\d*\.1$", host) is not None


def has_unknown(family):
    """Whether the system has one. macOS does not. Wine, Jython and WASI do not connect to one over IPv6."""
    is_tried = family == socket.AF_INET or os.name == "posix" and not WASI
    return is_tried and has_address("AF_INET", "127.3.2.1")


def in_thread(function, *args):
    if WASI:
        raise unittest.SkipTest("WASI has no threads")
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


SENT = (b"to second", b"to first")


def what_arrives(first, second):
    """What comes out at each end, as much as the other has sent, or the error that came."""
    ends = (first, second)
    for end, data in zip(ends, SENT):
        end.settimeout(5)
        try:
            end.sendall(data)
        except socket.error:  # its peer has gone; what comes out says more
            pass
    arrived = []
    for end, data in zip(ends, reversed(SENT)):
        try:
            arrived.append(receive(end, len(data)))
        except socket.error as error:
            arrived.append(error)
    return arrived


def assert_is_a_pair(first, second):
    """The first that comes out at either end is what was sent at the other."""
    assert what_arrives(first, second) == list(reversed(SENT))


def assert_is_direct(first, second):
    """A pair, and each end is the other's peer: nobody is in between."""
    assert_is_a_pair(first, second)
    # Not all systems spell ::1 alike at both ends.
    assert first.getpeername()[1] == second.getsockname()[1]
    assert second.getpeername()[1] == first.getsockname()[1]


def write_write_read(writer, reader):
    """Seconds for two small writes and an answer, which Nagle's algorithm makes wait for a delayed acknowledgement."""
    started = default_timer()
    writer.sendall(b"a")
    writer.sendall(b"b")
    assert receive(reader, 2) == b"ab"
    reader.sendall(b"c")
    assert writer.recv(1) == b"c"
    return default_timer() - started


@contextlib.contextmanager
def default_timeout(seconds):
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(None)


def close(*socks):
    for sock in socks:
        sock.close()


def discard(*socks):
    """Close connections without leaving a port in TIME_WAIT: suites that run side by side have few."""
    for sock in socks:
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        except (AttributeError, socket.error):  # WASI has no such option, or it is closed, or Jython's
            pass
        sock.close()


def is_closed(sock):
    """Whether the system has taken this socket back."""
    try:
        return sock.fileno() == -1
    except socket.error:  # Python 2
        return True


def failure(*args):
    """The error with which the function fails."""
    try:
        pair = fallback(*args)
    except socket.error as error:
        return error
    close(*pair)
    raise AssertionError("it made a pair")


def open_sockets():
    """How many sockets this process has, by the operating system's own table."""
    if WINDOWS:
        return sum(map(is_socket_handle, range(4, 0x4000, 4)))
    if WASI:
        return sum(map(is_socket_descriptor, range(1024)))
    folder = "/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"
    return sum(is_socket_descriptor(os.path.join(folder, name)) for name in os.listdir(folder))


def is_socket_handle(handle):
    kind, size = ctypes.c_int(), ctypes.c_int(4)
    asked = socket.SOL_SOCKET, socket.SO_TYPE, ctypes.byref(kind), ctypes.byref(size)
    return not ctypes.windll.ws2_32.getsockopt(ctypes.c_void_p(handle), *asked)


def is_socket_descriptor(path_or_number):
    try:
        return stat.S_ISSOCK(os.stat(path_or_number).st_mode)
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
    """Run this Python, or another, in a process of its own, and return what waits for the end.

    That returns the exit status, standard output and standard error.
    """
    python = kwargs.pop("python", sys.executable)
    process = subprocess.Popen(
        [python] + list(args), stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, **kwargs
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


def run_beside(folder, code):
    """What the code prints in a Python of its own that finds the modules in the folder, and ours."""
    program = "import sys\nsys.path[:0] = %r\n" % [str(folder), os.path.dirname(os.path.dirname(SOURCE))]
    return run_python("-c", program + textwrap.dedent(code)).strip()
