"""python -m backports_socketpair ARGUMENTS: Python runs them, and each Python that they start has called install()."""

import os
import shutil
import signal
import subprocess
import sys
import zipfile

import pytest

from standins.environment import PACKAGE, base_python
from support import JYTHON, start_python

PATH_OF_OURS = os.path.dirname(PACKAGE)
RUNS = ["-m", "backports_socketpair"]
PYTHONPATH = "JYTHONPATH" if JYTHON else "PYTHONPATH"
ON_PATH = os.path.join(PACKAGE, "on_path")

TELLS = """
import os, sys
print(__name__)
print(sys.argv)
print(sys.path)
print(sorted(globals()))
for name in ("__doc__", "__package__", "__spec__", "__loader__"):
    print(str(globals().get(name)).split(" at 0x")[0])
print([bool(getattr(sys.flags, name, None)) for name in dir(sys.flags) if name[0] != "_"])
print(sys.warnoptions)
print(sorted(getattr(sys, "_xoptions", {}).items()))
print(sys.modules.get("sitecustomize"))
print(sys._getframe().f_back and sys._getframe().f_back.f_code.co_filename)
"""

# By what has been imported, since importing it here could change something.
IS_INSTALLED = """
def is_installed():
    import sys
    ours, socket = sys.modules.get("backports_socketpair"), sys.modules.get("socket")
    return bool(ours) and socket.socketpair is ours.helped(ours.socketpair)
"""


@pytest.fixture
def start(tmpdir):
    """Starts Python in a folder that has programs, and returns what waits for its outcome."""
    empty = tmpdir.join("empty")
    empty.write("")  # os.devnull is a terminal on Windows
    tmpdir.join("program.py").write(TELLS)
    package = tmpdir.mkdir("package")
    package.join("__init__.py").write("import sys; print(sys.argv)")
    package.join("__main__.py").write(TELLS)
    tmpdir.mkdir("folder").join("__main__.py").write(TELLS)
    with zipfile.ZipFile(str(tmpdir.join("archive.zip")), "w") as archive:
        archive.writestr("__main__.py", TELLS)

    def start(*args, **variables):
        python = variables.pop("python", sys.executable)
        with open(variables.pop("stdin", str(empty))) as stdin:
            environment = dict(os.environ, PYTHON_BASIC_REPL="1", **variables)
            stdin = None if JYTHON else stdin  # its subprocess does not pass on the end of a file
            outcome = start_python(*args, python=python, cwd=str(tmpdir), stdin=stdin, env=environment)
        if JYTHON:  # two at once would write a package's one class file
            ended = outcome()
            return lambda: ended
        return outcome

    return start


@pytest.fixture
def assert_same(start):
    """Asserts that what comes out with us comes out without us, and returns it."""

    def check(arguments, options=(), **variables):
        ours = start(*list(options) + RUNS + list(arguments), **variables)
        pythons = start(*list(options) + list(arguments), **variables)
        outcome = ours()
        assert outcome == pythons()
        return outcome

    return check


def write(tmpdir, code, name="written.py"):
    tmpdir.join(name).write(code)
    return name


PROGRAMS = [
    ["program.py"],
    ["-m", "package"],
    ["-m", "program"],
    ["folder"],
    ["archive.zip"],
    ["-c", TELLS],
    ["-"],
]
OPTIONS = [["-O"], ["-W", "error"], ["-i"], ["-B"]]
if sys.version_info >= (3, 4):
    OPTIONS += [["-X", "faulthandler"], ["-Wignore", "-sq"]]
if sys.version_info >= (3, 11):
    OPTIONS += [["-P"], ["-Xdev", "-X", "utf8=1", "-Xown=words"]]
EXITS = [
    ("1 / 0", 1),
    ("import sys; sys.exit(3)", 3),
    ("import sys; sys.exit('words')", 1),
    ("def", 1),
    ("raise KeyboardInterrupt", None),
    ("import os; os._exit(%d)" % (255 if os.name == "posix" else -5), None),
]
if JYTHON:  # each takes seconds to start
    del PROGRAMS[1:], OPTIONS[:], EXITS[2:]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program[0] + program[-1][:9])
