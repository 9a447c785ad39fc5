"""Helpers that the tests, the comparison and the benchmark share.

The module under test, facts about the system, its table of sockets, and separate Python processes.
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
# l_onoff and l_linger of SO_LINGER, which are shorter on Windows. With them, close() resets the connection.
RESET = struct.pack("HH" if WINDOWS else "ii", 1, 0)

# Imported by name, because the package's attribute "socketpair" is the function.
module = importlib.import_module("backports_socketpair.socketpair")
fallback = module.fallback_socketpair

SOURCE = os.path.join(os.path.dirname(os.path.abspath(module.__file__)), "socketpair.py")
# As getpeername() spells them.
HOSTS = {"AF_INET": "127.0.0.1", "AF_INET6": "0:0:0:0:0:0:0:1" if JYTHON else "::1"}
HAS_NATIVE = hasattr(_socket, "socketpair")
# Python 3.5 and later on Windows has its own function, which is written in Python.
HAS_EMULATION = hasattr(socket, "_LOCALHOST") and not HAS_NATIVE


def load_copy(name="copy_of_socketpair"):
    """Run our module again, and return the copy."""
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


def is_random_host(host):
    """Return whether host is a random address of our module, IPv4-mapped or not."""
    return re.match(r"(::ffff:)?127\.[1-9]\d*\.[1-9]\d*\.1$", host) is not None


def has_random_host(family):
    """Return whether a random address works here. macOS has none. Over IPv6, Wine, Jython and WASI cannot use one."""
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
    """Send data[0] from pair[0] and data[1] from pair[1], at the same time. Return the data that each end received."""
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
    """Send from both ends. Return the bytes that each end receives, at most as many as were sent, or its error."""
    ends = (first, second)
    for end, data in zip(ends, SENT):
        end.settimeout(5)
        try:
            end.sendall(data)
        except socket.error:  # its peer is gone; the bytes that arrive say more
            pass
    arrived = []
    for end, data in zip(ends, reversed(SENT)):
        try:
            arrived.append(receive(end, len(data)))
        except socket.error as error:
            arrived.append(error)
    return arrived


def assert_is_a_pair(first, second):
    """Check that the first bytes that each end receives are those that the other end sends."""
    assert what_arrives(first, second) == list(reversed(SENT))


def assert_is_direct(first, second):
    """Check that this is a pair, and that each end is the other's peer, with no relay in between."""
    assert_is_a_pair(first, second)
    # Compare only the ports, because some systems spell ::1 differently at the two ends.
    assert first.getpeername()[1] == second.getsockname()[1]
    assert second.getpeername()[1] == first.getsockname()[1]


def write_write_read(writer, reader):
    """Return the seconds for two small writes and an answer. Nagle's algorithm would wait for a delayed ACK."""
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
    """Close connections, and leave no port in TIME_WAIT. Otherwise parallel test runs could run out of ports."""
    for sock in socks:
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        except (AttributeError, socket.error):  # WASI has no such option; Jython and a closed socket refuse it
            pass
        sock.close()


def is_closed(sock):
    """Return whether the socket is closed."""
    try:
        return sock.fileno() == -1
    except socket.error:  # Python 2
        return True


def failure(*args):
    """Call the fallback, and return the error that it raises."""
    try:
        pair = fallback(*args)
    except socket.error as error:
        return error
    close(*pair)
    raise AssertionError("it made a pair")


def open_sockets():
    """Return the number of sockets that this process has, according to the operating system's own table."""
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
    except OSError:  # listdir() opened and closed it
        return False


def assert_open_sockets(expected):
    """Check the number of open sockets. Allow Jython some time, because it opens and closes in its own threads."""
    deadline = time.time() + (10 if JYTHON else 0)
    while open_sockets() != expected and time.time() < deadline:
        time.sleep(0.005)
    assert open_sockets() == expected


def load(path, name):
    """Run the source at path as a new module, and return the module."""
    module = types.ModuleType(name)
    module.__file__ = path
    with open(path) as source:
        exec(compile(source.read(), path, "exec"), module.__dict__)
    return module


def start_python(*args, **kwargs):
    """Start this Python, or another, in its own process. Return a function that waits for the end.

    That function returns the exit status, standard output and standard error.
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
    """Run Python, check that it succeeds, and return its standard output."""
    status, out, err = start_python(*args, **kwargs)()
    assert status == 0, out + err
    return out


def run_beside(folder, code):
    """Run code in a separate Python that finds our package and the modules in folder. Return its output."""
    program = "import sys\nsys.path[:0] = %r\n" % [str(folder), os.path.dirname(os.path.dirname(SOURCE))]
    return run_python("-c", program + textwrap.dedent(code)).strip()
