"""Runs another project's test suite, and writes the outcomes of each test to a file.

    python recorded.py own|ours|none OUTCOMES MODULE [ARGUMENTS...]

The first argument says which function makes the pairs: Python's own, the fallback, or one that always raises. MODULE
is pytest, or a module that runs tests written with unittest. The suite is not changed, and none of it is imported
before the function is set. pytest loads this file as a plugin. PYTEST_DONT_REWRITE tells it not to rewrite this file.
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
    # A shell makes background processes ignore SIGINT, but tests in the suites raise it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.modules["recorded"] = sys.modules["__main__"]  # for pytest's option "-p recorded"
    try:
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    finally:
        with open(path, "w") as file:
            json.dump({name: sorted(set(each)) for name, each in outcomes.items()}, file)
