"""Fixtures and hooks.

The fallback is tested as the module defines it, on every Python. Where the system has a socketpair of its own, the
assertions that both must satisfy run over that as well.
"""

import io
import socket
import threading

import pytest

from standins.relay import Relay
from standins.sockets import Clock
from standins.strangers import Flooder
from support import HAS_NATIVE, HOSTS, JYTHON, SOURCE, discard, fallback, has_address, is_closed, module, open_sockets

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


FAMILIES = [
    pytest.param(
        family,
        marks=pytest.mark.skipif(not has_address(family, host), reason="this machine has no %s" % host),
    )
    for family, host in sorted(HOSTS.items())
]
NATIVE = ["native"] if HAS_NATIVE else []  # what an emulation of Python's own does is no measure of ours


@pytest.fixture(params=FAMILIES)
def family(request):
    return getattr(socket, request.param)


def making(function, *args):
    """Yield what makes pairs, which are closed afterwards."""
    made = []

    def make():
        pair = function(*args)
        made.append(pair)  # by several threads
        return pair

    yield make
    for pair in made:
        discard(*pair)


@pytest.fixture
def make_pair(stand_in, family):
    """Makes pairs with the fallback, in one family; they are closed after the test."""
    for make in making(fallback, family):
        yield make


@pytest.fixture(params=NATIVE + FAMILIES)
def make_any_pair(request):
    """The same with the native function too, where there is one."""
    of_native = request.param == "native"
    for make in making(socket.socketpair) if of_native else making(fallback, getattr(socket, request.param)):
        yield make


@pytest.fixture
def pair(make_any_pair):
    ends = make_any_pair()
    for end in ends:
        end.settimeout(10)  # so that a test fails rather than hangs
    return ends


@pytest.fixture(params=[0, 1], ids=["first", "second"])
def ends(request, pair):
    """The pair, either end first."""
    return pair[request.param], pair[1 - request.param]


@pytest.fixture
def stand_in(monkeypatch):
    """Puts a class in the place of socket.socket. Whatever it made has to be closed by the end of the test."""
    made = []  # which also keeps it from the collector

    def put(cls):
        thread = threading.current_thread()

        class Recorded(cls):
            def __init__(self, *args, **kwargs):
                cls.__init__(self, *args, **kwargs)
                if threading.current_thread() is thread:  # what a relay accepts in another is its own
                    made.append(self)

        monkeypatch.setattr(socket, "socket", Recorded)
        return made

    yield put
    monkeypatch.undo()
    assert [sock for sock in made if not is_closed(sock)] == []


@pytest.fixture
def clock(monkeypatch):
    """The module's clock, which goes on by nothing but what stand-ins that it hurries wait for."""
    clock = Clock()
    monkeypatch.setattr(module, "_now", clock)
    return clock


@pytest.fixture
def relay(family):
    """Makes relays; they are stopped after the test."""
    relays = []

    def make(how):
        relays.append(Relay(family, how))
        return relays[-1]

    yield make
    for each in relays:
        each.stop()


@pytest.fixture
def flooder():
    flooder = Flooder()
    yield flooder
    flooder.stop()


@pytest.fixture
def without_socketpair(monkeypatch):
    """socket as it is on a Python that has no socketpair."""
    monkeypatch.delattr(socket, "socketpair")
    names = [name for name in getattr(socket, "__all__", []) if name != "socketpair"]
    monkeypatch.setattr(socket, "__all__", names, raising=False)


@pytest.fixture
def nothing_left_open():
    """Fails a test that leaves more sockets, or fewer, than it found."""
    before = open_sockets()
    yield
    # Jython by itself loses a socket now and then when a listener is closed with a client on its
    # way (2 of 40), so there a test of a failure can only ask whether each socket was closed.
    assert JYTHON or open_sockets() == before


@pytest.fixture
def vendor(tmpdir):
    """A package that has the one file, under another name."""
    folder = tmpdir.mkdir("library").mkdir("vendor")
    for package in ("library", "library/vendor"):
        tmpdir.join(package, "__init__.py").write("")
    with io.open(SOURCE, encoding="ascii") as source:
        folder.join("pairs.py").write(source.read())
    return tmpdir
