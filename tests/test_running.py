"""python -m backports_socketpair ARGUMENTS: Python runs them, and each Python that they start has called install()."""

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

# By what has been imported, since importing it here could change something.
INSTALLED = """
def is_installed():
    import sys
    ours, socket = sys.modules.get("backports_socketpair"), sys.modules.get("socket")
    return bool(ours) and socket.socketpair is ours.helped(ours.socketpair)

import sys
print(is_installed())
sys.stdout.flush()
"""

TELLS = """
import os, sys
print(__name__, sys.argv, sys.path, sys.warnoptions, sys.modules.get("sitecustomize"), sorted(globals()))
print([str(globals().get(name)).split(" at 0x")[0] for name in ("__doc__", "__package__", "__spec__", "__loader__")])
print([bool(getattr(sys.flags, name, None)) for name in dir(sys.flags) if name[0] != "_"])
print(sorted(getattr(sys, "_xoptions", {}).items()), sys._getframe().f_back is None)
"""

not_on_jython = pytest.mark.skipif(JYTHON, reason="Jython takes seconds to start: other tests stand for these")


@pytest.fixture
def start(tmpdir):
    """Starts Python in a folder of the test's own, and returns what waits for its outcome."""
    empty = write(tmpdir, "", "empty")  # os.devnull is a terminal on Windows

    def start(*args, **variables):
        options = {"cwd": str(tmpdir), "python": variables.pop("python", sys.executable)}
        with open(variables.pop("stdin", empty)) as stdin:
            options["stdin"] = None if JYTHON else stdin  # its subprocess does not pass on the end of a file
            outcome = start_python(*args, env=dict(os.environ, PYTHON_BASIC_REPL="1", **variables), **options)
        ended = outcome() if JYTHON else None  # two at once would write a package's one class file
        return (lambda: ended) if JYTHON else outcome

    return start


@pytest.fixture
def assert_same(start):
    """Asserts that what comes out with us comes out without us, and returns it."""

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
def test_program_finds_everything_as_python_has_it(assert_same, tmpdir, program):
    written = write(tmpdir.mkdir("folder"), TELLS, "program.py")
    write(tmpdir.join("folder"), TELLS, "__main__.py")
    write(tmpdir.join("folder"), "import sys; print(sys.argv)", "__init__.py")
    shutil.make_archive(str(tmpdir.join("archive")), "zip", str(tmpdir.join("folder")))
    arguments = program.split() + [TELLS] * (program == "-c") + ["-x", "--help", "-S", "two words", ""]
    status, out, err = assert_same(arguments, stdin=written)
    assert (status, err) == (0, "") and "two words" in out


OPTIONS = [["-O", "-W", "error"], ["-i", "-B"]]
if sys.version_info >= (3, 4):
    OPTIONS[0] += ["-X", "faulthandler", "-Wignore", "-sq"]
if sys.version_info >= (3, 11):
    OPTIONS += [["-P", "-Xdev", "-X", "utf8=1", "-Xown=words"]]


@not_on_jython
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_pythons_options_hold_for_the_program(assert_same, tmpdir, options):
    program = write(tmpdir, TELLS)
    assert assert_same([program], options)[0] == 0
    assert assert_same([program], after_us=options)[0] == 0


@pytest.mark.skipif(sys.version_info < (3, 7), reason="Python does not tell before 3.7")
def test_unbuffered_output_is_the_programs_too(assert_same, tmpdir):
    program = write(tmpdir, "import os\nprint('written')\nos._exit(0)")
    assert assert_same([program], ["-u"], PYTHONUNBUFFERED="") == (0, "written\n", "")
    assert assert_same([program], PYTHONUNBUFFERED="") == (0, "", "")


EXITS = [["-c", "1 / 0"], ["-c", "import sys; sys.exit(3)"], ["-c", "raise KeyboardInterrupt"], ["no_such_file.py"]]
EXITS += [["-c", "import os; os._exit(%d)" % (255 if POSIX else -5)], ["--no-such-option"], ["--enable", "now"]]


