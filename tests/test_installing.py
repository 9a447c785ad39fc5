"""Tests of install(): socket, and asyncio on older Pythons for Windows, get a socketpair that works."""

import _socket
import array
import errno
import inspect
import socket
import sys
import types
from timeit import default_timer

import pytest

import backports_socketpair
from support import HAS_NATIVE, JYTHON, assert_is_a_pair, close, fallback, in_thread, receive

UNIX = getattr(socket, "AF_UNIX", 1)

HAS_SENDMSG = HAS_NATIVE and hasattr(socket.socket, "sendmsg")
needs_sendmsg = pytest.mark.skipif(not HAS_SENDMSG, reason="this Python has no native socketpair, or no sendmsg")


@pytest.fixture(autouse=True)
def restore_socket(monkeypatch):
    monkeypatch.setattr(socket, "socketpair", socket.socketpair)
    monkeypatch.setattr(socket, "__all__", list(getattr(socket, "__all__", [])), raising=False)
    monkeypatch.setattr(backports_socketpair, "socketpair", socket.socketpair)


@pytest.fixture
def emulation(monkeypatch):
    """Make socket.socketpair an emulation, as on Windows. Leave it out of socket.__all__, as an older backport does."""
    monkeypatch.setattr(socket, "socketpair", refuse(None))
    monkeypatch.delattr(_socket, "socketpair", raising=False)
    socket.__all__ = [name for name in socket.__all__ if name != "socketpair"]
    return socket.socketpair


@pytest.fixture
def set_own(monkeypatch):
    """Return a function that makes a given function the system's socketpair, and calls install()."""

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
    return dict(vars(socket), __all__=list(socket.__all__))


def test_fallback_replaces_an_emulation_or_an_older_backport(emulation, monkeypatch):
    """Check asyncio, too: up to Python 3.6, asyncio on Windows keeps its own reference to the function."""
    windows_utils = types.ModuleType("asyncio.windows_utils")
    windows_utils.socketpair = emulation
    monkeypatch.setitem(sys.modules, "asyncio.windows_utils", windows_utils)
    backports_socketpair.install()
    assert socket.socketpair is backports_socketpair.socketpair is windows_utils.socketpair is fallback
    assert socket.__all__.count("socketpair") == 1
    close(*socket.socketpair())
    monkeypatch.delattr(socket, "__all__")
    backports_socketpair.install()
    assert not hasattr(socket, "__all__")


def test_threads_may_install_at_once(emulation):
    for thread in [in_thread(backports_socketpair.install) for _ in range(20)]:
        thread.join(20)
    assert socket.__all__.count("socketpair") == 1
    assert socket.socketpair is backports_socketpair.socketpair is fallback


def test_second_install_changes_only_a_function_set_meanwhile(set_own):
    """Set a function between the calls, as gevent's patch_all() does."""
    own, later = refuse(errno.EPERM), refuse(errno.EACCES)
    function = set_own(own)
    for each in (function, own):  # own: if something restored it, or another thread is in install()
        socket.socketpair = each
        before = everything()
        backports_socketpair.install()
        assert everything() == dict(before, socketpair=function)
        assert backports_socketpair.socketpair is function
    socket.socketpair = later
    backports_socketpair.install()
    assert socket.socketpair is backports_socketpair.socketpair is not later
    close(*socket.socketpair())


@pytest.mark.skipif(not HAS_NATIVE, reason="this system has no socketpair of its own")
def test_pairs_are_the_systems_for_all_arguments():
    native, before = socket.socketpair, everything()
    backports_socketpair.install()
    for args in [(), (UNIX,), (UNIX, socket.SOCK_DGRAM), (UNIX, socket.SOCK_STREAM, 0)]:
        ours, pythons = socket.socketpair(*args), native(*args)
        for end, expected in zip(ours, pythons):
            facts = [(each.__class__, each.family, each.type, each.gettimeout()) for each in (end, expected)]
            assert facts[0] == facts[1]
            end.setblocking(False)
            with pytest.raises(socket.error) as caught:  # no byte has been sent
                end.recv(1)
            assert caught.value.errno == errno.EAGAIN
        assert_is_a_pair(*ours)
        close(*ours + pythons)
    with pytest.raises(TypeError):
        socket.socketpair("no family")
    assert dict(everything(), socketpair=native) == before


def test_nothing_is_tried_before_a_program_asks_for_a_pair(set_own):
    """Check that install() does not try the function, because a sandbox may end a process that calls it."""
    tried = []

    def own(*args):
        """The system's docstring."""
        tried.append(args)
        return fallback()

    function = set_own(own)
    assert (function.__name__, function.__doc__) == ("socketpair", own.__doc__)
    assert str is bytes or inspect.signature(function) == inspect.signature(own)
    assert tried == []
    close(*function())
    assert tried == [()]


