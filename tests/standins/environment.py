"""A Python whose site-packages belong to one test, and contain our package as pip installs it."""

import os
import shutil
import sys

from support import JYTHON, SOURCE, run_python, start_python

PACKAGE = os.path.dirname(SOURCE)

# The usercustomize.py that Python runs when it starts. It makes the test's folder the site-packages.
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
    """Return the Python outside of any virtual environment: only that one reads the user's site-packages."""
    prefix = getattr(sys, "base_prefix", sys.prefix)
    if prefix == sys.prefix or JYTHON:
        return sys.executable
    # A virtual environment contains a copy of Python 2's interpreter, but a link to Python 3's.
    return os.path.join(prefix, "bin", "python2.7") if str is bytes else os.path.realpath(sys.executable)


class Environment(object):
    """A Python with two site-packages in this folder: the user's, and one that the user's usercustomize.py sets up."""

    def __init__(self, folder):
        self.site = folder.mkdir("site-packages")
        self.variables = {"PYTHON_BASIC_REPL": "1", "PYTHONUSERBASE": str(folder.join("users"))}
        found = run_python("-c", "import site; print(site.getusersitepackages())", **self.popen_options())
        self.users = folder.__class__(found.strip())
        self.users.ensure(dir=True)
        shutil.copytree(PACKAGE, str(self.site.join("backports_socketpair")))
        self.set_site(self.site)

    def popen_options(self, **variables):
        environment = dict(os.environ, **dict(self.variables, **variables))
        for name in {"PYTHONPATH", "JYTHONPATH", "PYTHONNOUSERSITE", "PYTHONIOENCODING"} - set(variables):
            environment.pop(name, None)
        return {"python": base_python(), "env": environment}

    def set_site(self, site, read=None):
        """Set sysconfig's purelib. At start-up, add the folders in read (default: self.site) as site-packages."""
        starts = STARTS.format(str(site), [str(self.site)] if read is None else read)
        self.users.join("usercustomize.py").write_binary(starts.lstrip().encode("utf-8"))

    def run(self, *args, **variables):
        """Run this Python. Return the exit status, standard output and standard error."""
        return start_python(*args, cwd=variables.pop("cwd", None), **self.popen_options(**variables))()
