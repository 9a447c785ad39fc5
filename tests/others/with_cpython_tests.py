"""Runs CPython's own tests of its socketpair, unmodified, on the fallback.

Each Python runs the tests in its own test package.
"""

import importlib
import socket
import unittest

from support import fallback


def test_all_pass_except_one_that_expects_an_error(monkeypatch):
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
    # The test connects a stranger before the client, and expects an error. The fallback closes the stranger and makes
    # the pair. Otherwise any local process could prevent a program from starting.
    wants_an_error = ("test_injected_authentication_failure", "AssertionError: OSError not raised")
    assert different == [wants_an_error] * has_fallback