def test_program_finds_everything_as_python_has_it(assert_same, program):
    status, out, err = assert_same(program + ["-x", "--help", "-S", "two words", ""])
    assert (status, err) == (0, "")
    assert ("two words" in out) == (program != ["-"])


@pytest.mark.skipif(JYTHON, reason="Jython has no such options")
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_pythons_options_hold_for_the_program(assert_same, start, options, before):
    if before:
        assert assert_same(["program.py"], options)[0] == 0
    else:
        ours, pythons = start(*RUNS + options + ["program.py"]), start(*options + ["program.py"])
        outcome = ours()
        assert outcome == pythons() and outcome[0] == 0


@pytest.mark.skipif(sys.version_info < (3, 7), reason="Python does not tell before 3.7")
def test_unbuffered_output_is_the_programs_too(assert_same, tmpdir):
    program = write(tmpdir, "import os\nprint('written')\nos._exit(0)")
    assert assert_same([program], ["-u"], PYTHONUNBUFFERED="") == (0, "written\n", "")
    assert assert_same([program], PYTHONUNBUFFERED="") == (0, "", "")


@pytest.mark.skipif(JYTHON, reason="Jython's subprocess does not pass on the end of standard input")
def test_program_on_standard_input_is_run(assert_same, tmpdir):
    program = str(tmpdir.join(write(tmpdir, "print('from standard input')")))
    assert assert_same(["-"], stdin=program)[1] == "from standard input\n"


@pytest.mark.parametrize("code, status", EXITS)
def test_exit_status_and_traceback_are_the_programs(assert_same, tmpdir, code, status):
    outcome = assert_same([write(tmpdir, code)])
    assert status in (None, outcome[0])


@pytest.mark.skipif(os.name != "posix", reason="elsewhere a signal ends a process, or is the console's to send")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_signal_reaches_the_program(tmpdir, name):
    code = """
import os, signal, sys
def answer(number, frame):
    print("got it")
    sys.exit(7)
signal.signal(signal.%s, answer)
print(os.getpid())
sys.stdout.flush()
while True:
    signal.pause()
"""
    program = str(tmpdir.join(write(tmpdir, code % name)))
    process = subprocess.Popen([sys.executable] + RUNS + [program], stdout=subprocess.PIPE, universal_newlines=True)
    assert int(process.stdout.readline()) == process.pid
    process.send_signal(getattr(signal, name))
    assert process.communicate()[0] == "got it\n"
    assert process.returncode == 7


@pytest.mark.parametrize("name", ["no_such_file.py", "--no-such-option", "--enable now"])
def test_python_itself_reports_what_it_cannot_run(assert_same, name):
    assert assert_same(name.split())[0] != 0


# What Python reads when it starts


@pytest.mark.skipif(JYTHON, reason="Jython takes seconds to start: other tests stand for these")
@pytest.mark.parametrize("path", [os.pathsep, os.pathsep + "{}", "{}" + os.pathsep + "{}", "no_such_folder"])
def test_path_is_as_it_is_without_us(assert_same, tmpdir, path):
    path = path.replace("{}", str(tmpdir.join("folder"))) + (os.pathsep + PATH if PATH else "")
    assert assert_same(["program.py"], PYTHONPATH=path)[0] == 0


PATH = os.environ.get(PYTHONPATH, "")


def with_folder(folder):
    return os.pathsep.join([str(folder)] + PATH.split(os.pathsep) * bool(PATH))


