"""Others' own suites, unmodified: what becomes of each test over our pairs is what becomes of it over Python's own.

tornado's, trio's, anyio's and CPython's, with CPython 3.13, and CPython's of asyncio with Windows CPython 3.13, whose
embeddable build has no tests: they are this Python's, which is another release of 3.13.
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


class Suite:
    def __init__(self, all_of_it, part, least, differs=(), may=(), python=(sys.executable,), passes=False):
        self.all_of_it = all_of_it
        self.part = part
        self.least = least  # tests
        self.differs = set(differs)
        self.may_differ = set(may)
        self.python = list(python)
        self.passes = passes  # all of it


def asyncio(*names):
    return ["unittest"] + ["test.test_asyncio.test_" + name for name in names]


PYTEST = ["pytest", "-p", "recorded", "-p", "no:cacheprovider", "--tb=line"]
TRIO = PYTEST + ["-p", "trio._tests.pytest_plugin", "-p", "no:anyio", "--skip-optional-imports", "--pyargs"]
# What has sockets, event loops, threads and processes in it, but for a class that waits five seconds at a time until no
# more UDP fits. What a collected object leaves open would be told of whichever test is under way.
ANYIO = PYTEST + ["-p", "no:unraisableexception", "--deselect=tests/test_sockets.py::TestUDPSocketBackpressure"]
ANYIO_TESTS = ["tests/streams/test_tls.py"] + [
    "tests/test_%s.py" % name
    for name in ("eventloop", "from_thread", "signals", "sockets", "subprocesses", "to_process", "to_thread")
]
# A request has to be there in a tenth of a second, over TLS too, amid all else that runs.
TORNADO_HURRIES = [
    "tornado.test.simple_httpclient_test.%sTestCase.test_request_timeout" % name
    for name in ("SimpleHTTPClient", "SimpleHTTPSClient")
]
PASSES_DESCRIPTORS = "tests/test_sockets.py::TestUNIXStream::test_send_fds_large_message[%s]"

SUITES = {
    "tornado": Suite(
        ["tornado.test.runtests"], ["tornado.test.runtests", "tornado.test.ioloop_test"], 1500, may=TORNADO_HURRIES
    ),
    "trio": Suite(TRIO + ["trio._tests"], TRIO + ["trio._core._tests.test_io"], 600),
    "anyio": Suite(
        ANYIO + ANYIO_TESTS,
        ANYIO + ANYIO_TESTS[:1],
        1500,
        differs=[PASSES_DESCRIPTORS % loop for loop in ("asyncio", "asyncio+eager", "trio")],
    ),
    "cpython": Suite(["unittest", "test.test_asyncio", "test.test_selectors"], asyncio("streams"), 2600, passes=True),
    "windows": Suite(
        asyncio("events", "proactor_events", "runners", "selector_events", "windows_events", "windows_utils"),
        asyncio("runners"),
        400,
        python=WINDOWS_313,
    ),
}


@pytest.fixture(params=SUITES)
def suite(request):
    return SUITES[request.param]


@pytest.fixture
def start(suite, tmp_path):
    """Starts a suite over pairs made so, and returns what waits for its end and says what became of each test."""
    (tmp_path / "test").symlink_to(os.path.dirname(importlib.import_module("test").__file__))
    environment = dict(os.environ, MORE_PATH=str(tmp_path))
    folder = anyio_sources(tmp_path) if suite is SUITES["anyio"] else tmp_path
    started = []

    def start(maker, tests):
        log, result = [tmp_path / (maker + suffix) for suffix in (".log", ".json")]
        command = suite.python + [RECORDED, maker, str(result)] + tests
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
    """Its sources, which have the tests, of the release that is installed."""
    version = importlib.metadata.version("anyio")
    download = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary=:all:", "-d", str(folder)]
    subprocess.check_call(download + ["anyio==" + version])
    with tarfile.open(folder / ("anyio-%s.tar.gz" % version)) as sources:
        sources.extractall(folder, filter="data")
    return folder / ("anyio-" + version)


@pytest.fixture
def differences(suite, start):
    """Runs all of a suite both ways at once, and returns what became of those tests of which not the same did."""

    def compare():
        if suite.passes:
            ours = start("ours", suite.all_of_it)()
            found = {test: each for test, each in ours.items() if {"addError", "addFailure"} & set(each)}
        else:
            own, ours = [outcomes() for outcomes in [start(maker, suite.all_of_it) for maker in ("own", "ours")]]
            found = {test: (own.get(test), ours.get(test)) for test in {*own, *ours} if own.get(test) != ours.get(test)}
        assert len(ours) > suite.least
        return found

    return compare


def test_each_test_does_what_it_does_over_pythons_own_pairs(suite, differences):
    found = differences()
    if set(found) - suite.may_differ != suite.differs:
        # Some need a port that nobody else has, or to be in time, amid all else that runs: they do not differ twice.
        again = differences()
        found = {test: outcomes for test, outcomes in found.items() if test in again}
    assert set(found) - suite.may_differ == suite.differs, found


def test_suite_fails_over_a_function_that_raises(suite, start):
    """So that what we put in is known to be what it takes."""
    outcomes = start("none", suite.part)()
    assert {"failed", "addError"} & {outcome for test in outcomes.values() for outcome in test}
