"""Fixtures and hooks.

On every Python, the tests call the module's fallback. The tests of a pair's behaviour also call the system's own
socketpair, if there is one.
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
        """Fail a test that ends with a Java exception. pytest would count it as passed."""
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
NATIVE = ["native"] if HAS_NATIVE else []  # not Python's emulation, which is no standard for ours


@pytest.fixture(params=FAMILIES)
def family(request):
    return getattr(socket, request.param)


def making(function, *args):
    """Yield a function that makes pairs. Close the pairs afterwards."""
    made = []

    def make():
        pair = function(*args)
        made.append(pair)  # several threads may call this
        return pair

    yield make
    for pair in made:
        discard(*pair)


@pytest.fixture
def make_pair(stand_in, family):
    """Yield a function that makes pairs with the fallback, in one family. Close the pairs after the test."""
    for make in making(fallback, family):
        yield make


@pytest.fixture(params=NATIVE + FAMILIES)
def make_any_pair(request):
    """Yield a function that makes pairs, with the fallback or, if there is one, with the native function."""
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
    """Return the ends of a pair. A test runs twice, with each end first."""
    return pair[request.param], pair[1 - request.param]


@pytest.fixture
def stand_in(monkeypatch):
    """Yield a function that replaces socket.socket with a class. After the test, check that its sockets are closed."""
    made = []  # also protects the sockets from the garbage collector

    def put(cls):
        thread = threading.current_thread()

        class Recorded(cls):
            def __init__(self, *args, **kwargs):
                cls.__init__(self, *args, **kwargs)
                if threading.current_thread() is thread:  # the relay closes what its threads make
                    made.append(self)

        monkeypatch.setattr(socket, "socket", Recorded)
        return made

    yield put
    monkeypatch.undo()
    assert [sock for sock in made if not is_closed(sock)] == []


@pytest.fixture
def clock(monkeypatch):
    """Replace the module's clock with a Clock, and return it. Only time-outs of hurried() stand-ins advance it."""
    clock = Clock()
    monkeypatch.setattr(module, "_now", clock)
    return clock


@pytest.fixture
def relay(family):
    """Yield a function that starts relays. Stop the relays after the test."""
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
    """Make the module socket look as it does on a Python without socketpair."""
    monkeypatch.delattr(socket, "socketpair")
    names = [name for name in getattr(socket, "__all__", []) if name != "socketpair"]
    monkeypatch.setattr(socket, "__all__", names, raising=False)


@pytest.fixture
def nothing_left_open():
    """Fail a test if it leaves more sockets, or fewer, than it found."""
    before = open_sockets()
    yield
    # Jython itself sometimes loses a socket (2 times in 40) if a listener is closed while a client connects. So on
    # Jython, a test of a failure can only check whether each socket was closed.
    assert JYTHON or open_sockets() == before


@pytest.fixture
def vendor(tmpdir):
    """Return a folder with a package that contains a copy of socketpair.py, renamed."""
    folder = tmpdir.mkdir("library").mkdir("vendor")
    for package in ("library", "library/vendor"):
        tmpdir.join(package, "__init__.py").write("")
    with io.open(SOURCE, encoding="ascii") as source:
        folder.join("pairs.py").write(source.read())
    return tmpdir
