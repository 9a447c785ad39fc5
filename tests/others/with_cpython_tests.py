"""CPython's own test classes for its socketpair, unmodified, run over ours.

Each Python runs what its own test package has.
"""

import importlib
import socket
import unittest

import pytest

from support import module

if hasattr(socket, "_fallback_socketpair"):
    CLASS = "PurePythonSocketPairTest"
else:
    CLASS = "BasicSocketPairTest"

# It puts a stranger before the client and asks for an error. We turn the stranger away and go on, since otherwise any
# local process could keep a program from starting.
DIFFERENT = "test_injected_authentication_failure"
ERROR_ASKED_FOR = "AssertionError: OSError not raised"


@pytest.fixture
def result(monkeypatch):
    monkeypatch.setattr(socket, "socketpair", module.fallback_socketpair)
    monkeypatch.setattr(socket, "_fallback_socketpair", module.fallback_socketpair, raising=False)
    tests = getattr(importlib.import_module("test.test_socket"), CLASS)
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(tests).run(result)
    return result


def test_all_pass_but_one_that_wants_an_error_at_a_stranger(result):
    assert result.errors == []
    assert result.skipped == []
    different = [(test.id().split(".")[-1], text) for test, text in result.failures]
    if CLASS == "BasicSocketPairTest":
        assert result.testsRun >= 2
        assert different == []
    else:
        assert result.testsRun == 5
        ((name, text),) = different
        assert name == DIFFERENT
        assert text.splitlines()[-1] == ERROR_ASKED_FOR
