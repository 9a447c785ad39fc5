"""python -m backports_socketpair --enable: every program of this Python has called install(), until --disable."""

import os
import re
import zipfile

import pytest

from standins.environment import PACKAGE, Environment
from support import JYTHON, run_python

NAME = "backports_socketpair_startup.pth"

# Without an import, which could change something.
TELLS = """
import sys
ours, socket = sys.modules.get("backports_socketpair"), sys.modules.get("socket")
print(bool(ours) and socket.socketpair is ours.helped(ours.socketpair))
"""


def switch(python, option, status=0, **variables):
    """What the command prints. It ends with this exit status."""
    outcome = python.run("-m", "backports_socketpair", option, **variables)
    assert outcome[0] == status, outcome
    return outcome[1] + outcome[2]


def is_on(python, *options, **variables):
    status, out, err = python.run(*options + ("-c", TELLS), **variables)
    assert (status, err) == (0, "")
    return {"True\n": True, "False\n": False}[out]


def files(python):
    return [str(path) for folder in (python.site, python.users) for path in folder.visit(NAME)]


@pytest.fixture
def python(request, tmpdir):
    if JYTHON and "until_disable" not in request.node.name:
        pytest.skip("Jython takes seconds to start, several times a test: one test stands for all")
    return Environment(tmpdir)


@pytest.fixture
def enabled(python):
    switch(python, "--enable")
    return python


def no_folder(tmpdir):
    """A path at which nobody can make a folder."""
    tmpdir.join("file").write("")
    return str(tmpdir.join("file", "site-packages"))


def test_every_program_calls_install_from_enable_until_disable(python):
    assert not is_on(python)
    for _ in range(2):
        assert str(python.site.join(NAME)) in switch(python, "--enable")
        assert files(python) == [str(python.site.join(NAME))]
        assert is_on(python)
    assert str(python.site.join(NAME)) in switch(python, "--disable")
    assert files(python) == []
    assert not is_on(python)
    assert "It was off" in switch(python, "--disable")


def test_variable_keeps_it_from_one_program_if_it_is_not_empty(enabled):
    assert not is_on(enabled, BACKPORTS_SOCKETPAIR_OFF="1")
    assert is_on(enabled, BACKPORTS_SOCKETPAIR_OFF="")


@pytest.mark.parametrize(
    "variables",
    [{"PYTHONINSPECT": "1"}, {"BACKPORTS_SOCKETPAIR_OFF": "1"}, {"PYTHONPATH": os.path.dirname(PACKAGE)}],
    ids=lambda variables: list(variables)[0],
)
def test_enabling_does_not_depend_on_the_environment(python, variables):
    switch(python, "--enable", **variables)
    assert is_on(python)


def test_program_may_make_a_pair_and_import_us_as_ever(enabled):
    code = "import backports_socketpair, socket; print([end.close() for end in socket.socketpair()])"
    assert enabled.run("-c", code) == (0, "[None, None]\n", "")


@pytest.mark.parametrize("fault", ["", "raise ImportError('broken')", "def"], ids=["gone", "failing", "no Python"])
def test_program_is_silent_if_the_package_is_not_as_it_was(enabled, fault):
    enabled.site.join("backports_socketpair").remove()
    if fault:
        enabled.site.join("backports_socketpair.py").write(fault)
    assert not is_on(enabled)


def test_program_whose_own_socket_is_broken_starts_as_ever(enabled, tmpdir):
    tmpdir.mkdir("broken").join("socket.py").write("raise ValueError('this one is broken')")
    assert not is_on(enabled, PYTHONPATH=str(tmpdir.join("broken")))


def test_hostile_current_folder_is_not_looked_into(enabled, tmpdir):
    hostile = tmpdir.mkdir("hostile")
    for name in ("backports_socketpair", "os", "socket", "subprocess", "sitecustomize"):
        hostile.join(name + ".py").write("print('read ' + __file__)")
    assert is_on(enabled, cwd=str(hostile))
    program = tmpdir.join("program.py")
    program.write(TELLS)
    assert enabled.run(str(program), cwd=str(hostile)) == (0, "True\n", "")