@pytest.mark.parametrize("name", ["EACCES", "EPERM", "ENOSYS", "EAFNOSUPPORT", "EOPNOTSUPP"])
def test_fallback_makes_a_default_pair_that_the_system_refuses(set_own, name):
    function = set_own(refuse(getattr(errno, name)))
    for args, kwargs in [((), {}), ((None, socket.SOCK_STREAM), {}), ((), {"family": None, "proto": 0})]:
        pair = function(*args, **kwargs)
        assert JYTHON or {end.family for end in pair} == {socket.AF_INET}
        assert_is_a_pair(*pair)
        close(*pair)


CLOEXEC = getattr(socket, "SOCK_CLOEXEC", 0x80000)
OTHERS = [{"family": UNIX}, {"type": socket.SOCK_DGRAM}, {"type": socket.SOCK_STREAM | CLOEXEC}, {"proto": 6}]
USED_UP = ["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"]


@pytest.mark.parametrize("name, asked", [("EPERM", each) for each in OTHERS] + [(name, {}) for name in USED_UP])
def test_system_error_is_raised_unless_a_default_pair_is_refused(set_own, name, asked):
    function = set_own(refuse(getattr(errno, name)))
    with pytest.raises(socket.error) as caught:
        function(**asked)
    assert caught.value.errno == getattr(errno, name)


@pytest.fixture
def make_mute(set_own):
    """Yield a function that calls install() and makes a pair. The pair's class refuses send() and sendall()."""
    native, made = _socket.socketpair, []

    class Mute(socket.socket):
        __slots__ = ()
        refusal = errno.EPERM

        def send(self, data, flags=0):
            raise socket.error(self.refusal, "in the system's words")

        sendall = send

    def make(*args):
        return [Mute(end.family, end.type, end.proto, end.detach()) for end in native(*args)]

    def make_pair(*args, **kwargs):
        Mute.refusal = kwargs.pop("refusal", errno.EPERM)
        made.extend(set_own(make)(*args))
        return made[-2:]

    yield make_pair
    close(*made)


@needs_sendmsg
def test_pair_that_refuses_send_sends_like_an_ordinary_socket(make_mute):
    make_mute()
    first, second = make_mute(refusal=errno.EACCES)
    assert isinstance(first, socket.socket) and (first.family, first.gettimeout()) == (UNIX, None)
    for data in (b"bytes", bytearray(b"bytearray"), memoryview(b"memory"), array.array("i", [1, 2]), b""):
        size = len(memoryview(data).cast("B"))
        assert first.send(data) == size
        assert first.sendall(data) is None
        assert receive(second, 2 * size) == 2 * bytes(data)
    large = bytes(range(256)) * 10000
    sender = in_thread(second.sendall, memoryview(large))
    assert receive(first, len(large)) == large
    sender.join(20)
    with pytest.raises(TypeError):
        first.send(None)
    second.close()
    with pytest.raises(BrokenPipeError):
        first.sendall(b"x")


@needs_sendmsg
def test_pair_that_refuses_send_obeys_its_timeout_and_flags(make_mute):
    mmap = pytest.importorskip("mmap")
    first, second = make_mute()
    first.setblocking(False)
    with pytest.raises(BlockingIOError):
        first.sendall(bytes(10**7))
    first.setblocking(True)
    refused = []

    def send():
        for function in (first.send, first.sendall):
            with pytest.raises(BlockingIOError):
                function(b"x", socket.MSG_DONTWAIT)
            refused.append(function)

    in_thread(send).join(10)
    assert len(refused) == 2
    first.settimeout(0.05)
    started = default_timer()
    with pytest.raises(socket.timeout):
        first.sendall(b"x")
    assert 0.04 < default_timer() - started < 10
    first.settimeout(0.1)
    reader = in_thread(lambda: all(iter(lambda: second.recv(2000), b"")))
    with pytest.raises(socket.timeout):  # although the peer keeps reading
        first.sendall(mmap.mmap(-1, 2**32, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
    assert default_timer() - started < 10
    first.close()
    reader.join(20)


@needs_sendmsg
def test_pair_is_unchanged_if_not_a_stream_or_not_refused(make_mute):
    for args, refusal in [((UNIX, socket.SOCK_DGRAM), errno.EPERM), ((), errno.EPIPE)]:
        first, second = make_mute(*args, refusal=refusal)
        second.setblocking(False)
        with pytest.raises(BlockingIOError):
            second.recv(1)
        with pytest.raises(socket.error) as caught:
            first.send(b"x")
        assert caught.value.errno == refusal
