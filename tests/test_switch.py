"""python -m backports_socketpair --enable: every program of this Python has a pair that works, until --disable."""

import os
import re
import subprocess
import sys
import zipfile

import pytest

from support import JYTHON, SOURCE, start_python

NAME = "backports_socketpair_startup"
PACKAGE = os.path.dirname(os.path.dirname(SOURCE))
OURS = "backports_socketpair.socketpair"

# A Python that has a site-packages and a user's of the test's own, and reads them when it starts.
STARTS = """
import os, site, sys, sysconfig
{0}
real_path = sysconfig.get_path
sysconfig.get_path = lambda name, *args, **kwargs: {1!r} if name == "purelib" else real_path(name, *args, **kwargs)
site.ENABLE_USER_SITE = True
site.getusersitepackages = lambda: {2!r}
for folder in {3!r}:
    if os.path.isdir(folder):
        site.addsitedir(folder)
"""

# The system's own, if there is one, is out of the way before socket is imported.
WHOSE = """
import _socket, sys
vars(_socket).pop("socketpair", None)
{0}
import socket
print(getattr(getattr(socket, "socketpair", None), "__module__", None))
"""


class Environment(object):
    def __init__(self, folder):
        self.starts = folder.mkdir("starts")
        self.site = folder.mkdir("site-packages")
        self.users = folder.mkdir("users").join("lib", "site-packages")
        self.have(str(self.site))

    def have(self, site, read=None, before=""):
        """Have this site-packages, and the user's; those are read which read lists, or else both."""
        read = [str(self.users), site] if read is None else read
        self.starts.join("sitecustomize.py").write(STARTS.format(before, site, str(self.users), read))

    def run(self, *args, **variables):
        """Run this Python there: exit status, standard output and standard error."""
        path = os.pathsep.join([str(self.starts), PACKAGE])
        variables.update(PYTHONPATH=path, JYTHONPATH=path)
        return start_python(*args, env=dict(os.environ, **variables))()

    def switch(self, option, status=0):
        outcome = self.run("-m", "backports_socketpair", option)
        assert outcome[0] == status, outcome
        return outcome[1] + outcome[2]

    def whose(self, before="", **variables):
        """Whose pair a program has."""
        status, out, err = self.run("-c", WHOSE.format(before), **variables)
        assert (status, err) == (0, "")
        return out.strip()

    def files(self):
        return sorted(path.relto(self.site) for path in self.site.visit() if path.check(file=1))


@pytest.fixture
def python(tmpdir):
    return Environment(tmpdir)


@pytest.fixture
def enabled(python):
    python.switch("--enable")
    return python


def test_program_has_the_fallback_from_enable_until_disable(python):
    assert python.whose() != OURS
    python.switch("--enable")
    assert python.whose() == OURS
    python.switch("--disable")
    assert python.whose() != OURS


def test_program_that_takes_the_function_by_name_gets_the_fallback(enabled):
    assert enabled.whose("from socket import socketpair; print(socketpair.__module__)").split() == [OURS, OURS]


def test_program_that_has_socket_in_a_zip_gets_the_fallback(enabled, tmpdir):
    """As Python's embedded build for Windows has it."""
    import socket

    source = re.sub(r"\.(pyc?|class)$", "", socket.__file__.replace("$py", "")) + ".py"
    if not os.path.exists(source):
        pytest.skip("the standard library of this Python is in a zip as it is")
    archive = str(tmpdir.join("library.zip"))
    with zipfile.ZipFile(archive, "w") as packed:
        packed.write(source, "socket.py")
    assert enabled.whose("sys.path.insert(0, %r)" % archive) == OURS


def test_program_has_it_where_socket_was_imported_before_by_another_start_up_file(python):
    python.have(str(python.site), before=WHOSE.format(""))
    python.switch("--enable")
    assert python.whose().split()[-1] == OURS


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
    assert enabled.whose(code % OURS).split() == ["True", OURS]


