"""CPython's own test classes for its socketpair, unmodified, run over ours.

Each Python runs what its own test package has.
"""

import importlib
import socket
import unittest

from support import fallback


def test_all_pass_but_one_that_wants_an_error_at_a_stranger(monkeypatch):
    has_fallback = hasattr(socket, "_fallback_socketpair")
    monkeypatch.setattr(socket, "socketpair", fallback)
    monkeypatch.setattr(socket, "_fallback_socketpair", fallback, raising=False)
    cls = "PurePythonSocketPairTest" if has_fallback else "BasicSocketPairTest"
    tests = getattr(importlib.import_module("test.test_socket"), cls)
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(tests).run(result)
    assert result.errors == []
    assert result.skipped == []
    assert result.testsRun >= (5 if has_fallback else 2)
    different = [(test.id().split(".")[-1], text.splitlines()[-1]) for test, text in result.failures]
    # It puts a stranger before the client and asks for an error. We turn the stranger away and go on, since otherwise
    # any local process could keep a program from starting.
    wants_an_error = ("test_injected_authentication_failure", "AssertionError: OSError not raised")
    assert different == [wants_an_error] * has_fallback
