"""Tests of "python -m backports_socketpair ARGUMENTS": the program and each Python that it starts call install()."""

import os
import shutil
import signal
import subprocess
import sys

import pytest

from backports_socketpair.__main__ import USAGE
from backports_socketpair.startup import reason_not_to_run
from standins.environment import PACKAGE, base_python
from support import JYTHON, start_python

RUNS = ["-m", "backports_socketpair"]
PYTHONPATH = "JYTHONPATH" if JYTHON else "PYTHONPATH"
POSIX = os.name == "posix"
PATH = os.environ.get(PYTHONPATH, "")
ON_PATH = os.path.join(PACKAGE, "on_path")

# This looks only at modules that have been imported, because an import here could change the result.
INSTALLED = """
def is_installed():
    import sys
    ours, socket = sys.modules.get("backports_socketpair"), sys.modules.get("socket")
    return bool(ours) and socket.socketpair is ours.helped(ours.socketpair)

import sys
print(is_installed())
sys.stdout.flush()
"""

PRINTS_ITS_STATE = """
import os, sys
print(__name__, sys.argv, sys.path, sys.warnoptions, sys.modules.get("sitecustomize"), sorted(globals()))
print([str(globals().get(name)).split(" at 0x")[0] for name in ("__doc__", "__package__", "__spec__", "__loader__")])
print([bool(getattr(sys.flags, name, None)) for name in dir(sys.flags) if name[0] != "_"])
print(sorted(getattr(sys, "_xoptions", {}).items()), sys._getframe().f_back is None)
"""

not_on_jython = pytest.mark.skipif(JYTHON, reason="Jython takes seconds to start, and other tests cover this")


@pytest.fixture
def start(tmpdir):
    """Return a function that starts Python in the test's folder, and returns a function that waits for the outcome."""
    empty = write(tmpdir, "", "empty")  # os.devnull is a terminal on Windows

    def start(*args, **variables):
        options = {"cwd": str(tmpdir), "python": variables.pop("python", sys.executable)}
        with open(variables.pop("stdin", empty)) as stdin:
            options["stdin"] = None if JYTHON else stdin  # Jython's subprocess does not pass on the end of a file
            outcome = start_python(*args, env=dict(os.environ, PYTHON_BASIC_REPL="1", **variables), **options)
        ended = outcome() if JYTHON else None  # two Jythons would write the same class file of a package
        return (lambda: ended) if JYTHON else outcome

    return start


@pytest.fixture
def assert_same(start):
    """Return a function that checks that the outcome is the same with and without our package, and returns it."""

    def check(arguments, options=(), after_us=(), **variables):
        arguments = list(after_us) + arguments
        ours = start(*list(options) + RUNS + arguments, **variables)
        pythons = start(*list(options) + arguments, **variables)
        outcome = ours()
        assert outcome == pythons()
        return outcome

    return check


def write(folder, code, name="written.py"):
    folder.join(name).write(code)
    return str(folder.join(name))


def with_folder(folder):
    return os.pathsep.join([str(folder)] + PATH.split(os.pathsep) * bool(PATH))


PROGRAMS = ["folder/program.py", "-m folder", "-m folder.program", "folder", "archive.zip", "-c", "-"]


@pytest.mark.parametrize("program", PROGRAMS[: 1 if JYTHON else None])
def test_program_sees_the_same_state_as_without_us(assert_same, tmpdir, program):
    written = write(tmpdir.mkdir("folder"), PRINTS_ITS_STATE, "program.py")
    write(tmpdir.join("folder"), PRINTS_ITS_STATE, "__main__.py")
    write(tmpdir.join("folder"), "import sys; print(sys.argv)", "__init__.py")
    shutil.make_archive(str(tmpdir.join("archive")), "zip", str(tmpdir.join("folder")))
    arguments = program.split() + [PRINTS_ITS_STATE] * (program == "-c") + ["-x", "--help", "-S", "two words", ""]
    status, out, err = assert_same(arguments, stdin=written)
    assert (status, err) == (0, "") and "two words" in out


OPTIONS = [["-O", "-W", "error"], ["-i", "-B"]]
if sys.version_info >= (3, 4):
    OPTIONS[0] += ["-X", "faulthandler", "-Wignore", "-sq"]
if sys.version_info >= (3, 11):
    OPTIONS += [["-P", "-Xdev", "-X", "utf8=1", "-Xown=words"]]


@not_on_jython
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_pythons_options_apply_to_the_program(assert_same, tmpdir, options):
    program = write(tmpdir, PRINTS_ITS_STATE)
    assert assert_same([program], options)[0] == 0
    assert assert_same([program], after_us=options)[0] == 0


@pytest.mark.skipif(sys.version_info < (3, 7), reason="before 3.7, Python does not report this option")
def test_option_for_unbuffered_output_applies_to_the_program(assert_same, tmpdir):
    program = write(tmpdir, "import os\nprint('written')\nos._exit(0)")
    assert assert_same([program], ["-u"], PYTHONUNBUFFERED="") == (0, "written\n", "")
    assert assert_same([program], PYTHONUNBUFFERED="") == (0, "", "")


