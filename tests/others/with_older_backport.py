"""The withdrawn backports.socketpair, as kafka-python 2.0.2 vendors it, next to ours: no harm either way.

Run by kafka.sh, with that release on the path as it is.
"""

import importlib
import socket
import sys

import pytest

from support import load_copy


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
