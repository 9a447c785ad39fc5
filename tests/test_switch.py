"""Tests of --enable: every program of this Python calls install() when it starts, until --disable."""

import errno
import os
import re
import shutil

import pytest

from standins.environment import PACKAGE, Environment
from support import JYTHON, run_python

NAME = "backports_socketpair_startup.pth"

# This imports neither our package nor socket, because that could change the result.
PRINTS_IF_INSTALLED = """
import sys
ours, socket = sys.modules.get("backports_socketpair"), sys.modules.get("socket")
print(bool(ours) and socket.socketpair is ours.helped(ours.socketpair))
"""


def switch(python, option, status=0, **variables):
    """Run the command, check its exit status, and return its output."""
    outcome = python.run("-m", "backports_socketpair", option, **variables)
    assert outcome[0] == status, outcome
    return outcome[1]


def is_on(python, **variables):
    status, out, err = python.run("-c", PRINTS_IF_INSTALLED, **variables)
    assert (status, err) == (0, "")
    return {"True\n": True, "False\n": False}[out]


def files(python):
    return [str(path) for folder in (python.site, python.users) for path in folder.visit(NAME)]


@pytest.fixture
def python(request, tmpdir):
    if JYTHON and "until_disable" not in request.node.name:
        pytest.skip("Jython takes seconds to start, and each test starts it several times, so only one test runs")
    return Environment(tmpdir)


def test_every_program_calls_install_from_enable_until_disable(python):
    path = str(python.site.join(NAME))
    assert not is_on(python)
    for _ in range(2):
        out = "Written: %s\nEvery program run by this Python now calls install() at start-up. This takes about 10 ms.\n"
        assert switch(python, "--enable") == out % path
        assert files(python) == [path]
        assert is_on(python)
    assert switch(python, "--disable") == "Removed: %s\n" % path
    assert files(python) == []
    assert not is_on(python)
    assert switch(python, "--disable") == "Nothing to remove.\n"


def test_variable_that_is_not_empty_exempts_one_program(python):
    def state(**variables):
        return re.search("; --enable: (.*?);", python.run("-m", "backports_socketpair", **variables)[1]).group(1)

    assert state() == "off"
    switch(python, "--enable")
    assert state() == "on"
    assert not is_on(python, BACKPORTS_SOCKETPAIR_OFF="1")
    assert is_on(python, BACKPORTS_SOCKETPAIR_OFF="")


def test_enabling_does_not_depend_on_environment_variables(python):
    variables = {"PYTHONINSPECT": "1", "BACKPORTS_SOCKETPAIR_OFF": "1", "PYTHONPATH": os.path.dirname(PACKAGE)}
    switch(python, "--enable", **variables)
    assert is_on(python)
    code = "import backports_socketpair, socket; print([end.close() for end in socket.socketpair()])"
    assert python.run("-c", code) == (0, "[None, None]\n", "")  # as without --enable


def test_program_is_silent_if_package_or_socket_is_not_usable(python, tmpdir):
    switch(python, "--enable")
    tmpdir.mkdir("broken").join("socket.py").write("raise ValueError('this one is broken')")
    assert not is_on(python, PYTHONPATH=str(tmpdir.join("broken")))
    python.site.join("backports_socketpair").remove()
    assert not is_on(python)
    for fault in ("raise ImportError('broken')", "def"):
        python.site.join("backports_socketpair.py").write(fault)
        assert not is_on(python)


def test_nothing_is_imported_from_a_hostile_current_folder(python, tmpdir):
    hostile = tmpdir.mkdir("hostile")
    for name in ("backports_socketpair", "os", "socket", "subprocess", "sitecustomize"):
        hostile.join(name + ".py").write("print('read ' + __file__)")
    switch(python, "--enable")
    assert is_on(python, cwd=str(hostile))
    tmpdir.join("program.py").write(PRINTS_IF_INSTALLED)
    assert python.run(str(tmpdir.join("program.py")), cwd=str(hostile)) == (0, "True\n", "")


