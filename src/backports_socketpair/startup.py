# SPDX-License-Identifier: MIT-0
# Copyright (c) 2026 The backports_socketpair authors
"""Makes Python call install() at start-up, for one program and its children, or for every program."""

import os
import re
import signal
import site
import subprocess
import sys
import sysconfig

from .machine_check import say

ON_PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "on_path")
PYTHONPATH = "JYTHONPATH" if os.name == "java" else "PYTHONPATH"
# Options of Python, some with a value, and then one that contains E, I or S.
IGNORES_IT = re.compile("(-(?!\0)[^cmQWX\0-]*([QWX]\0?[^\0]*)?\0)*-[^cmQWX\0-]*[EIS]")
OFF = "BACKPORTS_SOCKETPAIR_OFF"
# Python runs a line that begins with "import". If the line raised an exception, every start would print it.
CODE = "try:\n if not os.environ.get(%r): __import__('backports_socketpair').install()\nexcept Exception: pass" % OFF
# Under PYTHONINSPECT, only os._exit() ends it. It imports nothing from the current folder.
PROOF = "import os, sys; ours = sys.modules.get('backports_socketpair'); "
PROOF += "os._exit(not ours or ours.socketpair is not ours.helped(ours.socketpair))"


def run(arguments):
    """Start Python with these arguments, with the options of this Python, and with ON_PATH first on its path."""
    path = os.environ.get(PYTHONPATH)
    if ON_PATH not in (path or "").split(os.pathsep):
        os.environ[PYTHONPATH] = ON_PATH + os.pathsep + path if path else ON_PATH
    # Jython has no such function, and elsewhere it leaves out the options that follow.
    options = subprocess._args_from_interpreter_flags() if os.name != "java" else []
    for name, value in getattr(sys, "_xoptions", {}).items():
        options += ["-X", name if value is True else "%s=%s" % (name, value)]
    options += ["-i"] * sys.flags.interactive + ["-u"] * getattr(sys.stdout, "write_through", False)
    command = [sys.executable] + options + arguments
    for stream in filter(None, (sys.stdout, sys.stderr)):
        stream.flush()  # os.execv() and os._exit() lose what a sitecustomize has written
    if os.name == "posix":
        os.execv(sys.executable, command)
    if os.name == "nt":
        # The console sends these to both processes. The program handles them.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGBREAK, signal.SIG_IGN)
    status = subprocess.call(command)
    os._exit(status - 2**32 if status >= 2**31 else status)  # sys.exit() does not end Python under -i


def reason_not_to_run(arguments):
    """Return why a Python that is started with these arguments would not call install(), or None."""
    if os.path.dirname(os.path.dirname(ON_PATH)) not in map(os.path.abspath, sys.path):
        return "A program would not find this package, which is in the current folder: install it"
    if os.pathsep in ON_PATH:
        return "%s cannot hold %s, which has %r in it: use --enable" % (PYTHONPATH, ON_PATH, os.pathsep)
    if sys.flags.ignore_environment or sys.flags.no_site or IGNORES_IT.match("\0".join(arguments)):
        return "Python ignores PYTHONPATH under -E, -I or a ._pth file: use --enable. Nothing helps under -S."
    return None


def paths():
    """Return the possible paths of the .pth file: in the site-packages of this environment, or the user's."""
    users = [site.getusersitepackages()] if getattr(site, "ENABLE_USER_SITE", False) else []
    # Not the package's name, which an editable installation may use.
    return [os.path.join(each, "backports_socketpair_startup.pth") for each in [sysconfig.get_path("purelib")] + users]


def state():
    return "on" if any(map(os.path.exists, paths())) else "off"


def enable():
    """Write the .pth file to the first folder where it works for every program. Return 1 if none does."""
    environment = {name: value for name, value in os.environ.items() if name not in (PYTHONPATH, OFF)}
    words = "Nothing was changed, since there is no folder in which the file has an effect."
    for path in paths():
        existed = os.path.exists(path)
        try:
            with open(path, "w") as file:
                file.write("import os; exec(%r)\n" % CODE)
            if subprocess.call([sys.executable, "-c", PROOF], env=environment, cwd=sys.prefix) == 0:
                say("Written: " + path)
                return say("Now every program of this Python calls install() when it starts, which takes some 10 ms.")
            words += "\n%s: a Python that starts does not read it, or does not find this package" % path
        except EnvironmentError as error:
            words += "\n%s: %s" % (path, error.strerror)
        if not existed and os.path.exists(path):
            os.remove(path)
    return say(words, 1)


def disable():
    """Remove the file."""
    found = [path for path in paths() if os.path.exists(path)]
    for path in found:
        os.remove(path)
    return say("\n".join("Removed: " + path for path in found) or "It was off.")
