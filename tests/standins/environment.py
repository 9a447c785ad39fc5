"""A Python that has a site-packages of a test's own, as an environment's Python has."""

import os

from support import SOURCE, start_python

PACKAGE = os.path.dirname(os.path.dirname(SOURCE))

# What it does when it starts: it has a site-packages and a user's, and reads them.
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


class Environment(object):
    """A Python in this folder, with nothing in its site-packages."""

    def __init__(self, folder):
        self.starts = folder.mkdir("starts")
        self.site = folder.mkdir("site-packages")
        self.users = folder.mkdir("users").join("lib", "site-packages")
        self.have(str(self.site))

    def have(self, site, read=None, before=""):
        """Have this site-packages, and the user's; those are read which read lists, or else both."""
        read = [str(self.users), site] if read is None else read
        starts = STARTS.format(before, site, str(self.users), read)
        self.starts.join("sitecustomize.py").write_binary(starts.encode("utf-8"))

    def run(self, *args, **variables):
        """Run this Python there: exit status, standard output and standard error."""
        path = os.pathsep.join([str(self.starts), PACKAGE])
        variables.update(PYTHONPATH=path, JYTHONPATH=path)
        return start_python(*args, env=dict(os.environ, **variables))()