def test_program_that_uses_no_sockets_imports_neither_socket_nor_us(enabled):
    # Unless one of this Python's own start-up files does.
    code = "import sys; print(sorted({'socket', 'backports_socketpair'}.intersection(sys.modules)))"
    outcome = enabled.run("-c", code)
    enabled.switch("--disable")
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
    enabled.switch("--disable")
    assert outcome == enabled.run("-c", code)


def test_variable_switches_it_off_for_one_run(enabled):
    assert enabled.whose(BACKPORTS_SOCKETPAIR_OFF="1") != OURS
    assert enabled.whose(BACKPORTS_SOCKETPAIR_OFF="") == OURS


@pytest.mark.parametrize(
    "fault",
    ["sys.modules['backports_socketpair'] = None", "sys.modules['backports_socketpair'] = sys"],
    ids=["uninstalled", "failing"],
)
def test_program_runs_silently_where_the_package_is_not_as_it_was(enabled, fault):
    assert enabled.whose(fault) != OURS


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
    assert enabled.whose(code % str(broken)).split() == ["True", "True", OURS]


# What is written, and where


def test_one_file_of_ours_is_written_and_one_that_has_python_read_it(enabled):
    files = [name for name in enabled.files() if name.startswith(NAME) and not re.search(r"\.py[co]$|class$", name)]
    assert files == sorted([NAME + ".py", NAME + (".start" if sys.version_info >= (3, 15) else ".pth")])


def test_twice_is_once(enabled):
    files = enabled.files()
    enabled.switch("--enable")
    assert enabled.files() == files
    assert enabled.whose() == OURS


def test_disable_removes_all_that_enable_and_python_wrote(python):
    python.switch("--enable")
    python.whose()
    python.switch("--disable")
    assert python.files() == []
    assert "off" in python.switch("--disable")


def test_what_was_written_and_removed_is_told(python):
    for option in ("--enable", "--disable"):
        told = python.switch(option)
        for name in (NAME + ".py", NAME + (".start" if sys.version_info >= (3, 15) else ".pth")):
            assert str(python.site.join(name)) in told


def no_folder(tmpdir):
    """A path at which nobody can make one."""
    tmpdir.join("file").write("")
    return str(tmpdir.join("file", "site-packages"))


def test_users_folder_is_taken_where_the_environments_cannot_be_written(python, tmpdir):
    python.have(no_folder(tmpdir))
    assert str(python.users) in python.switch("--enable")
    assert python.whose() == OURS
    python.switch("--disable")
    assert python.whose() != OURS


@pytest.mark.parametrize("users", ["cannot be written", "is not read"])
def test_python_that_reads_no_such_file_is_a_clear_error_that_leaves_nothing(python, tmpdir, users):
    """As one that was started with -S, or the embedded build whose ._pth has no "import site"."""
    site = no_folder(tmpdir)
    if users == "cannot be written":
        python.users = python.users.__class__(site)
    python.have(site, read=[])
    told = python.switch("--enable", status=1)
    assert "Nothing was changed" in told
    assert site in told and str(python.users) in told
    assert not python.users.check() and python.files() == []


def test_environments_folder_that_is_not_read_is_left_as_it_was(python):
    python.have(str(python.site), read=[str(python.users)])
    assert str(python.users) in python.switch("--enable")
    assert python.files() == []


def test_machine_check_tells_whether_it_is_on(python):
    def state(**variables):
        return re.search("; start-up switch: (.*)", python.run("-m", "backports_socketpair", **variables)[1]).group(1)

    assert state() == "off"
    python.switch("--enable")
    assert state() == "on"
    assert state(BACKPORTS_SOCKETPAIR_OFF="1") == "on, but off in this run"


@pytest.mark.skipif(JYTHON, reason="Jython takes milliseconds for any module")
def test_start_takes_less_than_a_millisecond_longer(enabled):
    """What Python 3.15 takes to read any .start is its own."""
    code = """
import sys
from timeit import default_timer
started = default_timer()
sys.path.append(%r)
import %s as module
module.start()
print(default_timer() - started)
""" % (str(enabled.site), NAME)
    enabled.have(str(enabled.site), read=[])
    assert min(float(enabled.run("-c", code)[1]) for _ in range(10)) < 0.001


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