@pytest.mark.parametrize("arguments", EXITS[: 2 if JYTHON else None], ids=str)
def test_exit_status_and_error_are_the_programs_or_pythons(assert_same, arguments):
    assert assert_same(arguments)[0] != 0


@pytest.mark.skipif(not POSIX, reason="elsewhere a signal ends a process, or is the console's to send")
def test_signal_reaches_the_program(tmpdir):
    program = write(tmpdir, "import os, signal, sys; print(os.getpid()); sys.stdout.flush(); signal.pause()")
    process = subprocess.Popen([sys.executable] + RUNS + [program], stdout=subprocess.PIPE)
    assert int(process.stdout.readline()) == process.pid
    process.terminate()
    process.stdout.close()
    assert process.wait() == -signal.SIGTERM


@not_on_jython
@pytest.mark.parametrize("path", [os.pathsep, os.pathsep + "{}", "{}" + os.pathsep + "{}", "no_such_folder"])
def test_path_is_as_it_is_without_us(assert_same, tmpdir, path):
    path = path.replace("{}", str(tmpdir.join("folder"))) + (os.pathsep + PATH if PATH else "")
    assert assert_same([write(tmpdir, TELLS)], PYTHONPATH=path)[0] == 0


@not_on_jython
@pytest.mark.parametrize(
    "code", ["import os; os.environ['RAN'] = 'yes'", "raise ImportError('its own', name='sitecustomize')", "1 / 0"]
)
def test_sitecustomize_of_the_users_own_runs_as_without_us(start, tmpdir, code):
    """It runs once more, for the Python that starts the program's."""
    write(tmpdir.mkdir("own"), code, "sitecustomize.py")
    program = write(tmpdir, "import os, sys; print(os.environ.get('RAN')); print(sys.modules.get('sitecustomize'))")
    path = with_folder(tmpdir.join("own"))
    ours, pythons = start(*RUNS + [program], PYTHONPATH=path), start(program, PYTHONPATH=path)
    (status, out, err), without = ours(), pythons()
    assert (status, out, err) == (without[0], without[1], without[2] * 2)


def test_running_us_within_us_changes_nothing(start, tmpdir):
    program = write(tmpdir, TELLS + "print(os.environ[%r])\n" % PYTHONPATH)
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
def test_pools_processes_have_called_install(start, tmpdir, way):
    """Also if a start-up file has imported multiprocessing, as that of coverage does."""
    write(tmpdir.mkdir("own"), "import multiprocessing.pool", "sitecustomize.py")
    arguments = [write(tmpdir, INSTALLED + PROCESSES)] + [way] * bool(way)
    status, out, err = start(*RUNS + arguments, PYTHONPATH=with_folder(tmpdir.join("own")))()
    assert (status, err) == (0, "")
    assert set(out.splitlines()) == {"True", "[(True, 'Point')]"}


@pytest.mark.parametrize("fault", ["raise ImportError('not here')", "def", "install = None"][: 1 if JYTHON else None])
def test_python_that_has_no_such_package_starts_as_ever(start, tmpdir, fault):
    write(tmpdir.mkdir("other"), fault, "backports_socketpair.py")
    path = os.pathsep.join([ON_PATH, with_folder(tmpdir.join("other"))])
    outcome = start(write(tmpdir, INSTALLED), **{PYTHONPATH: path})()
    assert outcome in [(0, "False\n", ""), (1, "", outcome[2])]
    assert "backports_socketpair" not in outcome[2]


@not_on_jython
@pytest.mark.parametrize("name", ["two words", b"\xc3\xa9\xe2\x82\xac".decode("utf-8")][: 1 if str is bytes else None])
def test_package_may_be_in_a_folder_with_any_letters(start, tmpdir, name):
    shutil.copytree(PACKAGE, str(tmpdir.mkdir(name).join("backports_socketpair")))
    path = str(tmpdir.join(name))
    assert start(*RUNS + ["-c", INSTALLED], PYTHONPATH=path, PYTHONUTF8="1")() == (0, "True\n", "")


