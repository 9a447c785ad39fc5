"""The withdrawn backports.socketpair, as kafka-python 2.0.2 vendors it, next to ours: no harm either way.

Run by kafka.sh, with that release on the path as it is.
"""

import _socket
import importlib
import socket
import sys

import pytest

import backports_socketpair
from support import fallback, load_copy


@pytest.fixture
def load_older(without_socketpair):
    def load():
        sys.modules.pop("kafka.vendor.socketpair", None)
        return importlib.import_module("kafka.vendor.socketpair")

    return load


def test_loaded_first_it_stays_and_ours_has_its_function(load_older):
    older = load_older()
    assert socket.socketpair is older.socketpair
    ours = load_copy()
    assert ours.socketpair is socket.socketpair is older.socketpair


def test_loaded_second_it_changes_nothing(load_older):
    ours = load_copy()
    older = load_older()
    assert socket.socketpair is ours.fallback_socketpair
    assert not hasattr(older, "socketpair")


def test_install_replaces_it_if_the_system_has_no_pairs(load_older, monkeypatch):
    older = load_older()
    monkeypatch.delattr(_socket, "socketpair", raising=False)
    monkeypatch.setattr(backports_socketpair, "socketpair", older.socketpair)
    backports_socketpair.install()
    assert socket.socketpair is backports_socketpair.socketpair is fallback
