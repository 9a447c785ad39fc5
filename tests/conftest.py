"""What the tests share: the functions under test, a stand-in for socket.socket, the system's table.

The fallback is tested as the module defines it, on every Python. Where Python has a socketpair of
its own, the assertions that both must satisfy run over that as well.
"""

import importlib
import os
import socket
import stat
import subprocess
import sys
import time
import types

import pytest

# By name, since the package's attribute of that name is the function.
module = importlib.import_module("backports_socketpair.socketpair")

JYTHON = sys.platform.startswith("java")
WINDOWS = os.name == "nt"
if WINDOWS:
    import ctypes
RealSocket = socket.socket
HOSTS = {"AF_INET": "127.0.0.1", "AF_INET6": "::1"}


def has_address(family, host):
    sock = socket.socket(getattr(socket, family), socket.SOCK_STREAM)
    try:
        sock.bind((host, 0))
        sock.listen(1)
        return True
    except socket.error:
        return False
    finally:
        sock.close()


FAMILIES = [
    pytest.param(
        family,
        marks=pytest.mark.skipif(
            not has_address(family, host), reason="this machine has no %s" % host
        ),
    )
    for family, host in sorted(HOSTS.items())
]
NATIVE = [] if socket.socketpair is module._fallback_socketpair else ["native"]


@pytest.fixture(params=FAMILIES)
def family(request):
    return getattr(socket, request.param)


def maker(function, *args):
    """A function that makes pairs, and a list of the pairs it made."""
    made = []

    def make():
        pair = function(*args)
        made.append(pair)
        return pair

    return make, made


@pytest.fixture
def make_pair(family):
    """Makes pairs with the fallback, in one family; they are closed after the test."""
    make, made = maker(module._fallback_socketpair, family)
    yield make
    for pair in made:
        close(*pair)


@pytest.fixture(params=NATIVE + FAMILIES)
def make_any_pair(request):
    """The same with the native function too, where there is one."""
    if request.param == "native":
        make, made = maker(socket.socketpair)
    else:
        make, made = maker(module._fallback_socketpair, getattr(socket, request.param))
    yield make
    for pair in made:
        close(*pair)


@pytest.fixture
def pair(make_any_pair):
    ends = make_any_pair()
    for end in ends:
        end.settimeout(10)  # so that a test fails rather than hangs
    return ends


@pytest.fixture
def stand_in(monkeypatch):
    """Puts a class in the place of socket.socket, and keeps what it made from the collector."""

    def put(cls):
        made = []

        class Recorded(cls):
            def __init__(self, *args, **kwargs):
                cls.__init__(self, *args, **kwargs)
                made.append(self)

        monkeypatch.setattr(socket, "socket", Recorded)
        return made

    yield put
    monkeypatch.undo()


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


@pytest.fixture
def without_socketpair(monkeypatch):
    """socket as it is on a Python that has no socketpair."""
    monkeypatch.delattr(socket, "socketpair")
    names = [name for name in getattr(socket, "__all__", []) if name != "socketpair"]
    monkeypatch.setattr(socket, "__all__", names, raising=False)


@pytest.fixture
def shorter_wait(monkeypatch):
    monkeypatch.setattr(module, "_TIMEOUT", 0.3)


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


@pytest.fixture
def nothing_left_open():
    """Fails a test that leaves more sockets, or fewer, than it found."""
    before = open_sockets()
    yield
    # Jython by itself loses a socket now and then when a listener is closed with a client on its
    # way (2 of 40), so there a test of a failure can only ask whether each socket was closed.
    assert JYTHON or open_sockets() == before


def assert_open_sockets(expected):
    """On Jython soon, since it opens and closes in threads of its own; elsewhere at once."""
    deadline = time.time() + (10 if JYTHON else 0)
    while open_sockets() != expected and time.time() < deadline:
        time.sleep(0.005)
    assert open_sockets() == expected


def load_copy(name="copy_of_socketpair"):
    """A module of the same source, run anew."""
    copy = types.ModuleType(name)
    copy.__file__ = source_file()
    with open(copy.__file__) as source:
        exec(compile(source.read(), copy.__file__, "exec"), copy.__dict__)
    return copy


def source_file():
    return os.path.join(os.path.dirname(os.path.abspath(module.__file__)), "socketpair.py")


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
