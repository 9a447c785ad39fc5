"""Tests of a program that has our file and the withdrawn backports.socketpair, which kafka-python 2.0.2 vendors.

kafka.sh runs them, with the unmodified release on the path.
"""

import _socket
import importlib
import socket
import sys

import backports_socketpair
from support import fallback, load_copy


def load_older():
    sys.modules.pop("kafka.vendor.socketpair", None)
    return importlib.import_module("kafka.vendor.socketpair")


def test_older_backport_loaded_first_stays_until_install(without_socketpair, monkeypatch):
    older = load_older()
    assert socket.socketpair is older.socketpair
    assert load_copy().socketpair is socket.socketpair is older.socketpair
    monkeypatch.delattr(_socket, "socketpair", raising=False)
    monkeypatch.setattr(backports_socketpair, "socketpair", older.socketpair)
    backports_socketpair.install()
    assert socket.socketpair is backports_socketpair.socketpair is fallback


def test_older_backport_loaded_second_changes_nothing(without_socketpair):
    ours = load_copy()
    assert not hasattr(load_older(), "socketpair")
    assert socket.socketpair is ours.fallback_socketpair