@pytest.mark.skipif(JYTHON, reason="Jython takes seconds to start: other tests stand for these")
@pytest.mark.parametrize(
    "code",
    [
        "import os; os.environ['RAN'] = 'yes'",
        "import no_such_module",
        "raise ImportError('its own', name='sitecustomize')",
        "1 / 0",
    ],
)
def test_sitecustomize_of_the_users_own_runs_as_without_us(start, tmpdir, code):
    """It runs once more, for the Python that starts the program's."""
    write(tmpdir.mkdir("own"), code, "sitecustomize.py")
    program = write(tmpdir, "import os, sys; print(os.environ.get('RAN')); print(sys.modules.get('sitecustomize'))")
    path = with_folder(tmpdir.join("own"))
    ours, pythons = start(*RUNS + [program], PYTHONPATH=path), start(program, PYTHONPATH=path)
    status, out, err = ours()
    status_without, out_without, err_without = pythons()
    assert (status, out) == (status_without, out_without)
    assert err == err_without * 2


@pytest.mark.skipif(JYTHON, reason="Jython takes seconds to start: other tests stand for these")
def test_sitecustomize_in_the_current_folder_is_not_run(start, tmpdir):
    for name in ("sitecustomize.py", "usercustomize.py"):
        write(tmpdir, "print('ran ' + __file__)", name)
    write(tmpdir.mkdir("programs"), "print('program')")
    outcome = start(*RUNS + [os.path.join("programs", "written.py")])()
    assert outcome == (0, "program\n", "")


def test_running_us_within_us_changes_nothing(start, tmpdir):
    program = write(tmpdir, TELLS + "print(os.environ[%r])\n" % PYTHONPATH)
    once, twice = start(*RUNS + [program]), start(*RUNS + RUNS + [program])
    outcome = once()
    assert outcome == twice()
    assert outcome[0] == 0 and outcome[1].count(ON_PATH) == 1


# Who is reached

INSTALLED = IS_INSTALLED + "import sys\nprint(is_installed())\nsys.stdout.flush()\n"
STARTS_PYTHON = "import subprocess, sys\nsubprocess.check_call([sys.executable, '-c', sys.argv[1]] + sys.argv[2:])\n"
PROCESSES = (
    INSTALLED
    + """
import multiprocessing

class Point(object):
    x = "Point"

def job(question):
    return is_installed(), Point()

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1]) if sys.argv[1:] else multiprocessing
    pool = context.Pool(1)
    (answer, point), = pool.map(job, [1])
    print((answer, point.x))
    pool.close()
    pool.join()
"""
)
if sys.version_info >= (3, 4):
    import multiprocessing

    WAYS = multiprocessing.get_all_start_methods()
else:
    WAYS = [] if JYTHON else [None]


def test_program_and_python_that_it_starts_have_called_install(start, tmpdir):
    program = write(tmpdir, INSTALLED + STARTS_PYTHON)
    status, out, err = start(*RUNS + [program, STARTS_PYTHON, INSTALLED])()
    assert (status, out, err) == (0, "True\nTrue\n", "")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("imported", [True, False], ids=["imported before", "not"])
def test_pools_processes_have_called_install(start, tmpdir, way, imported):
    """Also if a start-up file has imported multiprocessing, as that of coverage does."""
    write(tmpdir.mkdir("own"), "import multiprocessing.pool" if imported else "", "sitecustomize.py")
    program = write(tmpdir, PROCESSES)
    outcome = start(*RUNS + [program] + [way] * bool(way), PYTHONPATH=with_folder(tmpdir.join("own")))()
    assert outcome[::2] == (0, "")
    assert set(outcome[1].splitlines()) == {"True", "(True, 'Point')"}


@pytest.mark.parametrize("fault", ["raise ImportError('not here')", "def", "install = None"])
def test_python_that_has_no_such_package_starts_as_ever(start, tmpdir, fault):
    if JYTHON and "ImportError" not in fault:
        pytest.skip("Jython takes seconds to start: one fault stands for all")
    write(tmpdir.mkdir("other"), fault, "backports_socketpair.py")
    program = write(tmpdir, INSTALLED)
    path = with_folder(tmpdir.join("other"))
    outcome = start(program, **{PYTHONPATH: os.pathsep.join([ON_PATH, path])})()
    assert outcome in [(0, "False\n", ""), (1, "", outcome[2])]
    assert "backports_socketpair" not in outcome[2]


