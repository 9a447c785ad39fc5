"""Tests that other projects' unmodified test suites have the same outcomes over our pairs and over Python's own. The
exceptions are listed. CPython's own suite must pass over ours.

The suites of tornado and trio, and parts of anyio's and CPython's, run on CPython 3.13. Some of CPython's asyncio tests
also run on Windows CPython 3.13. That is the embeddable build, which has no tests. It runs those of the Python that
runs pytest.
"""

import importlib.metadata
import json
import os
import subprocess
import sys
import tarfile

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
RECORDED = os.path.join(HERE, "recorded.py")
WINDOWS_313 = [os.path.join(os.path.dirname(HERE), "pythons", "run.sh"), "win313"]


def asyncio(*names):
    return ["unittest"] + ["test.test_asyncio.test_" + name for name in names]


PYTEST = ["pytest", "-p", "recorded", "-p", "no:cacheprovider", "--tb=line"]
TRIO = PYTEST + ["-p", "trio._tests.pytest_plugin", "-p", "no:anyio", "--skip-optional-imports", "--pyargs"]
# The tests of sockets, event loops, threads and processes, except a class that fills UDP buffers, and then waits for
# five seconds. The plugin unraisableexception blames the running test for an object that an earlier test left open.
ANYIO = PYTEST + ["-p", "no:unraisableexception", "--deselect=tests/test_sockets.py::TestUDPSocketBackpressure"]
ANYIO += ["tests/streams/test_tls.py"]
ANYIO_TESTS = ["eventloop", "from_thread", "signals", "sockets", "subprocesses", "to_process", "to_thread"]
WINDOWS_TESTS = ["events", "proactor_events", "runners", "selector_events", "windows_events", "windows_utils"]
# The arguments that run all of a suite, those that run a part of it, and a lower bound for the number of its tests.
SUITES = {
    "tornado": (["tornado.test.runtests"], ["tornado.test.runtests", "tornado.test.ioloop_test"], 1500),
    "trio": (TRIO + ["trio._tests"], TRIO + ["trio._core._tests.test_io"], 600),
    "anyio": (ANYIO + ["tests/test_%s.py" % name for name in ANYIO_TESTS], ANYIO, 1500),
    "cpython": (["unittest", "test.test_asyncio", "test.test_selectors"], asyncio("streams"), 2600),
    "windows": (asyncio(*WINDOWS_TESTS), asyncio("runners"), 400),
}
# The fallback's pairs cannot pass descriptors.
DIFFER = {
    "tests/test_sockets.py::TestUNIXStream::test_send_fds_large_message[%s]" % loop
    for loop in ("asyncio", "asyncio+eager", "trio")
}
# A request must arrive within a tenth of a second, over TLS too. On a busy machine it may be late.
MAY_DIFFER = {
    "tornado.test.simple_httpclient_test.%sTestCase.test_request_timeout" % name
    for name in ("SimpleHTTPClient", "SimpleHTTPSClient")
}

pytestmark = pytest.mark.parametrize("name", SUITES)


@pytest.fixture
def start(name, tmp_path):
    """Yield a function that starts tests over pairs of one kind. It returns a function that waits for the outcomes."""
    (tmp_path / "test").symlink_to(os.path.dirname(importlib.import_module("test").__file__))
    environment = dict(os.environ, MORE_PATH=str(tmp_path))
    folder = anyio_sources(tmp_path) if name == "anyio" else tmp_path
    started = []

    def start(maker, tests):
        log, result = tmp_path / (maker + ".log"), tmp_path / (maker + ".json")
        command = WINDOWS_313 if name == "windows" else [sys.executable]
        command = [*command, RECORDED, maker, str(result), *tests]
        with open(log, "w") as file:
            process = subprocess.Popen(command, cwd=folder, env=environment, stdout=file, stderr=subprocess.STDOUT)
        started.append(process)

        def outcomes():
            process.wait(600)
            print(log.read_text(errors="replace"))
            return json.loads(result.read_text())

        return outcomes

    yield start
    for process in started:
        process.kill()
        process.wait()


def anyio_sources(folder):
    """Download the sources of the installed anyio, which include the tests, and return their folder."""
    version = importlib.metadata.version("anyio")
    download = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary=:all:", "anyio==" + version]
    subprocess.check_call(download, cwd=folder)
    with tarfile.open(folder / ("anyio-%s.tar.gz" % version)) as sources:
        sources.extractall(folder, filter="data")
    return folder / ("anyio-" + version)


def differences(name, start):
    """Return the tests that differ between the two kinds of pairs. For "cpython", return those that fail over ours."""
    tests, _, least = SUITES[name]
    if name == "cpython":  # every test must pass, so one run is enough
        ours = start("ours", tests)()
        found = {test: each for test, each in ours.items() if {"addError", "addFailure"} & set(each)}
    else:
        own, ours = [outcomes() for outcomes in [start(maker, tests) for maker in ("own", "ours")]]
        found = {test: (own.get(test), ours.get(test)) for test in {*own, *ours} if own.get(test) != ours.get(test)}
    assert len(ours) > least
    return {test: each for test, each in found.items() if test not in MAY_DIFFER}


def test_outcomes_are_those_over_pythons_own_pairs(name, start):
    expected = DIFFER if name == "anyio" else set()
    found = differences(name, start)
    if set(found) != expected:
        # On a busy machine a test may fail because its port is taken, or because it is late, but not twice.
        again = differences(name, start)
        found = {test: outcomes for test, outcomes in found.items() if test in again}
    assert set(found) == expected, found


def test_suite_fails_over_a_function_that_raises(name, start):
    """Check that the suite really uses the function that recorded.py sets."""
    outcomes = start("none", SUITES[name][1])()
    assert {"failed", "addError"} & {outcome for test in outcomes.values() for outcome in test}
