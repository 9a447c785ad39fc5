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

outcomes = collections.defaultdict(set)


def none(*args, **kwargs):
    raise OSError("no pair")


def pytest_runtest_logreport(report):
    if report.when == "call" or not report.passed:
        outcomes[report.nodeid].add(report.outcome)


def record_unittest(name):
    method = getattr(unittest.TestResult, name)

    def recording(result, test, *args):
        outcomes[test.id()].add(name)
        return method(result, test, *args)

    setattr(unittest.TestResult, name, recording)


def main(maker, path, module, *arguments):
    if maker != "own":
        socket.socketpair = {"ours": backports_socketpair.fallback_socketpair, "none": none}[maker]
    for name in ("addSuccess", "addError", "addFailure", "addSkip", "addExpectedFailure", "addUnexpectedSuccess"):
        record_unittest(name)
    # What a shell runs in the background ignores Ctrl-C, which the suites raise.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.modules["recorded"] = sys.modules["__main__"]  # a plugin of pytest's
    sys.argv[:] = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        with open(path, "w") as file:
            json.dump({name: sorted(each) for name, each in outcomes.items()}, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
