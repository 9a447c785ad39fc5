"""python -m backports_socketpair --enable: every program of this Python has a pair that works, until --disable."""

import os
import py_compile
import re
import subprocess
import sys
import zipfile

import pytest

from standins.environment import PACKAGE, Environment
from support import JYTHON, start_python

NAME = "backports_socketpair_startup"
OURS = "backports_socketpair.socketpair"

# The system's own, if there is one, is out of the way before socket is imported.
WHOSE = """
import _socket, sys
vars(_socket).pop("socketpair", None)
{0}
import socket
print(getattr(getattr(socket, "socketpair", None), "__module__", None))
"""


def switch(python, option, status=0):
    """What the command tells, which ends with this exit status."""
    outcome = python.run("-m", "backports_socketpair", option)
    assert outcome[0] == status, outcome
    return outcome[1] + outcome[2]


def whose(python, before="", **variables):
    """Whose pair a program has."""
    status, out, err = python.run("-c", WHOSE.format(before), **variables)
    assert (status, err) == (0, "")
    return out.strip()


def files(python):
    return sorted(path.relto(python.site) for path in python.site.visit() if path.check(file=1))


# Jython takes seconds to start, as each test has it do several times. There these stand for all.
ON_JYTHON = ["from_enable_until_disable", "removes_all_that_enable", "tells_whether_it_is_on"]


@pytest.fixture
def python(request, tmpdir):
    if JYTHON and not any(words in request.node.name for words in ON_JYTHON):
        pytest.skip("Jython takes seconds to start, several times a test: three tests stand for all")
    return Environment(tmpdir)


@pytest.fixture
def enabled(python):
    switch(python, "--enable")
    return python


def test_program_has_the_fallback_from_enable_until_disable(python):
    assert whose(python) != OURS
    switch(python, "--enable")
    assert whose(python) == OURS
    switch(python, "--disable")
    assert whose(python) != OURS


def test_program_that_takes_the_function_by_name_gets_the_fallback(enabled):
    assert whose(enabled, "from socket import socketpair; print(socketpair.__module__)").split() == [OURS, OURS]


def test_program_that_has_socket_in_a_zip_gets_the_fallback(enabled, tmpdir):
    """As Python's embedded build for Windows has it."""
    import socket

    source = re.sub(r"\.(pyc?|class)$", "", socket.__file__.replace("$py", "")) + ".py"
    if not os.path.exists(source):
        pytest.skip("the standard library of this Python is in a zip as it is")
    archive = str(tmpdir.join("library.zip"))
    with zipfile.ZipFile(archive, "w") as packed:
        packed.write(source, "socket.py")
    assert whose(enabled, "sys.path.insert(0, %r)" % archive) == OURS


def test_program_has_it_where_a_start_up_file_imported_socket(python):
    python.have(str(python.site), before=WHOSE.format(""))
    switch(python, "--enable")
    assert whose(python).split()[-1] == OURS


def test_program_whose_own_finder_asks_all_others_gets_the_fallback(enabled):
    code = """
class Asking(object):
    def find_spec(self, *args):
        for finder in sys.meta_path:
            spec = finder.find_spec(*args) if hasattr(finder, "find_spec") and finder is not self else None
            if spec:
                return spec

    def find_module(self, name, path=None):
        return None

sys.meta_path.insert(0, Asking())
"""
    assert whose(enabled, code) == OURS


def test_tool_that_looks_at_what_would_import_socket_can_copy_it_and_call_it_late(enabled):
    code = """
import copy
try:
    from importlib.util import find_spec
    copy.deepcopy(find_spec("socket").loader)
except ImportError:
    finder = sys.meta_path[0]
    import socket
    assert finder.load_module("socket") is socket
"""
    assert whose(enabled, code) == OURS