EXITS = [["-c", "1 / 0"], ["-c", "import sys; sys.exit(3)"], ["-c", "raise KeyboardInterrupt"], ["no_such_file.py"]]
EXITS += [["-c", "import os; os._exit(%d)" % (255 if POSIX else -5)], ["--no-such-option"], ["--enable", "now"]]


@pytest.mark.parametrize("arguments", EXITS[: 2 if JYTHON else None], ids=str)
def test_exit_status_and_error_are_as_without_us(assert_same, arguments):
    assert assert_same(arguments)[0] != 0


@pytest.mark.skipif(not POSIX, reason="only on POSIX terminate() sends a signal")
def test_signal_reaches_the_program(tmpdir):
    program = write(tmpdir, "import os, signal, sys; print(os.getpid()); sys.stdout.flush(); signal.pause()")
    process = subprocess.Popen([sys.executable] + RUNS + [program], stdout=subprocess.PIPE)
    assert int(process.stdout.readline()) == process.pid
    process.terminate()
    process.stdout.close()
    assert process.wait() == -signal.SIGTERM


@not_on_jython
@pytest.mark.parametrize("path", [os.pathsep, os.pathsep + "{}", "{}" + os.pathsep + "{}", "no_such_folder"])
def test_sys_path_is_as_without_us(assert_same, tmpdir, path):
    path = path.replace("{}", str(tmpdir.join("folder"))) + (os.pathsep + PATH if PATH else "")
    assert assert_same([write(tmpdir, PRINTS_ITS_STATE)], PYTHONPATH=path)[0] == 0


@not_on_jython
@pytest.mark.parametrize(
    "code", ["import os; os.environ['RAN'] = 'yes'", "raise ImportError('its own', name='sitecustomize')", "1 / 0"]
)
def test_users_own_sitecustomize_runs_as_without_us(start, tmpdir, code):
    """Expect its errors twice: it also runs in the Python that starts the program's Python."""
    write(tmpdir.mkdir("own"), code, "sitecustomize.py")
    program = write(tmpdir, "import os, sys; print(os.environ.get('RAN')); print(sys.modules.get('sitecustomize'))")
    path = with_folder(tmpdir.join("own"))
    ours, pythons = start(*RUNS + [program], PYTHONPATH=path), start(program, PYTHONPATH=path)
    (status, out, err), without = ours(), pythons()
    assert (status, out, err) == (without[0], without[1], without[2] * 2)


def test_running_us_within_us_changes_nothing(start, tmpdir):
    program = write(tmpdir, PRINTS_ITS_STATE + "print(os.environ[%r])\n" % PYTHONPATH)
    once, twice = start(*RUNS + [program]), start(*RUNS + RUNS + [program])
    outcome = once()
    assert outcome == twice()
    assert outcome[0] == 0 and outcome[1].count(ON_PATH) == 1


STARTS_PYTHON = "import subprocess, sys\nsubprocess.check_call([sys.executable, '-c', sys.argv[1]] + sys.argv[2:])\n"
PROCESSES = """
import multiprocessing

class Point(object):
    x = "Point"

def job(question):
    return is_installed(), Point()

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1]) if sys.argv[1:] else multiprocessing
    pool = context.Pool(1)
    print([(answer, point.x) for answer, point in pool.map(job, [1])])
    pool.close()
    pool.join()
"""
WAYS = [] if JYTHON else [None]
if sys.version_info >= (3, 4):
    WAYS = pytest.importorskip("multiprocessing").get_all_start_methods()


def test_program_and_python_that_it_starts_have_called_install(start, tmpdir):
    program = write(tmpdir, INSTALLED + STARTS_PYTHON)
    assert start(*RUNS + [program, STARTS_PYTHON, INSTALLED])() == (0, "True\nTrue\n", "")


@pytest.mark.parametrize("way", WAYS)
def test_processes_of_a_pool_have_called_install(start, tmpdir, way):
    """Check this with a start-up file that imports multiprocessing, as coverage's does."""
    write(tmpdir.mkdir("own"), "import multiprocessing.pool", "sitecustomize.py")
    arguments = [write(tmpdir, INSTALLED + PROCESSES)] + [way] * bool(way)
    status, out, err = start(*RUNS + arguments, PYTHONPATH=with_folder(tmpdir.join("own")))()
    assert (status, err) == (0, "")
    assert set(out.splitlines()) == {"True", "[(True, 'Point')]"}


