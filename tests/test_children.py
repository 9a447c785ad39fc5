"""python -m backports_socketpair PROGRAM: the processes that multiprocessing starts have a pair that works, too."""

import os
import sys
import textwrap

import pytest

from standins.refusal import CAN_REFUSE, start_refused
from support import HAS_NATIVE, start_python

if sys.version_info >= (3, 4):
    import multiprocessing

    WAYS = [way for way in multiprocessing.get_all_start_methods() if way != "fork"]
else:
    WAYS = ["spawn"] if os.name == "nt" else []

pytestmark = [
    pytest.mark.skipif(not WAYS, reason="this Python's children are forked, or it has no multiprocessing"),
    pytest.mark.skipif(HAS_NATIVE and not CAN_REFUSE, reason="the system's own function is not replaced"),
]
each_way = pytest.mark.parametrize("way", WAYS)

OURS = "backports_socketpair.socketpair"

# By the name of the function's module, since importing ours could change something.
PROGRAM = """
import multiprocessing, os, socket, sys

def whose():
    return getattr(getattr(socket, "socketpair", None), "__module__", None)

WHEN_IMPORTED = whose()

def tell():
    print((WHEN_IMPORTED, whose(), type(sys.path).__name__, sys.path, sorted(os.environ)))
    sys.stdout.flush()

def tell_and_start_another():
    tell()
    start(tell)

def start(function):
    context = multiprocessing.get_context(WAY) if hasattr(multiprocessing, "get_context") else multiprocessing
    child = context.Process(target=function)
    child.start()
    child.join()
    assert child.exitcode == 0
"""


@pytest.fixture
def write(tmpdir):
    """Writes a program whose main lines these are, and whose processes are started that way."""

    def write(way, main="start(tell_and_start_another)"):
        main = textwrap.dedent(main).replace("\n", "\n    ")
        tmpdir.join("program.py").write("WAY = %r\n%s\nif __name__ == '__main__':\n    %s\n" % (way, PROGRAM, main))

    return write


@pytest.fixture
def run(tmpdir):
    """Runs Python where the system has no pair, or refuses it: what each of the processes told."""

    def run(*args):
        start = start_refused if HAS_NATIVE else start_python
        status, out, err = start(*args, cwd=str(tmpdir))()
        assert (status, err) == (0, ""), out + err
        return [eval(line) for line in out.splitlines()]

    return run


@each_way
@pytest.mark.parametrize("program", [["program.py"], ["-m", "program"]], ids=" ".join)
def test_child_and_grandchild_have_it_before_the_program(write, run, way, program):
    write(way)
    told = run("-m", "backports_socketpair", *program)
    assert [each[:2] for each in told] == [(OURS, OURS), (OURS, OURS)]
    pythons = run(*program)
    assert len(pythons) == 2 and OURS not in pythons[0] + pythons[1]
    # Their sys.path and their environment are what they are without us.
    assert [each[2:] for each in told] == [each[2:] for each in pythons]


@each_way
def test_child_is_reached_once_of_a_program_that_runs_us_again(write, run, way):
    write(way)
    told = run("-m", "backports_socketpair", "-m", "backports_socketpair", "program.py")
    assert [each[:2] for each in told] == [(OURS, OURS), (OURS, OURS)]


@each_way
def test_nothing_is_written_to_the_disk(write, run, tmpdir, way):
    write(way, "start(tell); print(sorted(os.listdir(os.getcwd())))")
    assert run("-B", "-m", "backports_socketpair", "program.py")[1] == ["program.py"]


@each_way
def test_child_that_cannot_import_us_runs_all_the_same(write, run, tmpdir, way):
    main = """
        from backports_socketpair.children import HealingPath
        HealingPath.expression = HealingPath.expression.replace("backports_socketpair import", "gone import")
        start(tell)
    """
    write(way, main)
    assert [OURS in each for each in run("-m", "backports_socketpair", "program.py")] == [False]


@pytest.mark.skipif("forkserver" not in WAYS, reason="this Python has no fork server")
def test_module_that_the_fork_server_preloads_has_the_fallback(write, run, tmpdir):
    code = "import socket, sys; print((socket.socketpair.__module__, sys.path), flush=True)"
    tmpdir.join("beforehand.py").write(code)
    write("forkserver", "multiprocessing.set_forkserver_preload(['beforehand']); start(tell)")
    (_, pythons_path), _ = run("program.py")
    assert run("-m", "backports_socketpair", "program.py")[0] == (OURS, pythons_path)


@each_way
def test_program_that_imports_multiprocessing_first_is_reached(write, run, way):
    """As one does that calls install() and the like from a start-up file of its own."""
    write(way)
    code = """
        import multiprocessing, sys
        if sys.version_info >= (3, 4):
            import multiprocessing.spawn
        import runpy
        sys.argv[1:] = ["program.py"]
        runpy.run_module("backports_socketpair", run_name="__main__", alter_sys=True)
    """
    assert [each[:2] for each in run("-c", textwrap.dedent(code))] == [(OURS, OURS), (OURS, OURS)]
