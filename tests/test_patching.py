"""What importing does: socket gets a socketpair where it has none, and nothing else happens."""

import io
import os
import py_compile
import socket
import sys
import textwrap
import threading
import types
import zipfile

import pytest

import backports_socketpair
from standins.refusal import needs_refusal, run_refused
from standins.sockets import StandIn
from support import HAS_NATIVE, JYTHON, SOURCE, close, is_closed, load_copy, module, open_sockets, run_python

PACKAGE = os.path.dirname(os.path.dirname(SOURCE))

# A fresh interpreter for what one process can only do once.
WITHOUT_NATIVE = """
import socket, sys
if hasattr(socket, "socketpair"):
    del socket.socketpair
    socket.__all__.remove("socketpair")
"""

MAKES_A_PAIR = """
from library.vendor.pairs import socketpair
assert socketpair is socket.socketpair
first, second = socket.socketpair(socket.AF_INET)
first.sendall(b"x")
print(second.recv(1) == b"x")
"""


def run(code, folder):
    program = "import sys\nsys.path[:0] = %r\n" % [str(folder), PACKAGE]
    return run_python("-c", program + code).strip()


@pytest.fixture
def vendor(tmpdir):
    """A package that has the one file, under another name."""
    folder = tmpdir.mkdir("library").mkdir("vendor")
    for package in ("library", "library/vendor"):
        tmpdir.join(package, "__init__.py").write("")
    with io.open(SOURCE, encoding="ascii") as source:
        folder.join("pairs.py").write(source.read())
    return tmpdir


# Where Python has none


def test_fallback_is_set_on_socket(without_socketpair):
    copy = load_copy()
    assert socket.socketpair is copy.socketpair is copy.fallback_socketpair


def test_star_import_of_socket_brings_it(without_socketpair):
    load_copy()
    assert socket.__all__.count("socketpair") == 1
    names = {}
    exec("from socket import *", names)
    assert names["socketpair"] is socket.socketpair


def test_socket_without_all_gets_none(without_socketpair, monkeypatch):
    monkeypatch.delattr(socket, "__all__")
    load_copy()
    assert hasattr(socket, "socketpair")
    assert not hasattr(socket, "__all__")


def test_second_copy_changes_nothing_and_has_the_first_ones_function(without_socketpair):
    first = load_copy("first")
    before = dict(vars(socket), __all__=list(socket.__all__))
    second = load_copy("second")
    assert dict(vars(socket), __all__=list(socket.__all__)) == before
    assert second.socketpair is first.socketpair


def test_reloading_changes_nothing(vendor):
    code = """
        try:
            from importlib import reload
        except ImportError:
            pass
        from library.vendor import pairs
        before = socket.socketpair
        names = list(getattr(socket, "__all__", []))
        reload(pairs)
        assert socket.socketpair is before is pairs.socketpair
        assert list(getattr(socket, "__all__", [])) == names
        print("unchanged")
    """
    assert run(WITHOUT_NATIVE + textwrap.dedent(code), vendor) == "unchanged"


# Where Python has its own


@pytest.mark.skipif(socket.socketpair is module.fallback_socketpair, reason="this Python has no socketpair of its own")
def test_pythons_own_function_is_left_in_place_and_is_what_the_module_has():
    before = dict(vars(socket))
    copy = load_copy()
    assert dict(vars(socket)) == before
    assert copy.socketpair is socket.socketpair is backports_socketpair.socketpair
    assert socket.socketpair is not copy.fallback_socketpair


# install


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
    assert run("import socket\n" + textwrap.dedent(code), vendor) == "replaced"


@pytest.mark.skipif(not HAS_NATIVE, reason="this system has no socketpair of its own")
def test_the_systems_own_function_is_never_replaced():
    before = dict(vars(socket))
    module.install()
    assert dict(vars(socket)) == before
    assert module.socketpair is backports_socketpair.socketpair is socket.socketpair
    assert socket.socketpair is not module.fallback_socketpair