@pytest.mark.parametrize("name", ["two words", b"\xc3\xa9\xe2\x82\xac".decode("utf-8")], ids=["space", "letters"])
def test_package_may_be_in_a_folder_with_any_letters(start, tmpdir, name):
    if JYTHON or (str is bytes and name != "two words"):
        pytest.skip("Python 2's paths are bytes, and Jython takes seconds to start")
    shutil.copytree(PACKAGE, str(tmpdir.mkdir(name).join("backports_socketpair")))
    path = str(tmpdir.join(name))
    assert start(*RUNS + ["-c", INSTALLED], PYTHONPATH=path, PYTHONUTF8="1")() == (0, "True\n", "")


# What cannot be run


def run_as_main(arguments, folder=PATH_OF_OURS):
    """Code that does what python -m does, whatever Python has on its path."""
    code = "import runpy, sys; sys.path.append({0!r}); sys.argv[1:] = {1!r}; runpy.run_module({2!r}, None, {3!r}, True)"
    return ["-c", code.format(folder, arguments, "backports_socketpair", "__main__")]


IGNORING = [["-E"], ["-S"], ["-W", "error", "-S"], ["-OE"], ["-Wignore", "-Bs", "-SE"]]
if sys.version_info >= (3, 4):
    IGNORING += [["-I"], ["-Xdev", "-I"]]
if JYTHON:
    del IGNORING[1:]


@pytest.mark.parametrize("options", IGNORING, ids=str)
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_option_by_which_python_ignores_us_is_a_clear_error(start, options, before):
    if before:
        outcome = start(*options + run_as_main(["program.py"]), python=base_python())()
    else:
        outcome = start(*RUNS + options + ["program.py"])()
    assert outcome[:2] == (2, "")
    assert "use --enable" in outcome[2] and "Traceback" not in outcome[2]


@pytest.mark.skipif(os.name != "posix", reason="no folder has this character in its name")
def test_path_that_pythonpath_cannot_hold_is_a_clear_error(start, tmpdir):
    folder = tmpdir.mkdir("a%sb" % os.pathsep)
    shutil.copytree(PACKAGE, str(folder.join("backports_socketpair")))
    status, out, err = start(*["-S"] + run_as_main(["program.py"], str(folder)), python=base_python())()
    assert (status, out) == (2, "")
    assert str(folder) in err and "use --enable" in err and "Traceback" not in err


@pytest.mark.skipif(JYTHON, reason="Jython takes seconds to start: other tests stand for these")
def test_package_that_a_program_would_not_find_is_a_clear_error(start, tmpdir):
    shutil.copytree(PACKAGE, str(tmpdir.join("backports_socketpair")))
    status, out, err = start(*RUNS + ["program.py"])()
    assert (status, out) == (2, "")
    assert "current folder" in err


@pytest.mark.parametrize("options", [["--help"], ["-h"]][: 1 if JYTHON else 2])
def test_help_says_how_it_is_called(start, options):
    status, out, err = start("-B", "-OO", *RUNS + options)() if not JYTHON else start(*RUNS + options)()
    assert (status, err) == (0, "")
    for call in ("-m backports_socketpair ", "-m backports_socketpair ARGUMENTS", "--enable", "--disable"):
        assert call in out


@pytest.mark.parametrize("arguments", [["written.py"], [], ["--help"]][: 1 if JYTHON else 3], ids=str)
def test_standard_library_comes_before_the_current_folder_for_us(start, tmpdir, arguments):
    """But for what "python -m" itself needs to find us, or socket, which a program that uses sockets needs too."""
    write(tmpdir, "")
    for name in ("platform", "subprocess", "sysconfig", "tempfile", "timeit"):
        write(tmpdir, "raise ImportError('the wrong %s')" % name, name + ".py")
    status, _, err = start(*RUNS + arguments)()
    assert (status, "the wrong" in err) == (0, False)
