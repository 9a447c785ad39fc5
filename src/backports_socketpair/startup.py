# SPDX-License-Identifier: MIT-0
# Copyright (c) 2026 The backports_socketpair authors
"""Has Python call install() when it starts: one program and the Pythons that it starts, or (--enable) every program."""

import os
import re
import signal
import site
import subprocess
import sys
import sysconfig

ON_PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "on_path")
PYTHONPATH = "JYTHONPATH" if os.name == "java" else "PYTHONPATH"
# Options of Python's, some with a value, and then one that contains E, I or S.
IGNORES_IT = re.compile("(-[^cmQWX\0-]*([QWX]\0?[^\0]*)?\0)*-[^cmQWX\0-]*[EIS]")

OFF = "BACKPORTS_SOCKETPAIR_OFF"
# Not the package's name: an editable installation may have a file of that name.
NAME = "backports_socketpair_startup.pth"
# Python runs a line that begins with "import". It would print an exception whenever it starts.
LINE = "import os; exec(\"try:\\n if not os.environ.get('%s'): __import__('backports_socketpair').install()\\n"
LINE += 'except Exception: pass")\n'
# It leaves by os._exit(), since PYTHONINSPECT would keep it, and imports nothing from the current folder.
PROOF = "import os, sys; os._exit(not getattr(sys.modules.get('backports_socketpair'), 'is_installed', False))"


def run(arguments):
    """Start Python with these arguments, as this one was started and with ON_PATH first on its path."""
    path = os.environ.get(PYTHONPATH)
    if ON_PATH not in (path or "").split(os.pathsep):
        os.environ[PYTHONPATH] = ON_PATH + os.pathsep + path if path else ON_PATH
    # Jython has no such flags. All or some of the others are left out.
    options = subprocess._args_from_interpreter_flags() if os.name != "java" else []
    for name, value in getattr(sys, "_xoptions", {}).items():
        options += ["-X", name if value is True else "%s=%s" % (name, value)]
    options += ["-i"] * sys.flags.interactive + ["-u"] * getattr(sys.stdout, "write_through", False)
    command = [sys.executable] + options + arguments
    if os.name == "posix":
        os.execv(sys.executable, command)
    if os.name == "nt":
        # The console sends these to both processes, and the program decides.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGBREAK, signal.SIG_IGN)
    status = subprocess.call(command)
    os._exit(status - 2**32 if status >= 2**31 else status)  # as -i would not; it takes a signed number


def reason_not_to_run(arguments):
    """Return why a Python that is started with these arguments would not call install(), or None."""
    if os.path.dirname(os.path.dirname(ON_PATH)) not in map(os.path.abspath, sys.path):
        return "a program would not find this package in the current folder: install it"
    if os.pathsep in ON_PATH:
        return "%s cannot hold %s, which has %r in it: use --enable" % (PYTHONPATH, ON_PATH, os.pathsep)
    if sys.flags.ignore_environment or sys.flags.no_site or IGNORES_IT.match("\0".join(arguments)):
        return "under -E, -I or a ._pth file Python ignores PYTHONPATH: use --enable (nothing helps under -S)"
    return None


def paths():
    """Where the file may be: in the site-packages of this environment, or the user's."""
    users = [site.getusersitepackages()] if getattr(site, "ENABLE_USER_SITE", False) else []
    return [os.path.join(folder, NAME) for folder in [sysconfig.get_path("purelib")] + users]


def state():
    on = "on, but off in this run" if os.environ.get(OFF) else "on"
    return on if any(map(os.path.exists, paths())) else "off"


def enable(say):
    """Write the file where it has an effect; return 1 if there is no such place."""
    # As for any program, and with no module in the current folder.
    environment = {name: value for name, value in os.environ.items() if name not in (PYTHONPATH, OFF)}
    words = "Nothing was changed, since there is no folder in which the file has an effect."
    for path in paths():
        existed = os.path.exists(path)
        try:
            with open(path, "w") as file:
                file.write(LINE % OFF)
            if subprocess.call([sys.executable, "-c", PROOF], env=environment, cwd=sys.prefix) == 0:
                say("Written: " + path)
                say("From now on every program of this Python calls install() when it starts, in some 10 ms.")
                return say("To take it back: --disable. To keep it from one program: %s=1 in its environment" % OFF)
            words += "\n%s: a Python that starts does not read it, or does not find this package" % path
        except EnvironmentError as error:
            words += "\n%s: %s" % (path, error.strerror)
        if not existed and os.path.exists(path):
            os.remove(path)
    say(words)
    return 1


def disable(say):
    """Remove the file."""
    found = [path for path in paths() if os.path.exists(path)]
    for path in found:
        os.remove(path)
    return say("\n".join("Removed: " + path for path in found) or "It was off.")