@pytest.mark.skipif(HAS_NATIVE, reason="this system has a socketpair of its own")
def test_where_the_system_has_none_the_fallback_is_in_place_after_one_line(tmpdir):
    code = "import socket, backports_socketpair as b; b.install(); "
    assert run(code + "print(socket.socketpair is b.fallback_socketpair)", tmpdir) == "True"


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
    assert run(textwrap.dedent(code), tmpdir) == "True"


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


# Everywhere


def test_names_that_are_exported():
    names = ["fallback_socketpair", "install", "socketpair"]
    assert module.__all__ == backports_socketpair.__all__ == names


IMPORTED_AND_FORGOTTEN = """
import gc, socket, sys
before = dict(sys.modules)
{0}
function = {1}
{2} = None
sys.modules.clear()
sys.modules.update(before)
gc.collect()
first, second = function()
first.sendall(b"x")
print(second.recv(1) == b"x")
"""


@pytest.mark.parametrize(
    "imported, function",
    [
        ("import backports_socketpair as ours", "ours.fallback_socketpair"),
        ("from library.vendor import pairs as ours", "ours.fallback_socketpair"),
        ("from library.vendor import pairs as ours", "(ours.install() or socket.socketpair)"),
    ],
)
def test_functions_outlive_the_module_that_sys_modules_has_forgotten(vendor, imported, function):
    """Python 2 empties a module that nobody holds."""
    code = IMPORTED_AND_FORGOTTEN.format(imported, function, "ours")
    assert run(code, vendor) == "True"


def test_socketpair_outlives_the_module_that_set_it(vendor):
    code = IMPORTED_AND_FORGOTTEN.format("from library.vendor import pairs as ours", "socket.socketpair", "ours")
    assert run(WITHOUT_NATIVE + code, vendor) == "True"


def test_package_has_the_function_that_socket_has():
    assert backports_socketpair.socketpair is socket.socketpair
    assert module.socketpair is socket.socketpair


def test_importing_opens_nothing_and_starts_no_thread(stand_in):
    made = stand_in(StandIn)
    before = open_sockets(), threading.active_count()
    load_copy()
    assert made == []
    assert (open_sockets(), threading.active_count()) == before


def test_one_file_works_in_another_package_under_another_name(vendor):
    assert run(WITHOUT_NATIVE + MAKES_A_PAIR, vendor) == "True"


def test_one_file_works_byte_compiled_without_its_source(vendor):
    source = vendor.join("library", "vendor", "pairs.py")
    if JYTHON:
        py_compile.compile(str(source), doraise=True)
    else:
        py_compile.compile(str(source), cfile=str(source) + "c", doraise=True)
    source.remove()
    assert run(WITHOUT_NATIVE + MAKES_A_PAIR, vendor) == "True"


def test_one_file_works_from_a_zip(vendor):
    archive = vendor.join("library.zip")
    with zipfile.ZipFile(str(archive), "w") as packed:
        for name in ("library/__init__.py", "library/vendor/__init__.py", "library/vendor/pairs.py"):
            packed.write(str(vendor.join(name)), name)
    assert run(WITHOUT_NATIVE + MAKES_A_PAIR, archive) == "True"


def test_sibling_module_named_socket_is_not_mistaken_for_the_standard_one(vendor):
    vendor.join("library", "vendor", "socket.py").write("raise ImportError('the wrong socket')")
    code = "import socket; from library.vendor import pairs; print(pairs.socket is socket)"
    assert run(code, vendor) == "True"


def test_file_imports_nothing_but_the_standard_library(vendor):
    code = "from library.vendor import pairs; print('backports_socketpair' in sys.modules)"
    assert run(code, vendor) == "False"


def test_file_carries_its_own_licence_notice():
    with io.open(SOURCE, encoding="ascii") as source:
        head = source.read(200)
    assert "SPDX-License-Identifier: MIT" in head
    assert "Copyright (c)" in head
