# SPDX-License-Identifier: MIT-0
# Copyright (c) 2026 The backports_socketpair authors
"""The start-up switch: has every program of this Python call install(), once and for all, or takes that back.

Python reads two kinds of files in site-packages when it starts: .pth, whose lines may be code, and from 3.15
on .start, which names functions (PEP 829). Either is written beside a copy of startup.py.
"""

from __future__ import print_function

import os
import pkgutil
import py_compile
import site
import subprocess
import sys
import sysconfig
import tempfile

from .startup import OFF

# Not the package's name: whoever installs that from a checkout has a .pth of that name already.
NAME = "backports_socketpair_startup"

if sys.version_info >= (3, 15):
    MARKER, LINE = NAME + ".start", NAME + ":start\n"
else:
    MARKER, LINE = NAME + ".pth", "import {0}; {0}.start()\n".format(NAME)

COMPARES = """
import os, sys
path = getattr(sys.modules.get(sys.argv[1]), "__file__", None) or sys.exit(1)
folders = {os.path.normcase(os.path.realpath(folder)) for folder in (os.path.dirname(path), sys.argv[2])}
sys.exit(len(folders) > 1)
"""


def state():
    if NAME not in sys.modules:
        return "off"
    return "on, but off in this run" if os.environ.get(OFF) else "on"


def enable():
    """Write what Python reads when it starts, where it does so, and return the exit status."""
    source = pkgutil.get_data(__name__.rpartition(".")[0], "startup.py")
    # What has Python read the other comes last.
    contents = [(NAME + ".py", source), (MARKER, LINE.encode("ascii"))]
    reasons = []
    for folder in folders():
        reason = try_to_enable(folder, contents)
        if not reason:
            return 0
        reasons.append("%s: %s" % (folder, reason))
    print("Nothing was changed, since there is no folder where this works.", *reasons, sep="\n", file=sys.stderr)
    return 1


def folders():
    """The site-packages of this environment, and the user's."""
    found = [sysconfig.get_path("purelib")]
    if getattr(site, "ENABLE_USER_SITE", False):
        found.append(site.getusersitepackages())
    return found


def try_to_enable(folder, contents):
    """Write these files into the folder, or say why that is of no use."""
    was_on = os.path.exists(os.path.join(folder, MARKER))
    is_new = not os.path.isdir(folder)
    try:
        if is_new:
            os.makedirs(folder)
        told = [write(os.path.join(folder, name), content) for name, content in contents]
        reason = None if is_read(folder) else "this Python does not read what is there when it starts"
    except EnvironmentError as error:
        reason = str(error)
    if reason and not was_on:
        take_back(folder, is_new)
    elif not reason:
        print("From now on every program of this Python calls install() when it imports socket.")
        print(*told, sep="\n")
        print("To take it back: python -m backports_socketpair --disable")
        print("To keep it from one program: %s=1 in its environment" % OFF)
    return reason


def take_back(folder, is_new):
    try:
        remove(folder)
        if is_new and os.path.isdir(folder):
            os.removedirs(folder)  # as far as they are empty
    except EnvironmentError:
        pass  # a folder that cannot be written, and has nothing of ours


def write(path, content):
    """Have all of it there or nothing, since Python may be starting at this moment; tell what was done."""
    if os.path.exists(path):
        with open(path, "rb") as file:
            if file.read() == content:
                return "There already: " + path
    descriptor, temporary = tempfile.mkstemp(".tmp", NAME, os.path.dirname(path))
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        os.chmod(temporary, 0o644)
        if os.name == "nt" and not hasattr(os, "replace") and os.path.exists(path):
            os.remove(path)
        getattr(os, "replace", os.rename)(temporary, path)
    except BaseException:
        os.remove(temporary)
        raise
    if path.endswith(".py"):
        # Compiling takes longer than all else that it costs, and Python may have been told not to write this.
        py_compile.compile(path)
    return "Written: " + path


def is_read(folder):
    """Whether this Python, started anew, imports what is in the folder."""
    # It compares by itself: what it printed could be in another encoding than ours, and amid what other start-up files
    # print.
    process = subprocess.Popen([sys.executable, "-c", COMPARES, NAME, folder], stdout=subprocess.PIPE)
    process.communicate()
    return process.returncode == 0


def disable():
    """Remove all that enable() wrote, and what Python made of it, and return the exit status."""
    status = 0
    removed = []
    for folder in folders():
        try:
            removed += remove(folder)
        except EnvironmentError as error:
            print("%s: %s" % (folder, error.strerror), file=sys.stderr)
            status = 1
    for path in removed:
        print("Removed: " + path)
    if not removed and not status:
        print("It was off.")
    return status


def remove(folder):
    """Remove our files there, what has Python read them first, and return their paths."""
    cache = os.path.join(folder, "__pycache__")
    paths = []
    for place in (folder, cache):
        if os.path.isdir(place):
            paths += [os.path.join(place, name) for name in os.listdir(place) if name.startswith(NAME)]
    paths.sort(key=lambda path: (not path.endswith(MARKER), path))
    for path in paths:
        os.remove(path)
    if cache in map(os.path.dirname, paths) and not os.listdir(cache):
        os.rmdir(cache)
    return paths
