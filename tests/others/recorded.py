"""Runs a suite with its pairs made by the function that is named, and writes what became of each test:

    python recorded.py own|ours|none OUTCOMES MODULE [ARGUMENTS...]

MODULE is pytest or any that runs unittest's tests. Nothing of the suite is changed, nor imported before. pytest has
this file as a plugin (PYTEST_DONT_REWRITE its assertions, since it is loaded already).
"""

import collections
import json
import runpy
import signal
import socket
import sys
import unittest

import backports_socketpair

outcomes = collections.defaultdict(list)


def none(*args, **kwargs):
    raise OSError("no pair")


def pytest_runtest_logreport(report):
    if report.when == "call" or not report.passed:
        outcomes[report.nodeid].append(report.outcome)


def record_unittest(name):
    method = getattr(unittest.TestResult, name)

    def recording(result, test, *args):
        outcomes[test.id()].append(name)
        return method(result, test, *args)

    setattr(unittest.TestResult, name, recording)


if __name__ == "__main__":
    maker, path, *sys.argv[:] = sys.argv[1:]
    if maker != "own":
        socket.socketpair = none if maker == "none" else backports_socketpair.fallback_socketpair
    for name in ("addSuccess", "addError", "addFailure", "addSkip", "addExpectedFailure", "addUnexpectedSuccess"):
        record_unittest(name)
    # What a shell runs in the background ignores Ctrl-C, which the suites raise.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.modules["recorded"] = sys.modules["__main__"]  # a plugin of pytest's
    try:
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    finally:
        with open(path, "w") as file:
            json.dump({name: sorted(set(each)) for name, each in outcomes.items()}, file)
