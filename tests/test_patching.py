"""What importing does: socket gets a socketpair where it has none, and nothing else happens."""

import io
import py_compile
import socket
import textwrap
import threading
import zipfile

import pytest

import backports_socketpair
from conftest import NATIVE, SOURCE, load_copy, module
from support import JYTHON, StandIn, open_sockets, run_python

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
    program = "import sys\nsys.path.insert(0, %r)\n" % str(folder)
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
    assert socket.socketpair is copy.socketpair is copy._fallback_socketpair


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


@pytest.mark.skipif(not NATIVE, reason="this Python has no socketpair of its own")
def test_native_function_is_left_in_place_and_is_what_the_module_has():
    before = dict(vars(socket))
    copy = load_copy()
    assert dict(vars(socket)) == before
    assert copy.socketpair is socket.socketpair is backports_socketpair.socketpair
    assert socket.socketpair is not copy._fallback_socketpair


# Everywhere


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


def test_file_carries_its_own_licence_notice():
    with io.open(SOURCE, encoding="ascii") as source:
        head = source.read(200)
    assert "SPDX-License-Identifier: MIT" in head
    assert "Copyright (c)" in head
