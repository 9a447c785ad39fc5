"""What install() does: socket has a function that works, and so has everybody who had it by name."""

import _socket
import array
import errno
import socket
import sys
import types
from timeit import default_timer

import pytest

import backports_socketpair
from support import HAS_NATIVE, JYTHON, WINDOWS, assert_is_a_pair, close, fallback, in_thread, receive, run_python

REFUSALS = ["EACCES", "EPERM", "ENOSYS", "EAFNOSUPPORT", "EOPNOTSUPP"]
needs_sendmsg = pytest.mark.skipif(
    not HAS_NATIVE or not hasattr(socket.socket, "sendmsg"), reason="no pairs of the system's, or no sendmsg"
)


@pytest.fixture(autouse=True)
def as_it_was(monkeypatch):
    monkeypatch.setattr(socket, "socketpair", socket.socketpair)
    monkeypatch.setattr(socket, "__all__", list(getattr(socket, "__all__", [])), raising=False)
    monkeypatch.setattr(backports_socketpair, "socketpair", socket.socketpair)


@pytest.fixture
def emulation(monkeypatch):
    """A function that is not the system's, as Windows Pythons since 3.5 have one."""

    def socketpair(*args):
        raise socket.error("Unexpected peer connection")

    monkeypatch.setattr(socket, "socketpair", socketpair)
    monkeypatch.delattr(_socket, "socketpair", raising=False)
    return socketpair


@pytest.fixture
def set_own(monkeypatch):
    """Gives the system this function, and installs ours."""

    def set_own(function):
        monkeypatch.setattr(_socket, "socketpair", function, raising=False)
        monkeypatch.setattr(socket, "socketpair", function)
        backports_socketpair.install()
        return socket.socketpair

    return set_own


def refuse(number):
    def socketpair(family=None, type=socket.SOCK_STREAM, proto=0):
        raise socket.error(number, "in the system's words")

    return socketpair


def everything():
    return dict(vars(socket), __all__=list(socket.__all__)), backports_socketpair.socketpair


# Python has no pairs of the system's


def test_fallback_replaces_an_emulation_or_an_older_backport(emulation):
    socket.__all__ = [name for name in socket.__all__ if name != "socketpair"]  # which does not add itself
    backports_socketpair.install()
    assert socket.socketpair is backports_socketpair.socketpair is fallback
    assert socket.__all__.count("socketpair") == 1
    close(*socket.socketpair())


def test_socket_without_all_gets_none(emulation, monkeypatch):
    monkeypatch.delattr(socket, "__all__")
    backports_socketpair.install()
    assert not hasattr(socket, "__all__")


@pytest.mark.skipif(HAS_NATIVE, reason="this system has a socketpair of its own")
def test_fallback_is_in_place_if_the_system_has_none():
    backports_socketpair.install()
    assert socket.socketpair is fallback


# Everywhere


def test_asyncio_that_was_imported_before_has_it_too(emulation, monkeypatch):
    """Until Python 3.6 it has a name of its own for it on Windows."""
    windows_utils = types.ModuleType("asyncio.windows_utils")
    windows_utils.socketpair = emulation
    monkeypatch.setitem(sys.modules, "asyncio.windows_utils", windows_utils)
    backports_socketpair.install()
    assert windows_utils.socketpair is socket.socketpair


def test_twice_is_once():
    backports_socketpair.install()
    before = everything()
    backports_socketpair.install()
    assert everything() == before
    assert socket.socketpair is backports_socketpair.socketpair


def test_threads_may_install_at_once(emulation):
    socket.__all__ = [name for name in socket.__all__ if name != "socketpair"]
    threads = [in_thread(backports_socketpair.install) for _ in range(20)]
    for thread in threads:
        thread.join(20)
    assert socket.__all__.count("socketpair") == 1
    assert socket.socketpair is backports_socketpair.socketpair is fallback


def test_function_that_somebody_sets_later_is_helped_too(set_own):
    """As gevent's patch_all() sets one."""
    own = refuse(errno.EPERM)
    function = set_own(own)
    socket.socketpair = own  # as undoing it does, or another thread that installs
    backports_socketpair.install()
    assert socket.socketpair is function
    later = refuse(errno.EACCES)
    socket.socketpair = later
    backports_socketpair.install()
    assert socket.socketpair is backports_socketpair.socketpair is not later
    close(*socket.socketpair())


def test_function_outlives_the_module_that_set_it():
    """Python 2 empties a module that nobody holds."""
    code = """
import gc, socket, sys
before = dict(sys.modules)
import backports_socketpair
backports_socketpair.install()
del backports_socketpair
sys.modules.clear()
sys.modules.update(before)
gc.collect()
first, second = socket.socketpair()
first.sendall(b"x")
print(second.recv(1) == b"x")
"""
    assert run_python("-c", code) == "True\n"


# The system has pairs


@pytest.mark.skipif(not HAS_NATIVE, reason="this system has no socketpair of its own")
def test_pairs_are_the_systems_whatever_is_asked_for():
    native = socket.socketpair
    before = everything()[0]
    backports_socketpair.install()
    for args in [(), (socket.AF_UNIX,), (socket.AF_UNIX, socket.SOCK_DGRAM), (socket.AF_UNIX, socket.SOCK_STREAM, 0)]:
        ours, pythons = socket.socketpair(*args), native(*args)
        for end, expected in zip(ours, pythons):
            facts = [(each.__class__, each.family, each.type, each.gettimeout()) for each in (end, expected)]
            assert facts[0] == facts[1]
        assert_is_a_pair(*ours)
        close(*ours + pythons)
    with pytest.raises(TypeError):
        socket.socketpair("no family")
    assert socket.socketpair.__name__ == native.__name__ and socket.socketpair.__doc__ == native.__doc__
    assert dict(everything()[0], socketpair=native) == before


