# SPDX-License-Identifier: MIT-0
# Copyright (c) 2026 The backports_socketpair authors
"""Make Python call install() at start-up: for one program and the Pythons that it starts, or for every program."""

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
# Matches options of Python, some of them with a value, up to one that contains E, I or S.
IGNORES_IT = re.compile("(-(?!\0)[^cmQWX\0-]*([QWX]\0?[^\0]*)?\0)*-[^cmQWX\0-]*[EIS]")
OFF = "BACKPORTS_SOCKETPAIR_OFF"
# Python runs lines of a .pth file that begin with "import". If this one raised, every start would print the exception.
CODE = "try:\n if not os.environ.get(%r): __import__('backports_socketpair').install()\nexcept Exception: pass" % OFF
# Under PYTHONINSPECT only os._exit() ends Python. Import only os and sys: -c looks in the current folder first.
PROOF = "import os, sys; ours = sys.modules.get('backports_socketpair'); "
PROOF += "os._exit(not ours or ours.socketpair is not ours.helped(ours.socketpair))"


def run(arguments):
    """Start Python with these arguments, the options of this Python, and ON_PATH in PYTHONPATH."""
    path = os.environ.get(PYTHONPATH)
    if ON_PATH not in (path or "").split(os.pathsep):
        os.environ[PYTHONPATH] = ON_PATH + os.pathsep + path if path else ON_PATH
    # Jython lacks this function. Elsewhere the function omits -i, -u and some -X options.
    options = subprocess._args_from_interpreter_flags() if os.name != "java" else []
    for name, value in getattr(sys, "_xoptions", {}).items():
        options += ["-X", name if value is True else "%s=%s" % (name, value)]
    options += ["-i"] * sys.flags.interactive + ["-u"] * getattr(sys.stdout, "write_through", False)
    command = [sys.executable] + options + arguments
    for stream in filter(None, (sys.stdout, sys.stderr)):
        stream.flush()  # os.execv() and os._exit() lose buffered output
    if os.name == "posix":
        os.execv(sys.executable, command)
    if os.name == "nt":
        # The console sends Ctrl-C and Ctrl-Break to both processes. Leave them to the program.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGBREAK, signal.SIG_IGN)
    status = subprocess.call(command)
    os._exit(status - 2**32 if status >= 2**31 else status)  # under -i, sys.exit() does not end Python


def reason_not_to_run(arguments):
    """Return why a Python that is started with these arguments would not call install(), or None."""
    if os.path.dirname(os.path.dirname(ON_PATH)) not in map(os.path.abspath, sys.path):
        return "The program would not find this package, which is only in the current folder. Install it."
    if os.pathsep in ON_PATH:
        return "%s cannot contain %s, because this path has a %r. Use --enable." % (PYTHONPATH, ON_PATH, os.pathsep)
    if sys.flags.ignore_environment or sys.flags.no_site or IGNORES_IT.match("\0".join(arguments)):
        return "-E, -I or a ._pth file disables PYTHONPATH: use --enable. Without site (-S), call install() yourself."
    return None


def paths():
    """Return the possible paths of the .pth file: in the site-packages of this environment, and in the user's."""
    users = [site.getusersitepackages()] if getattr(site, "ENABLE_USER_SITE", False) else []
    # Not backports_socketpair.pth: an editable installation may use that name.
    return [os.path.join(each, "backports_socketpair_startup.pth") for each in [sysconfig.get_path("purelib")] + users]


def state():
    return "on" if any(map(os.path.exists, paths())) else "off"


def enable():
    """Write the .pth file to the first folder in which it has an effect. Return 1 if there is no such folder."""
    environment = {name: value for name, value in os.environ.items() if name not in (PYTHONPATH, OFF)}
    words = "--enable failed for each of these files:"
    for path in paths():
        existed = os.path.exists(path)
        try:
            with open(path, "w") as file:
                file.write("import os; exec(%r)\n" % CODE)
            if subprocess.call([sys.executable, "-c", PROOF], env=environment, cwd=sys.prefix) == 0:
                say("Written: " + path)
                return say("Every program run by this Python now calls install() at start-up. This takes about 10 ms.")
            words += "\n%s: at start-up, Python does not read the file, or does not find this package" % path
        except EnvironmentError as error:
            words += "\n%s: %s" % (path, error.strerror)
        if not existed and os.path.exists(path):
            os.remove(path)
    return say(words, 1)


def disable():
    """Remove the .pth files that exist."""
    found = [path for path in paths() if os.path.exists(path)]
    for path in found:
        os.remove(path)
    return say("\n".join("Removed: " + path for path in found) or "Nothing to remove.")
