"""python -m backports_socketpair PROGRAM: as Python would run it, with the emulation replaced."""

import os
import py_compile
import re
import sys
import textwrap
import zipfile

import pytest

from support import HAS_NATIVE, JYTHON, SOURCE, start_python

TELLS = """
import os, socket, sys, backports_socketpair
print(__name__)
print(sys.argv[1:])
print(os.path.basename(sys.argv[0]))
print(sys.path)
print(sys.modules["__main__"].__dict__ is globals())
print(os.path.basename(__file__))
print(sorted(globals()))
loader = globals().get("__loader__")
print(type(loader).__name__, getattr(loader, "name", None), os.path.abspath(getattr(loader, "path", "")))
spec = globals().get("__spec__")
print(spec and (spec.name, spec.origin, spec.cached, type(spec.loader).__name__))
print(globals().get("__cached__"), globals().get("__annotations__"), __doc__, __package__, type(__builtins__))
"""

RAISES = """
def fail():
    raise ValueError("the program's own")

fail()
"""


@pytest.fixture
def start(tmpdir):
    """Starts Python in a folder that has programs, and returns what waits for its outcome."""
    tmpdir.join("program.py").write(TELLS)
    package = tmpdir.mkdir("package")
    package.join("__init__.py").write("import sys; print(sys.argv)")
    package.join("__main__.py").write(TELLS)
    package.join("module.py").write(TELLS)
    tmpdir.mkdir("folder").join("__main__.py").write(TELLS)
    with zipfile.ZipFile(str(tmpdir.join("archive.zip")), "w") as archive:
        archive.writestr("__main__.py", TELLS)
    if not JYTHON:
        py_compile.compile(str(tmpdir.join("program.py")), cfile=str(tmpdir.join("compiled.pyc")), doraise=True)

    def start(*args):
        outcome = start_python(*args, cwd=str(tmpdir))
        if JYTHON:  # two at once would write a package's one class file
            ended = outcome()
            return lambda: ended
        return outcome

    return start


@pytest.fixture
def run(start):
    """Runs it: exit status, standard output and standard error."""
    return lambda *args: start(*args)()


def write(tmpdir, code):
    tmpdir.join("written.py").write(textwrap.dedent(code))
    return "written.py"


AS_MODULES = [["-m", "package"], ["-m", "package.module"], ["-m", "program"]]
AS_FILES = [["program.py"], ["folder"], ["archive.zip"], [os.path.join("package", "module.py")], ["compiled.pyc"]]
EXITS = [
    ("1 / 0", 1),
    ("import sys; sys.exit(3)", 3),
    ("pass", 0),
    ("import sys; sys.exit('words')", 1),
    ("def", 1),
    ("import os; os._exit(7)", 7),
    ("print 'a statement'", 0 if str is bytes else 1),
]
REPORTS_LATER = """
import atexit, sys, traceback

def report():
    error = getattr(sys, "last_exc", sys.last_value)
    print(sys.last_type, sys.last_value, error is sys.last_value)
    print(traceback.format_tb(sys.last_traceback))
    print(traceback.format_tb(getattr(error, "__traceback__", None)))
    print(sys.excepthook is sys.__excepthook__)

atexit.register(report)
"""
REPORTS_ITSELF = """
import sys, traceback

def report(kind, error, trace):
    sys.stderr.write("%s %s %s" % (kind, error, traceback.format_tb(trace)))

sys.excepthook = report
"""
INTERRUPTED = [
    "raise KeyboardInterrupt",
    """
    import os, signal, threading
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as what a shell runs in the background has it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Timer(0.1, os.kill, [os.getpid(), signal.SIGINT]).start()
    threading.Event().wait(30)
    """,
]
if os.name != "posix":  # on Windows no process sends SIGINT, and a Java machine it ends by itself
    del INTERRUPTED[1:]
CANNOT_BE_RUN = [
    (["--no-such-option"], "unknown option --no-such-option"),
    (["--enable", "now"], "--enable stands alone"),
    (["-m", "no_such_module"], ".*no_such_module.*"),
    (["no_such_file.py"], "cannot open no_such_file.py: .+"),
    (["-m"], "-m needs a module"),
    (["-c", "pass"], "unknown option -c"),
    (["-"], "unknown option -"),
    (["-m", "no_such_package.module"], ".*no_such_package.*"),
    (["-m", "xml"], r".*xml\.__main__.*"),
]
REPORTS = [REPORTS_LATER, REPORTS_ITSELF]
CALLS = [["written.py"], ["-m", "written"], [], ["--help"]]
MODULE_EXITS = ["1 / 0", "import sys; sys.exit(3)", "import no_such_module"]
MISSES = ["import no_such_module", "raise ImportError('it needs no_such_module')"]
HELP = ["--help", "-h"]
if JYTHON:  # each takes seconds to start
    del AS_MODULES[1:], AS_FILES[1:], EXITS[2:], CANNOT_BE_RUN[2:], MODULE_EXITS[1:], HELP[1:]
    del REPORTS[1:], CALLS[1:], MISSES[1:]


