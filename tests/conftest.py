"""What the tests share: the functions under test, and a stand-in for socket.socket.

The fallback is tested as the module defines it, on every Python. Where Python has a socketpair of
its own, the assertions that both must satisfy run over that as well.
"""

import importlib
import os
import socket

import pytest

from support import JYTHON, close, load, open_sockets

if JYTHON:
    from java.lang import Throwable

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(pyfuncitem):
        """Fail a test that a Java exception ends, which pytest would count as passed."""
        names = pyfuncitem._fixtureinfo.argnames
        try:
            pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names})
        except Throwable as error:
            pytest.fail("Java exception: %r" % error)
        return True


# By name, since the package's attribute of that name is the function.
module = importlib.import_module("backports_socketpair.socketpair")

SOURCE = os.path.join(os.path.dirname(os.path.abspath(module.__file__)), "socketpair.py")
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


@pytest.fixture
def without_socketpair(monkeypatch):
    """socket as it is on a Python that has no socketpair."""
    monkeypatch.delattr(socket, "socketpair")
    names = [name for name in getattr(socket, "__all__", []) if name != "socketpair"]
    monkeypatch.setattr(socket, "__all__", names, raising=False)


@pytest.fixture
def shorter_wait(monkeypatch):
    monkeypatch.setattr(module, "_TIMEOUT", 0.3)


@pytest.fixture
def nothing_left_open():
    """Fails a test that leaves more sockets, or fewer, than it found."""
    before = open_sockets()
    yield
    # Jython by itself loses a socket now and then when a listener is closed with a client on its
    # way (2 of 40), so there a test of a failure can only ask whether each socket was closed.
    assert JYTHON or open_sockets() == before


def load_copy(name="copy_of_socketpair"):
    """Our module, run anew."""
    return load(SOURCE, name)