def test_nothing_is_tried_before_a_program_asks_for_a_pair(set_own):
    """A sandbox may end the process for it."""
    tried = []
    function = set_own(lambda *args: tried.append(args) or fallback())
    assert tried == []
    close(*function())
    assert tried == [()]


@pytest.mark.parametrize("name", REFUSALS)
def test_default_pair_that_the_system_refuses_is_the_fallbacks(set_own, name):
    function = set_own(refuse(getattr(errno, name)))
    for args, kwargs in [((), {}), ((None, socket.SOCK_STREAM), {}), ((), {"family": None, "proto": 0})]:
        pair = function(*args, **kwargs)
        assert JYTHON or {end.family for end in pair} == {socket.AF_INET}
        assert_is_a_pair(*pair)
        close(*pair)


UNIX = getattr(socket, "AF_UNIX", 1)
CLOEXEC = getattr(socket, "SOCK_CLOEXEC", 0x80000)


@pytest.mark.parametrize(
    "asked",
    [
        {"family": UNIX},
        {"family": UNIX, "type": socket.SOCK_DGRAM},
        {"type": socket.SOCK_DGRAM},
        {"type": socket.SOCK_STREAM | CLOEXEC},
        {"proto": 6},
    ],
    ids=str,
)
def test_other_pair_that_the_system_refuses_is_the_systems_error(set_own, asked):
    function = set_own(refuse(errno.EPERM))
    with pytest.raises(socket.error) as caught:
        function(**asked)
    assert caught.value.errno == errno.EPERM


@pytest.mark.parametrize("name", ["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"])
def test_running_out_is_the_systems_error(set_own, name):
    function = set_own(refuse(getattr(errno, name)))
    with pytest.raises(socket.error) as caught:
        function()
    assert caught.value.errno == getattr(errno, name)


# The system has pairs, and refuses send


@pytest.fixture
def make_mute(set_own):
    """Makes pairs of a class whose own send is refused."""
    native = _socket.socketpair

    class Mute(socket.socket):
        def send(self, data, flags=0):
            raise socket.error(errno.EPERM, "in the system's words")

        sendall = send

    def make(*args):
        return [Mute(end.family, end.type, end.proto, end.detach()) for end in native(*args)]

    made = []

    def make_pair(*args):
        function = set_own(make)
        made.extend(function(*args))
        return made[-2:]

    yield make_pair
    close(*made)


@needs_sendmsg
def test_pair_that_refuses_send_sends_all_that_a_socket_sends(make_mute):
    first, second = make_mute()
    assert isinstance(first, socket.socket) and first.family == socket.AF_UNIX
    assert first.gettimeout() is None
    for data in (b"bytes", bytearray(b"bytearray"), memoryview(b"memory"), array.array("i", [1, 2]), b""):
        size = len(memoryview(data).cast("B"))
        assert first.send(data) == size
        assert first.sendall(data) is None
        assert receive(second, 2 * size) == 2 * bytes(data)
    large = bytes(range(256)) * 10000
    sender = in_thread(second.sendall, memoryview(large))
    assert receive(first, len(large)) == large
    sender.join(20)
    for each in (str, None):
        with pytest.raises(TypeError):
            first.send(each)
    second.close()
    with pytest.raises(BrokenPipeError):
        first.sendall(b"x")


@needs_sendmsg
def test_pair_that_refuses_send_heeds_its_timeout_and_flags(make_mute):
    first, second = make_mute()
    first.setblocking(False)
    with pytest.raises(BlockingIOError):
        first.sendall(bytes(10**7))
    with pytest.raises(BlockingIOError):
        first.send(b"x")
    first.setblocking(True)
    errors = []

    def send():
        try:
            first.send(b"x", socket.MSG_DONTWAIT)
        except BlockingIOError as error:
            errors.append(error.errno)

    in_thread(send).join(10)
    assert errors == [errno.EAGAIN]
    first.settimeout(0.05)
    started = default_timer()
    with pytest.raises(socket.timeout):
        first.sendall(b"x")
    assert 0.04 < default_timer() - started < 10


@needs_sendmsg
def test_sendall_ends_in_time_though_somebody_reads_on(make_mute):
    first, second = make_mute()
    first.settimeout(0.2)
    mmap = pytest.importorskip("mmap")
    large = mmap.mmap(-1, 2**32, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    reader = in_thread(receive_all, second)
    started = default_timer()
    with pytest.raises(socket.timeout):
        first.sendall(large)
    assert default_timer() - started < 10
    first.close()
    reader.join(20)


def receive_all(sock):
    while sock.recv(2000):
        pass


@needs_sendmsg
def test_datagrams_that_are_refused_are_left_alone(make_mute):
    first, second = make_mute(socket.AF_UNIX, socket.SOCK_DGRAM)
    second.setblocking(False)
    with pytest.raises(BlockingIOError):
        second.recv(1)
    with pytest.raises(PermissionError):
        first.send(b"x")


@pytest.mark.skipif(WINDOWS or not HAS_NATIVE, reason="this system has no pairs of its own")
def test_pair_that_nobody_refuses_carries_nothing_of_ours():
    backports_socketpair.install()
    first, second = socket.socketpair()
    second.setblocking(False)
    with pytest.raises(socket.error) as caught:
        second.recv(1)
    assert caught.value.errno == errno.EAGAIN
    close(first, second)