@pytest.mark.parametrize("program", AS_MODULES + AS_FILES, ids=" ".join)
def test_program_finds_all_as_python_would_have_it(start, program):
    arguments = program + ["-x", "--help", "two words"]
    ours, pythons = start("-m", "backports_socketpair", *arguments), start(*arguments)
    assert ours() == pythons()


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python has no option -P before 3.11")
@pytest.mark.parametrize("program", AS_FILES, ids=" ".join)
def test_safe_path_is_kept_to(start, program):
    ours, pythons = start("-P", "-m", "backports_socketpair", *program), start("-P", *program)
    assert ours() == pythons()


def run_as_main(program, before):
    """Code that runs our package as python -m does, after what has to come before."""
    return (
        "import runpy, sys, _socket; %s; sys.argv[1:] = %r;"
        " runpy.run_module('backports_socketpair', run_name='__main__', alter_sys=True)" % (before, program)
    )


@pytest.mark.skipif(sys.version_info < (3, 4), reason="Python has no option -I before 3.4")
@pytest.mark.parametrize("program", ["folder", "written.py"])
def test_isolation_is_kept_to(run, tmpdir, program):
    code = "import os, sys; print([path for path in sys.path if os.path.abspath(path).startswith(os.getcwd())])"
    tmpdir.join("folder", "__main__.py").write(code)
    write(tmpdir, code)
    ours = os.path.dirname(os.path.dirname(SOURCE))
    isolated = run("-I", "-c", run_as_main([program], "sys.path.append(%r)" % ours))
    assert isolated == run("-I", program)
    assert isolated[0] == 0


@pytest.mark.skipif(HAS_NATIVE, reason="the system's own function is not replaced")
def test_program_has_the_fallback_before_it_imports_anything(run, tmpdir):
    program = write(
        tmpdir,
        """
        from socket import socketpair
        import backports_socketpair
        print(socketpair is backports_socketpair.fallback_socketpair)
        """,
    )
    assert run("-m", "backports_socketpair", program) == (0, "True\n", "")


def test_emulation_is_replaced_before_the_program_runs(run, tmpdir):
    program = write(
        tmpdir,
        """
        import socket, backports_socketpair
        print(socket.socketpair is backports_socketpair.fallback_socketpair)
        """,
    )
    code = run_as_main([program], "vars(_socket).pop('socketpair', None)")
    assert run("-c", code)[:2] == (0, "True\n")


@pytest.mark.parametrize("code, status", EXITS)
def test_exit_status_and_traceback_are_the_programs(start, tmpdir, code, status):
    program = write(tmpdir, code)
    ours, pythons = start("-m", "backports_socketpair", program), start(program)
    outcome = ours()
    assert outcome == pythons()
    assert outcome[0] == status


@pytest.mark.parametrize("code", MODULE_EXITS)
def test_exit_status_and_traceback_are_those_of_a_module(start, tmpdir, code):
    write(tmpdir, code)
    ours, pythons = start("-m", "backports_socketpair", "-m", "written"), start("-m", "written")
    assert ours() == pythons()


@pytest.mark.parametrize("code", INTERRUPTED)
def test_interruption_ends_the_program_as_python_would_have_it(start, tmpdir, code):
    program = write(tmpdir, code)
    ours, pythons = start("-m", "backports_socketpair", program), start(program)
    status, out, err = ours()
    assert (status, out, err) == pythons()
    assert status != 0
    assert "KeyboardInterrupt" in err


@pytest.mark.parametrize("code", REPORTS)
@pytest.mark.parametrize("program", [["written.py"], ["-m", "written"]], ids=" ".join)
def test_error_that_the_program_itself_reports_has_no_frame_of_ours(start, tmpdir, program, code):
    write(tmpdir, code + RAISES)
    ours, pythons = start("-m", "backports_socketpair", *program), start(*program)
    status, out, err = ours()
    assert (status, out, err) == pythons()
    assert status == 1
    assert "the program's own" in out + err