def run_as_main(folder):
    """Arguments that do what python -m does, whatever Python has on its path."""
    code = "import runpy, sys; sys.path.insert(0, {!r}); sys.argv[1:] = ['x']; runpy.run_module({!r}, None, {!r}, True)"
    return ["-c", code.format(str(folder), "backports_socketpair", "__main__")]


def assert_is_an_error(outcome, *words):
    status, out, err = outcome if not JYTHON else (outcome[0], outcome[2], outcome[1])  # it prints to the other
    assert (status, out, len(err.splitlines())) == (1, "", 1)
    assert all(each in err for each in words)


IGNORED = "Python ignores PYTHONPATH under -E, -I or a ._pth file: use --enable. Nothing helps under -S."
IGNORING = [["-E"], ["-S"]] + [["-I"]] * (sys.version_info >= (3, 4))


@pytest.mark.parametrize("options", IGNORING[: 1 if JYTHON else None], ids=str)
def test_option_by_which_python_ignores_us_is_a_clear_error(start, options):
    assert_is_an_error(start(*options + run_as_main(os.path.dirname(PACKAGE)), python=base_python())(), IGNORED)
    assert_is_an_error(start(*RUNS + options + ["x"])(), IGNORED)


def test_options_by_which_python_ignores_us_are_known():
    ignoring = "-E x", "-W error -S", "-OE x", "-Werror -Bs -SE x", "-Xdev -I x", "-X dev -I", "-BWE -Ic x", "-Q E -S"
    others = "x -E", "-c -S", "-m x -I", "-Oc -S", "-WE x", "-W IE x", "-BQS x", "- -S", "-B - -S", "--x -S", "-X S x"
    for words in ignoring + others:
        assert reason_not_to_run(words.split()) == (IGNORED if words in ignoring else None)


@pytest.mark.skipif(not POSIX, reason="no folder has this character in its name")
def test_path_that_pythonpath_cannot_hold_is_a_clear_error(start, tmpdir):
    folder = tmpdir.mkdir("a%sb" % os.pathsep)
    shutil.copytree(PACKAGE, str(folder.join("backports_socketpair")))
    outcome = start(*["-S"] + run_as_main(folder), python=base_python())()
    assert_is_an_error(outcome, "cannot hold", str(folder), repr(os.pathsep), "use --enable")


@not_on_jython
def test_package_that_a_program_would_not_find_is_a_clear_error(start, tmpdir):
    shutil.copytree(PACKAGE, str(tmpdir.join("backports_socketpair")))
    assert_is_an_error(start(*RUNS + ["x"])(), "program would not find", "in the current folder: install it")
    if sys.version_info >= (3, 11):
        assert start("-P", *RUNS + ["-c", INSTALLED], PYTHONPATH=str(tmpdir))() == (0, "True\n", "")


@not_on_jython
def test_help_says_how_it_is_called(start):
    outcome = start("-B", "-OO", *RUNS + ["--help"])()
    assert outcome == start(*RUNS + ["-h"])() == (0, USAGE + "\n", "")
    assert all(call in USAGE for call in ("-m backports_socketpair ", "ARGUMENTS", "--enable", "--disable"))


@pytest.mark.parametrize("arguments", ["programs/written.py", "", "--help"][: 1 if JYTHON else None], ids=str)
def test_standard_library_comes_before_the_current_folder_for_us(start, tmpdir, arguments):
    """But for what "python -m" itself needs to find us, or socket, which a program that uses sockets needs too."""
    write(tmpdir.mkdir("programs"), "print('program')")
    for name in ("platform", "subprocess", "sysconfig", "tempfile", "timeit"):
        write(tmpdir, "raise ImportError('the wrong %s')" % name, name + ".py")
    for name in ("sitecustomize", "usercustomize"):
        write(tmpdir, "print('ran')", name + ".py")
    status, out, err = start(*RUNS + arguments.split())()
    assert (status, "the wrong" in err, "ran" in out.split()) == (0, False, False)
