"""What install() does: a function that works is on socket, and is known wherever it had a name."""

import socket
import sys
import textwrap
import types

import pytest

import backports_socketpair
from standins.refusal import needs_refusal, run_refused
from support import HAS_NATIVE, JYTHON, close, is_closed, module, run_beside


@pytest.fixture
def emulation(monkeypatch):
    """A socketpair that is not the system's, as Windows Pythons since 3.5 have one."""

    def socketpair(*args):
        raise socket.error("Unexpected peer connection")

    monkeypatch.setattr(socket, "socketpair", socketpair)
    monkeypatch.setattr(backports_socketpair, "socketpair", socketpair)
    monkeypatch.setattr(module, "socketpair", socketpair)
    monkeypatch.delattr(module._socket, "socketpair", raising=False)
    return socketpair


def test_emulation_is_replaced_wherever_it_is_known_by_name(emulation):
    backports_socketpair.install()
    assert socket.socketpair is backports_socketpair.fallback_socketpair is module.fallback_socketpair
    assert backports_socketpair.socketpair is module.socketpair is module.fallback_socketpair
    close(*socket.socketpair())


def test_replacing_twice_is_replacing_once(emulation):
    module.install()
    before = dict(vars(socket), __all__=list(getattr(socket, "__all__", [])))
    module.install()
    assert dict(vars(socket), __all__=list(getattr(socket, "__all__", []))) == before


def test_older_backport_that_came_first_is_replaced(emulation, without_socketpair):
    socket.socketpair = emulation  # it does not add itself to __all__
    module.install()
    assert socket.socketpair is module.fallback_socketpair
    assert JYTHON or socket.__all__.count("socketpair") == 1


def test_asyncio_that_was_imported_before_has_it_too(emulation, monkeypatch):
    """Until Python 3.6 it has a name of its own for it on Windows."""
    windows_utils = types.ModuleType("asyncio.windows_utils")
    windows_utils.socketpair = emulation
    monkeypatch.setitem(sys.modules, "asyncio.windows_utils", windows_utils)
    module.install()
    assert windows_utils.socketpair is module.fallback_socketpair


def test_vendored_copy_has_the_package_around_it_say_the_same(vendor):
    vendor.join("library", "vendor", "__init__.py").write("from .pairs import socketpair")
    code = """
        import _socket
        if hasattr(_socket, "socketpair"):
            del _socket.socketpair
        socket.socketpair = lambda: None
        from library import vendor
        from library.vendor import pairs
        assert vendor.socketpair is pairs.socketpair is socket.socketpair
        pairs.install()
        assert vendor.socketpair is pairs.socketpair is socket.socketpair is pairs.fallback_socketpair
        print("replaced")
    """
    assert run_beside(vendor, "import socket\n" + textwrap.dedent(code)) == "replaced"


def test_package_that_has_a_function_of_its_own_by_that_name_keeps_it(vendor):
    vendor.join("library", "vendor", "__init__.py").write("def socketpair(loop=None): pass")
    code = """
        import _socket, socket
        if hasattr(_socket, "socketpair"):
            del _socket.socketpair
        from library import vendor
        from library.vendor import pairs
        pairs.install()
        print(vendor.socketpair.__module__)
        assert socket.socketpair is pairs.socketpair is pairs.fallback_socketpair
    """
    assert run_beside(vendor, code) == "library.vendor"


@pytest.mark.skipif(not HAS_NATIVE, reason="this system has no socketpair of its own")
def test_the_systems_own_function_is_never_replaced():
    before = dict(vars(socket))
    module.install()
    assert dict(vars(socket)) == before
    assert module.socketpair is backports_socketpair.socketpair is socket.socketpair
    assert socket.socketpair is not module.fallback_socketpair


@pytest.mark.skipif(HAS_NATIVE, reason="this system has a socketpair of its own")
def test_fallback_is_in_place_where_the_system_has_none(tmpdir):
    code = "import socket, backports_socketpair as b; b.install(); "
    assert run_beside(tmpdir, code + "print(socket.socketpair is b.fallback_socketpair)") == "True"


# install, where the system refuses its own


IS_REFUSED = """
import errno, socket
import backports_socketpair as ours
try:
    socket.socketpair()
    raise AssertionError("it is not refused")
except socket.error as error:
    assert error.errno == errno.{0}, error
"""


def run_where_refused(code, error="EACCES"):
    """What the code prints on a system that refuses socketpair with this error."""
    return run_refused("-c", IS_REFUSED.format(error) + textwrap.dedent(code), options=["--with", error]).strip()


@needs_refusal
@pytest.mark.parametrize("error", ["EACCES", "EPERM", "ENOSYS"])
def test_function_that_the_system_refuses_is_replaced(error):
    code = """
        ours.install()
        ours.install()
        assert ours.socketpair is socket.socketpair is ours.fallback_socketpair
        first, second = socket.socketpair()
        first.sendall(b"x")
        print(second.recv(1) == b"x")
    """
    assert run_where_refused(code, error) == "True"


@needs_refusal
@pytest.mark.skipif(sys.version_info < (3, 4), reason="Python has no asyncio before 3.4")
def test_event_loop_that_could_not_be_made_is_made():
    code = """
        import asyncio
        try:
            asyncio.new_event_loop()
            raise AssertionError("it is made all the same")
        except PermissionError:
            pass
        ours.install()
        loop = asyncio.new_event_loop()
        loop.call_soon_threadsafe(loop.stop)
        loop.run_forever()
        print(loop._ssock.family == socket.AF_INET)
        loop.close()
    """
    # One that was not made complains of that when it is collected.
    assert run_where_refused(code) == "True"


@needs_refusal
@pytest.mark.parametrize("error", ["ENFILE", "ENOBUFS", "ENOMEM"])
def test_trial_that_fails_for_want_of_resources_changes_nothing(error):
    code = """
        before = dict(vars(socket))
        ours.install()
        print(dict(vars(socket)) == before and ours.socketpair is socket.socketpair)
    """
    assert run_where_refused(code, error) == "True"


@pytest.mark.skipif(not HAS_NATIVE, reason="this system has no socketpair of its own to try")
def test_trial_that_fails_for_want_of_descriptors_changes_nothing(tmpdir):
    code = """
        import errno, os, resource, socket
        import backports_socketpair as ours
        resource.setrlimit(resource.RLIMIT_NOFILE, (50, 50))
        held = []
        try:
            while True:
                held.append(os.dup(0))
        except OSError as error:
            assert error.errno == errno.EMFILE
        before = dict(vars(socket))
        ours.install()
        unchanged = dict(vars(socket)) == before and ours.socketpair is socket.socketpair
        for descriptor in held:
            os.close(descriptor)
        print(unchanged)
    """
    assert run_beside(tmpdir, code) == "True"


@pytest.mark.skipif(not HAS_NATIVE, reason="this system has no socketpair of its own to try")
def test_trial_makes_one_pair_and_leaves_nothing_open(monkeypatch):
    made = []
    native = module._socket.socketpair

    def recorded(*args):
        made.append(native(*args))
        return made[-1]

    monkeypatch.setattr(module._socket, "socketpair", recorded)
    module.install()
    ((first, second),) = made
    assert is_closed(first) and is_closed(second)


@needs_refusal
def test_importing_alone_replaces_nothing_where_the_system_refuses_it():
    assert run_where_refused("print(ours.socketpair is socket.socketpair is not ours.fallback_socketpair)") == "True"
