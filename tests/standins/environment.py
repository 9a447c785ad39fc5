"""A Python that has a site-packages of a test's own, with the package in it, as pip installs it."""

import os
import shutil
import sys

from support import JYTHON, SOURCE, run_python, start_python

PACKAGE = os.path.dirname(SOURCE)

# Python runs this whenever it starts. Its site-packages are those of the test.
STARTS = """
# coding: utf-8
import os, site, sysconfig
real_path = sysconfig.get_path
sysconfig.get_path = lambda name, *args, **kwargs: {0!r} if name == "purelib" else real_path(name, *args, **kwargs)
for folder in {1!r}:
    if os.path.isdir(folder):
        site.addsitedir(folder)
"""


def base_python():
    """The Python outside of any virtual environment, since none has a user's site-packages."""
    prefix = getattr(sys, "base_prefix", sys.prefix)
    if prefix == sys.prefix or JYTHON:
        return sys.executable
    # An environment of Python 2 has a copy of the interpreter, and one of Python 3 a link to it.
    return os.path.join(prefix, "bin", "python2.7") if str is bytes else os.path.realpath(sys.executable)


class Environment(object):
    """A Python in this folder. Its user's site-packages hold what gives it the other."""

    def __init__(self, folder):
        self.site = folder.mkdir("site-packages")
        self.variables = {"PYTHON_BASIC_REPL": "1", "PYTHONUSERBASE": str(folder.join("users"))}
        found = run_python("-c", "import site; print(site.getusersitepackages())", **self.how())
        self.users = folder.__class__(found.strip())
        self.users.ensure(dir=True)
        shutil.copytree(PACKAGE, str(self.site.join("backports_socketpair")))
        self.have(self.site)

    def how(self, **variables):
        environment = dict(os.environ, **dict(self.variables, **variables))
        for name in {"PYTHONPATH", "JYTHONPATH", "PYTHONNOUSERSITE", "PYTHONIOENCODING"} - set(variables):
            environment.pop(name, None)
        return {"python": base_python(), "env": environment}

    def have(self, site, read=None):
        """Have this site-packages. Those that read lists are read, besides the user's."""
        starts = STARTS.format(str(site), [str(self.site)] if read is None else read)
        self.users.join("usercustomize.py").write_binary(starts.lstrip().encode("utf-8"))

    def run(self, *args, **variables):
        """Run this Python there: exit status, standard output and standard error."""
        return start_python(*args, cwd=variables.pop("cwd", None), **self.how(**variables))()
