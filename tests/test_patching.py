"""What importing does: socket gets a socketpair where it has none, and nothing else happens."""

import io
import py_compile
import socket
import textwrap
import threading
import zipfile

import pytest

import backports_socketpair
from standins.sockets import StandIn
from support import JYTHON, SOURCE, load_copy, module, open_sockets, run_beside

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


def test_star_import_brings_it_though_the_names_cannot_be_appended_to(without_socketpair, monkeypatch):
    monkeypatch.setattr(socket, "__all__", ("socket",))
    load_copy()
    assert sorted(socket.__all__) == ["socket", "socketpair"]


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
    assert run_beside(vendor, WITHOUT_NATIVE + textwrap.dedent(code)) == "unchanged"


# Where Python has its own


@pytest.mark.skipif(socket.socketpair is module.fallback_socketpair, reason="this Python has no socketpair of its own")
def test_pythons_own_function_is_left_and_is_what_the_module_has():
    before = dict(vars(socket))
    copy = load_copy()
    assert dict(vars(socket)) == before
    assert copy.socketpair is socket.socketpair is backports_socketpair.socketpair
    assert socket.socketpair is not copy.fallback_socketpair


# Everywhere


def test_names_that_are_exported():
    assert module.__all__ == ["fallback_socketpair", "socketpair"]
    assert backports_socketpair.__all__ == ["fallback_socketpair", "install", "socketpair"]


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
    ],
)
def test_functions_outlive_the_module_that_sys_modules_has_forgotten(vendor, imported, function):
    """Python 2 empties a module that nobody holds."""
    code = IMPORTED_AND_FORGOTTEN.format(imported, function, "ours")
    assert run_beside(vendor, code) == "True"


def test_socketpair_outlives_the_module_that_set_it(vendor):
    code = IMPORTED_AND_FORGOTTEN.format("from library.vendor import pairs as ours", "socket.socketpair", "ours")
    assert run_beside(vendor, WITHOUT_NATIVE + code) == "True"


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
    assert run_beside(vendor, WITHOUT_NATIVE + MAKES_A_PAIR) == "True"


def test_one_file_works_byte_compiled_without_its_source(vendor):
    source = vendor.join("library", "vendor", "pairs.py")
    if JYTHON:
        py_compile.compile(str(source), doraise=True)
    else:
        py_compile.compile(str(source), cfile=str(source) + "c", doraise=True)
    source.remove()
    assert run_beside(vendor, WITHOUT_NATIVE + MAKES_A_PAIR) == "True"


def test_one_file_works_from_a_zip(vendor):
    archive = vendor.join("library.zip")
    with zipfile.ZipFile(str(archive), "w") as packed:
        for name in ("library/__init__.py", "library/vendor/__init__.py", "library/vendor/pairs.py"):
            packed.write(str(vendor.join(name)), name)
    assert run_beside(archive, WITHOUT_NATIVE + MAKES_A_PAIR) == "True"


def test_sibling_module_named_socket_is_not_imported(vendor):
    vendor.join("library", "vendor", "socket.py").write("raise ImportError('the wrong socket')")
    code = "import socket; from library.vendor import pairs; print(pairs.socket is socket)"
    assert run_beside(vendor, code) == "True"


def test_file_imports_nothing_but_the_standard_library(vendor):
    code = "from library.vendor import pairs; print('backports_socketpair' in sys.modules)"
    assert run_beside(vendor, code) == "False"


def test_file_carries_its_own_licence_notice():
    with io.open(SOURCE, encoding="ascii") as source:
        head = source.read(200)
    assert "SPDX-License-Identifier: MIT-0" in head
    assert "Copyright (c)" in head