def test_threads_that_import_socket_at_once_all_get_the_fallback(enabled):
    code = """
import threading
got = []

def work():
    start.wait(20)
    from socket import socketpair
    got.append(socketpair.__module__)

start = threading.Event()
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads:
    thread.start()
start.set()
for thread in threads:
    thread.join(20)
print(got == 8 * [%r])
"""
    assert whose(enabled, code % OURS).split() == ["True", OURS]


def test_program_that_uses_no_sockets_imports_neither_socket_nor_us(enabled):
    # Unless one of this Python's own start-up files does.
    code = "import sys; print(sorted({'socket', 'backports_socketpair'}.intersection(sys.modules)))"
    outcome = enabled.run("-c", code)
    switch(enabled, "--disable")
    assert outcome == enabled.run("-c", code)
    assert outcome[0] == 0 and "backports" not in outcome[1]


def test_socket_is_as_it_is_without_it_but_for_the_function(enabled):
    code = """
import sys, socket
loader = getattr(socket, "__loader__", None)
print(type(loader).__name__, getattr(socket, "__spec__", None) and socket.__spec__.loader is loader)
print([type(finder).__name__ for finder in sys.meta_path])
"""
    outcome = enabled.run("-c", code)
    switch(enabled, "--disable")
    assert outcome == enabled.run("-c", code)


def test_variable_switches_it_off_for_one_run(enabled):
    assert whose(enabled, BACKPORTS_SOCKETPAIR_OFF="1") != OURS
    assert whose(enabled, BACKPORTS_SOCKETPAIR_OFF="") == OURS


@pytest.mark.parametrize(
    "fault",
    ["sys.modules['backports_socketpair'] = None", "sys.modules['backports_socketpair'] = sys"],
    ids=["uninstalled", "failing"],
)
def test_program_runs_silently_where_the_package_is_not_as_it_was(enabled, fault):
    assert whose(enabled, fault) != OURS


def test_socket_that_cannot_be_imported_fails_as_it_does_without_it(enabled, tmpdir):
    broken = tmpdir.mkdir("broken")
    broken.join("socket.py").write("raise ImportError('this one is broken')")
    code = """
sys.path.insert(0, %r)
for attempt in range(2):
    try:
        import socket
    except ImportError as error:
        print(str(error) == "this one is broken")
del sys.path[0]
"""
    assert whose(enabled, code % str(broken)).split() == ["True", "True", OURS]


# What is written, and where


def test_one_file_of_ours_is_written_and_one_that_has_python_read_it(enabled):
    written = [name for name in files(enabled) if name.startswith(NAME) and not re.search(r"\.py[co]$|class$", name)]
    assert written == sorted([NAME + ".py", NAME + (".start" if sys.version_info >= (3, 15) else ".pth")])


def test_twice_is_once(enabled):
    before = files(enabled)
    assert "Written: " not in switch(enabled, "--enable")
    assert files(enabled) == before
    assert whose(enabled) == OURS


def test_disable_removes_all_that_enable_and_python_wrote(python):
    switch(python, "--enable")
    whose(python)
    switch(python, "--disable")
    assert files(python) == []
    assert "off" in switch(python, "--disable")


def test_disable_leaves_a_folder_that_had_nothing_of_ours(python):
    python.site.mkdir("__pycache__")
    switch(python, "--disable")
    assert python.site.join("__pycache__").check()


def test_what_was_written_and_removed_is_told(python):
    for option in ("--enable", "--disable"):
        told = switch(python, option)
        for name in (NAME + ".py", NAME + (".start" if sys.version_info >= (3, 15) else ".pth")):
            assert str(python.site.join(name)) in told


def no_folder(tmpdir):
    """A path at which nobody can make one."""
    tmpdir.join("file").write("")
    return str(tmpdir.join("file", "site-packages"))


def test_users_folder_is_taken_where_the_other_cannot_be_written(python, tmpdir):
    python.have(no_folder(tmpdir))
    assert str(python.users) in switch(python, "--enable")
    assert whose(python) == OURS
    switch(python, "--disable")
    assert whose(python) != OURS