@pytest.mark.skipif(JYTHON, reason="Jython runs no compiled file by its name")
def test_compiled_file_of_another_python_is_told_as_python_tells_it(start, tmpdir):
    tmpdir.join("written.pyc").write("of another Python")
    ours, pythons = start("-m", "backports_socketpair", "written.pyc"), start("written.pyc")
    outcome = ours()
    assert outcome == pythons()
    assert outcome[0] == 1


SHADOWS = ["multiprocessing", "platform", "subprocess", "tempfile"]
IN_FOLDER = ["platform"] if JYTHON else SHADOWS + ["enum", "selectors", "types", "zipimport"]


def test_programs_own_module_comes_before_one_of_the_standard_library(run, tmpdir):
    for name in SHADOWS:
        tmpdir.join(name + ".py").write("")
    program = write(
        tmpdir,
        """
        import os
        print([os.path.dirname(os.path.abspath(__import__(name).__file__)) for name in %r] == 4 * [os.getcwd()])
        """
        % SHADOWS,
    )
    assert run("-m", "backports_socketpair", program) == (0, "True\n", "")


@pytest.mark.parametrize("arguments", CALLS, ids=" ".join)
def test_standard_library_comes_before_the_current_folder_for_us(run, tmpdir, arguments):
    """But for what "python -m" itself needs to find us, or socket, which a program that uses sockets needs too."""
    write(tmpdir, "")
    for name in SHADOWS + ["sysconfig", "timeit"]:
        tmpdir.join(name + ".py").write("raise ImportError('the wrong %s')" % name)
    status, _, err = run("-m", "backports_socketpair", *arguments)
    # What Netty prints is Jython's own.
    assert (status, err if not JYTHON or "the wrong" in err else "") == (0, "")


@pytest.mark.parametrize("name", IN_FOLDER)
def test_standard_library_comes_before_the_programs_folder_for_us(run, tmpdir, name):
    tmpdir.join("folder", name + ".py").write("raise ImportError('the wrong %s')" % name)
    tmpdir.join("folder", "program.py").write("print('ran')")
    assert run("-m", "backports_socketpair", os.path.join("folder", "program.py")) == (0, "ran\n", "")


@pytest.mark.parametrize("code", MISSES)
@pytest.mark.parametrize("program", ["broken", "broken.module"])
def test_import_that_fails_in_the_modules_own_package_is_told_as_such(run, tmpdir, program, code):
    tmpdir.mkdir("broken").join("__init__.py").write(code)
    for name in ("module", "__main__"):
        tmpdir.join("broken", name + ".py").write("")
    status, _, err = run("-m", "backports_socketpair", "-m", program)
    # An older runpy tells of some as of a module that is not there, and Jython otherwise than its own runpy.
    has_traceback = (err if JYTHON else run("-m", program)[2]).startswith("Traceback")
    assert (status, err.startswith("Traceback")) == ((1, True) if has_traceback else (2, False))
    assert has_traceback or sys.version_info < (3, 5)
    assert "no_such_module" in err.splitlines()[-1]


def test_threads_that_outlive_the_programs_last_line_go_on(run, tmpdir):
    program = write(
        tmpdir,
        """
        import threading

        def work():
            threading.Event().wait(0.1)
            print("still " + NAME)

        NAME = "here"
        threading.Thread(target=work).start()
        """,
    )
    assert run("-m", "backports_socketpair", program) == (0, "still here\n", "")


@pytest.mark.parametrize("arguments, words", CANNOT_BE_RUN, ids=str)
def test_what_cannot_be_run_is_a_clear_error_with_exit_status_2(run, arguments, words):
    status, out, err = run("-m", "backports_socketpair", *arguments)
    assert (status, out) == (2, "")
    assert re.match(r"python -m backports_socketpair: %s \(see --help\)\n$" % words, err)


@pytest.mark.parametrize("option", HELP)
def test_help_says_how_it_is_called(run, option):
    status, out, err = run("-m", "backports_socketpair", option)
    assert (status, err) == (0, "")
    for call in ("-m backports_socketpair\n", "-m MODULE [ARG...]", "FILE [ARG...]", "--enable", "--disable"):
        assert call in out


def test_help_is_there_where_python_drops_docstrings(run):
    status, out, err = run("-OO", "-m", "backports_socketpair", "--help")
    assert (status, err) == (0, "")
    assert "-m MODULE [ARG...]" in out