# Where it is written


def test_users_folder_is_taken_if_the_other_is_no_use(python, tmpdir):
    """The package has to be there: Python reads the other folder later."""
    python.site.join("backports_socketpair").move(python.users.join("backports_socketpair"))
    for site, read in ((no_folder(tmpdir), None), (tmpdir.mkdir("unread"), None)):
        python.have(site, read)
        assert str(python.users.join(NAME)) in switch(python, "--enable")
        assert files(python) == [str(python.users.join(NAME))] and tmpdir.join("unread").listdir() == []
        assert is_on(python)
        switch(python, "--disable")
        assert files(python) == []
        assert not is_on(python)
        tmpdir.join("unread").ensure(dir=True)


def test_package_on_pythonpath_alone_is_a_clear_error(python, tmpdir):
    python.site.join("backports_socketpair").remove()
    told = switch(python, "--enable", status=1, PYTHONPATH=os.path.dirname(PACKAGE))
    assert "Nothing was changed" in told
    assert str(python.site) in told and str(python.users) in told
    assert files(python) == []


def test_package_in_a_zip_is_a_clear_error(python, tmpdir):
    """As in a zipapp, or in a pex."""
    python.site.join("backports_socketpair").remove()
    archive = str(tmpdir.join("application.pyz"))
    with zipfile.ZipFile(archive, "w") as packed:
        for name in sorted(os.listdir(PACKAGE)):
            if name.endswith(".py"):
                packed.write(os.path.join(PACKAGE, name), "backports_socketpair/" + name)
        packed.writestr("__main__.py", "import runpy; runpy.run_module('backports_socketpair', None, '__main__', True)")
    status, out, err = python.run(archive, "--enable")
    assert (status, err) == (1, "")
    assert "Nothing was changed" in out
    assert files(python) == []


def test_folder_need_not_be_ascii_whatever_the_output_can_hold(tmpdir):
    if str is bytes or JYTHON:
        pytest.skip("Python 2's paths are bytes, which have no encoding")
    python = Environment(tmpdir.mkdir(os.fsdecode(b"\xc3\xa9 and a space")))
    switch(python, "--enable", PYTHONIOENCODING="ascii")
    assert is_on(python)


def test_machine_check_says_whether_it_is_on(python):
    def state(**variables):
        return re.search("; start-up switch: (.*)", python.run("-m", "backports_socketpair", **variables)[1]).group(1)

    assert state() == "off"
    switch(python, "--enable")
    assert state() == "on"
    assert state(BACKPORTS_SOCKETPAIR_OFF="1") == "on, but off in this run"


@pytest.mark.skipif(os.name != "posix" or str is bytes, reason="this Python has no venv, or none that makes one")
def test_virtual_environment_is_switched_by_itself(tmpdir):
    """Also one that is made with the Python of another."""

    def run(environment, *args):
        return run_python(*args, python=str(environment.join("bin", "python")), cwd=str(tmpdir))

    def is_on(environment, *options):
        return run(environment, *options + ("-c", TELLS)) == "True\n"

    outer, inner = tmpdir.join("outer"), tmpdir.join("inner")
    run_python("-m", "venv", "--without-pip", str(outer))
    run(outer, "-m", "venv", "--without-pip", str(inner))
    for environment in (outer, inner):
        folder = run(environment, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
        tmpdir.__class__(PACKAGE).copy(tmpdir.__class__(folder).join("backports_socketpair"))
    assert str(inner) in run(inner, "-m", "backports_socketpair", "--enable")
    assert [is_on(inner), is_on(outer)] == [True, False]
    assert [is_on(inner, option) for option in ("-I", "-E", "-s", "-S")] == [True, True, True, False]
    code = "import subprocess; subprocess.check_call([%r, '-c', %r])" % (str(inner.join("bin", "python")), TELLS)
    assert run(outer, "-c", code) == "True\n"
    assert run(inner, "-m", "backports_socketpair", "-c", TELLS) == "True\n"
    run(inner, "-m", "backports_socketpair", "--disable")
    assert not is_on(inner)
    assert run(inner, "-m", "backports_socketpair", "-c", code) == "True\n"
