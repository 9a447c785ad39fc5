"""Tests of what importing does: it adds a socketpair to socket if there is none, and has no other effect."""

import io
import py_compile
import shutil
import socket
import threading

import pytest

import backports_socketpair
from standins.sockets import StandIn
from support import JYTHON, SOURCE, load_copy, module, open_sockets, run_beside

WITHOUT_NATIVE = """
import socket, sys
if hasattr(socket, "socketpair"):
    del socket.socketpair
    socket.__all__.remove("socketpair")
"""

CARRIES_A_BYTE = """
first, second = function()
first.sendall(b"x")
print(second.recv(1) == b"x")
"""


def assert_makes_a_pair(folder):
    code = """
from library.vendor.pairs import socketpair as function
assert function is socket.socketpair and "backports_socketpair" not in sys.modules
"""
    assert run_beside(folder, WITHOUT_NATIVE + code + CARRIES_A_BYTE) == "True"


@pytest.mark.parametrize("names", [["socket"], ("socket",), None], ids=["list", "tuple", "none"])
def test_fallback_is_set_and_a_star_import_includes_it(without_socketpair, monkeypatch, names):
    monkeypatch.setattr(socket, "__all__", names)
    if names is None:
        monkeypatch.delattr(socket, "__all__")
    copy = load_copy()
    assert socket.socketpair is copy.socketpair is copy.fallback_socketpair
    assert getattr(socket, "__all__", None) == (names and ["socket", "socketpair"])
    brought = {}
    exec("from socket import *", brought)
    assert brought["socketpair"] is socket.socketpair


def test_second_copy_changes_nothing_and_has_the_same_function(without_socketpair):
    first = load_copy("first")
    before = dict(vars(socket), __all__=list(socket.__all__))
    second = load_copy("second")
    assert dict(vars(socket), __all__=list(socket.__all__)) == before
    assert second.socketpair is first.socketpair


def test_reloading_changes_nothing(vendor):
    code = """
from library.vendor import pairs
before = socket.socketpair, list(getattr(socket, "__all__", []))
try:
    from importlib import reload
except ImportError:
    pass
reload(pairs)
print((pairs.socketpair, list(getattr(socket, "__all__", []))) == before == (socket.socketpair, before[1]))
"""
    assert run_beside(vendor, WITHOUT_NATIVE + code) == "True"


@pytest.mark.skipif(socket.socketpair is module.fallback_socketpair, reason="this Python has no socketpair of its own")
def test_pythons_own_function_stays_and_the_module_has_it():
    before = dict(vars(socket))
    copy = load_copy()
    assert dict(vars(socket)) == before
    assert copy.socketpair is socket.socketpair is not copy.fallback_socketpair


def test_names_that_are_exported():
    assert module.__all__ == ["fallback_socketpair", "socketpair"]
    assert backports_socketpair.__all__ == ["fallback_socketpair", "install", "socketpair"]
    assert backports_socketpair.socketpair is module.socketpair is socket.socketpair
    assert backports_socketpair.fallback_socketpair is module.fallback_socketpair


IMPORTED_AND_FORGOTTEN = """
import gc, socket, sys
before = dict(sys.modules)
{}
function = {}
ours = None
sys.modules.clear()
sys.modules.update(before)
gc.collect()
"""


@pytest.mark.parametrize(
    "imported, function",
    [
        ("import backports_socketpair as ours", "ours.fallback_socketpair"),
        ("import backports_socketpair as ours; ours.install()", "socket.socketpair"),
        ("from library.vendor import pairs as ours", "ours.fallback_socketpair"),
        ("from library.vendor import pairs as ours", "socket.socketpair"),
    ],
)
def test_functions_work_after_sys_modules_loses_the_module(vendor, imported, function):
    """Check this because Python 2 clears the globals of a module without references."""
    code = IMPORTED_AND_FORGOTTEN.format(imported, function)
    assert run_beside(vendor, WITHOUT_NATIVE + code + CARRIES_A_BYTE) == "True"


def test_importing_opens_nothing_and_starts_no_thread(stand_in):
    made = stand_in(StandIn)
    before = open_sockets(), threading.active_count()
    load_copy()
    assert (made, open_sockets(), threading.active_count()) == ([],) + before


@pytest.mark.skipif(JYTHON, reason="Jython's socket module imports other modules")
def test_importing_the_package_imports_little_but_socket(vendor):
    """Check this because our package may add at most a tenth to the time that importing socket takes."""
    code = """
import socket, sys
before = set(sys.modules) | {"_socket", "errno", "os", "select", "time", "__future__"}
import backports_socketpair
print([name for name in set(sys.modules) - before if "backports_socketpair" not in name])
"""
    assert run_beside(vendor, code) == "[]"


def test_one_file_works_in_another_package_under_another_name(vendor):
    vendor.join("library", "vendor", "socket.py").write("raise ImportError('the wrong socket')")
    assert_makes_a_pair(vendor)


def test_one_file_works_byte_compiled_without_its_source(vendor):
    source = vendor.join("library", "vendor", "pairs.py")
    compiled = {} if JYTHON else {"cfile": str(source) + "c"}
    py_compile.compile(str(source), doraise=True, **compiled)
    source.remove()
    assert_makes_a_pair(vendor)


def test_one_file_works_from_a_zip(vendor):
    assert_makes_a_pair(shutil.make_archive(str(vendor.join("packed")), "zip", str(vendor), "library"))


def test_file_carries_its_own_licence_notice():
    with io.open(SOURCE, encoding="ascii") as source:
        assert source.read(90).startswith("# SPDX-License-Identifier: MIT-0\n# Copyright (c) ")