@pytest.mark.parametrize("users", ["cannot be written", "is not read"])
def test_python_that_reads_no_such_file_is_a_clear_error(python, tmpdir, users):
    """As one that was started with -S, or the embedded build whose ._pth has no "import site"."""
    site = no_folder(tmpdir)
    if users == "cannot be written":
        python.users = python.users.__class__(site)
    python.have(site, read=[])
    told = switch(python, "--enable", status=1)
    assert "Nothing was changed" in told
    assert site in told and str(python.users) in told
    assert not python.users.check() and files(python) == []


@pytest.mark.skipif(str is bytes, reason="Python 2's paths are bytes, which have no encoding")
def test_folder_need_not_be_ascii_whatever_the_output_is_encoded_in(tmpdir):
    python = Environment(tmpdir.mkdir(os.fsdecode(b"\xc3\xa9")))
    told = python.run("-m", "backports_socketpair", "--enable", PYTHONIOENCODING="ascii:backslashreplace")
    assert told[0] == 0, told
    assert whose(python) == OURS


def test_environments_folder_that_is_not_read_is_left_as_it_was(python):
    python.have(str(python.site), read=[str(python.users)])
    assert str(python.users) in switch(python, "--enable")
    assert files(python) == []


def test_machine_check_tells_whether_it_is_on(python):
    def state(**variables):
        return re.search("; start-up switch: (.*)", python.run("-m", "backports_socketpair", **variables)[1]).group(1)

    assert state() == "off"
    switch(python, "--enable")
    assert state() == "on"
    assert state(BACKPORTS_SOCKETPAIR_OFF="1") == "on, but off in this run"


@pytest.mark.skipif(JYTHON, reason="Jython takes milliseconds for any module")
def test_program_without_sockets_starts_a_millisecond_later_at_most(enabled):
    """What Python 3.15 itself takes to read any .start is not counted."""
    enabled.site.join("empty.py").write("def start(): pass")
    py_compile.compile(str(enabled.site.join("empty.py")))
    enabled.have(str(enabled.site), read=[])
    ours, any_modules = [], []
    # What else the machine does makes either longer, never shorter.
    for _ in range(30):
        ours.append(seconds(enabled, NAME))
        any_modules.append(seconds(enabled, "empty") if os.name == "nt" else 0)  # Wine takes milliseconds for any file
        if min(ours) - min(any_modules) < 0.001:
            return
    pytest.fail("%r seconds, any module %r" % (sorted(ours), sorted(any_modules)))


def seconds(python, name):
    """What importing and calling it takes in a program that has just started."""
    code = """
from timeit import default_timer
import sys
sys.path.append(%r)
started = default_timer()
import %s as module
module.start()
print(default_timer() - started)
"""
    return float(python.run("-c", code % (str(python.site), name))[1])


@pytest.mark.skipif(os.name != "posix" or str is bytes, reason="this Python has no venv, or none that makes one")
def test_virtual_environment_is_switched_by_itself(tmpdir):
    folder = tmpdir.join("environment")
    status, out, err = start_python("-m", "venv", "--without-pip", str(folder))()
    assert status == 0, out + err
    python = str(folder.join("bin", "python"))
    program = "import sys; sys.path.append(%r)\n" % PACKAGE + WHOSE.format("")

    def run(*args, **variables):
        return subprocess.check_output([python] + list(args), env=dict(os.environ, **variables)).decode()

    assert OURS not in run("-c", program)
    assert str(folder) in run("-m", "backports_socketpair", "--enable", PYTHONPATH=PACKAGE)
    for options in ([], ["-I"], ["-E"], ["-s"]):
        assert run(*options + ["-c", program]).strip() == OURS
    for options in (["-S"], ["-IS"]):
        assert OURS not in run(*options + ["-c", program])
    run("-m", "backports_socketpair", "--disable", PYTHONPATH=PACKAGE)
    assert OURS not in run("-c", program)
    assert [path for path in folder.visit() if NAME in path.basename] == []