def test_users_folder_is_used_if_the_other_is_unusable(python, tmpdir):
    """Move the package to the user's folder: .pth files there run before Python can import from the other folder."""
    python.site.join("backports_socketpair").move(python.users.join("backports_socketpair"))
    tmpdir.join("file").write("")
    unread = tmpdir.mkdir("unread")
    for site, read in ((tmpdir.join("file", "site-packages"), None), (unread, None)):
        python.set_site(site, read)
        assert str(python.users.join(NAME)) in switch(python, "--enable")
        assert files(python) == [str(python.users.join(NAME))] and unread.listdir() == []
        assert is_on(python)
        switch(python, "--disable")
        assert files(python) == []


@pytest.mark.parametrize("packed", [False, True], ids=["on PYTHONPATH alone", "in a zipapp, as in a pex"])
def test_package_that_programs_do_not_find_is_a_clear_error(python, tmpdir, packed):
    python.site.join("backports_socketpair").remove()
    application = tmpdir.mkdir("application")
    shutil.copytree(PACKAGE, str(application.join("backports_socketpair")))
    code = "import runpy; runpy.run_module('backports_socketpair', None, '__main__', True)"
    application.join("__main__.py").write(code)
    archive = shutil.make_archive(str(tmpdir.join("packed")), "zip", str(application))
    if packed:
        status, output, err = python.run(archive, "--enable")
        assert (status, err) == (1, "")
    else:
        output = switch(python, "--enable", status=1, PYTHONPATH=os.path.dirname(PACKAGE))
    why = "at start-up, Python does not read the file, or does not find this package"
    assert output.splitlines()[0] == "--enable failed for each of these files:"
    assert output.splitlines()[1:] == ["%s: %s" % (folder.join(NAME), why) for folder in (python.site, python.users)]
    assert files(python) == []


@pytest.mark.skipif(os.name != "posix", reason="the errors are those of POSIX")
def test_folder_that_cannot_be_written_is_a_clear_error(python, tmpdir):
    tmpdir.join("file").write("")
    python.set_site(tmpdir.join("file", "site-packages"))
    python.users.mkdir(NAME)
    output = switch(python, "--enable", status=1).splitlines()[1:]
    assert [line.split(": ")[1] for line in output] == [os.strerror(each) for each in (errno.ENOTDIR, errno.EISDIR)]


def test_folder_need_not_be_ascii_even_if_the_output_is(tmpdir):
    if str is bytes or JYTHON:
        pytest.skip("paths are bytes on Python 2, so the output need not encode them")
    python = Environment(tmpdir.mkdir(os.fsdecode(b"\xc3\xa9 and a space")))
    switch(python, "--enable", PYTHONIOENCODING="ascii")
    assert is_on(python)


@pytest.mark.skipif(
    os.name != "posix" or str is bytes, reason="venv does not exist on Python 2, and has another layout on Windows"
)
def test_virtual_environment_is_switched_separately(tmpdir):
    """Check this for an environment that is made with the Python of another environment."""
    outer, inner = [str(tmpdir.join(name, "bin", "python")) for name in ("outer", "inner")]

    def is_on(python, *options):
        return run_python(*options + ("-c", PRINTS_IF_INSTALLED), python=python) == "True\n"

    run_python("-m", "venv", "--without-pip", str(tmpdir.join("outer")))
    run_python("-m", "venv", "--without-pip", str(tmpdir.join("inner")), python=outer)
    for python in (outer, inner):
        folder = run_python("-c", "import sysconfig; print(sysconfig.get_path('purelib'))", python=python).strip()
        shutil.copytree(PACKAGE, os.path.join(folder, "backports_socketpair"))
    run_python("-m", "backports_socketpair", "--enable", python=inner)
    assert [is_on(inner), is_on(outer)] == [True, False]
    assert [is_on(inner, option) for option in ("-I", "-E", "-s", "-S")] == [True, True, True, False]
    starts_inner = "import subprocess; subprocess.check_call([%r, '-c', %r])" % (inner, PRINTS_IF_INSTALLED)
    assert run_python("-c", starts_inner, python=outer) == "True\n"
    run_python("-m", "backports_socketpair", "--disable", python=inner)
    assert not is_on(inner)
    assert run_python("-m", "backports_socketpair", "-c", starts_inner, python=inner) == "True\n"