@pytest.mark.parametrize("fault", ["raise ImportError('not here')", "def", "install = None"][: 1 if JYTHON else None])
def test_python_without_a_working_package_starts_as_usual(start, tmpdir, fault):
    write(tmpdir.mkdir("other"), fault, "backports_socketpair.py")
    path = os.pathsep.join([ON_PATH, with_folder(tmpdir.join("other"))])
    outcome = start(write(tmpdir, INSTALLED), **{PYTHONPATH: path})()
    assert outcome in [(0, "False\n", ""), (1, "", outcome[2])]
    assert "backports_socketpair" not in outcome[2]


@not_on_jython
@pytest.mark.parametrize("name", ["two words", b"\xc3\xa9\xe2\x82\xac".decode("utf-8")][: 1 if str is bytes else None])
def test_package_may_be_in_a_folder_with_spaces_or_non_ascii(start, tmpdir, name):
    shutil.copytree(PACKAGE, str(tmpdir.mkdir(name).join("backports_socketpair")))
    path = str(tmpdir.join(name))
    assert start(*RUNS + ["-c", INSTALLED], PYTHONPATH=path, PYTHONUTF8="1")() == (0, "True\n", "")


def run_as_main(folder):
    """Return arguments that run the package in folder as "python -m" does, even if folder is not on Python's path."""
    code = "import runpy, sys; sys.path.insert(0, {!r}); sys.argv[1:] = ['x']; runpy.run_module({!r}, None, {!r}, True)"
    return ["-c", code.format(str(folder), "backports_socketpair", "__main__")]


def assert_is_an_error(outcome, *words):
    status, out, err = outcome if not JYTHON else (outcome[0], outcome[2], outcome[1])  # it prints the error to stdout
    assert (status, out, len(err.splitlines())) == (1, "", 1)
    assert all(each in err for each in words)


IGNORED = "-E, -I or a ._pth file disables PYTHONPATH: use --enable. Without site (-S), call install() yourself."
IGNORING = [["-E"], ["-S"]] + [["-I"]] * (sys.version_info >= (3, 4))


@pytest.mark.parametrize("options", IGNORING[: 1 if JYTHON else None], ids=str)
def test_option_that_makes_python_ignore_us_is_a_clear_error(start, options):
    assert_is_an_error(start(*options + run_as_main(os.path.dirname(PACKAGE)), python=base_python())(), IGNORED)
    assert_is_an_error(start(*RUNS + options + ["x"])(), IGNORED)


def test_options_that_make_python_ignore_us_are_recognized():
    ignoring = "-E x", "-W error -S", "-OE x", "-Werror -Bs -SE x", "-Xdev -I x", "-X dev -I", "-BWE -Ic x", "-Q E -S"
    others = "x -E", "-c -S", "-m x -I", "-Oc -S", "-WE x", "-W IE x", "-BQS x", "- -S", "-B - -S", "--x -S", "-X S x"
    for words in ignoring + others:
        assert reason_not_to_run(words.split()) == (IGNORED if words in ignoring else None)


@pytest.mark.skipif(not POSIX, reason="tried only on POSIX")
def test_path_that_pythonpath_cannot_contain_is_a_clear_error(start, tmpdir):
    folder = tmpdir.mkdir("a%sb" % os.pathsep)
    shutil.copytree(PACKAGE, str(folder.join("backports_socketpair")))
    outcome = start(*["-S"] + run_as_main(folder), python=base_python())()
    assert_is_an_error(outcome, "cannot contain", str(folder), repr(os.pathsep), "Use --enable")


@not_on_jython
def test_package_that_a_program_would_not_find_is_a_clear_error(start, tmpdir):
    shutil.copytree(PACKAGE, str(tmpdir.join("backports_socketpair")))
    assert_is_an_error(start(*RUNS + ["x"])(), "program would not find", "in the current folder. Install it")
    if sys.version_info >= (3, 11):
        assert start("-P", *RUNS + ["-c", INSTALLED], PYTHONPATH=str(tmpdir))() == (0, "True\n", "")


@not_on_jython
def test_help_says_how_to_call_it(start):
    outcome = start("-B", "-OO", *RUNS + ["--help"])()
    assert outcome == start(*RUNS + ["-h"])() == (0, USAGE + "\n", "")
    assert all(call in USAGE for call in ("-m backports_socketpair ", "ARGUMENTS", "--enable", "--disable"))


@pytest.mark.parametrize("arguments", ["programs/written.py", "", "--help"][: 1 if JYTHON else None], ids=str)
def test_standard_library_comes_before_the_current_folder_for_us(start, tmpdir, arguments):
    """Replace some modules that we import, but not socket and those that "python -m" needs to find us."""
    write(tmpdir.mkdir("programs"), "print('program')")
    for name in ("platform", "subprocess", "sysconfig", "tempfile", "timeit"):
        write(tmpdir, "raise ImportError('the wrong %s')" % name, name + ".py")
    for name in ("sitecustomize", "usercustomize"):
        write(tmpdir, "print('ran')", name + ".py")
    status, out, err = start(*RUNS + arguments.split())()
    assert (status, "the wrong" in err, "ran" in out.split()) == (0, False, False)
