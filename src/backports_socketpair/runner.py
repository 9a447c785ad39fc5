# SPDX-License-Identifier: MIT-0
# Copyright (c) 2026 The backports_socketpair authors
"""Runs a module, a file, a folder or a zip in the place of this program, as Python would.

It imports next to nothing: a program that has a module named as one of the standard library's would get that.
first_path is what Python put first on sys.path for this program, in a list, which is empty where it was told
to put nothing there.
"""

import os
import runpy
import sys
import zipimport


class CannotRun(Exception):
    """There is no such program."""


def run_module(name, argv, first_path):
    """Run what "python -m name" does."""
    _become_main(["-c" if str is bytes else "-m"] + argv[1:])  # as Python has it while it imports packages
    sys.path[:0] = first_path
    _call(_run_module, name)


def run_file(path, argv, first_path):
    """Run what "python path" does."""
    # What a program has for its own name is absolute from Python 3.9 on.
    name = os.path.abspath(path) if sys.version_info >= (3, 9) else path
    if os.path.isdir(path) or _is_zip(path):
        _become_main(argv)
        sys.path.insert(0, name)
        _call(runpy._run_module_as_main, "__main__", False)
        return
    try:
        with open(path, "rb") as source:
            text = source.read()
    except EnvironmentError as error:
        raise CannotRun("cannot open %s: %s" % (path, error.strerror))
    _become_main(argv)
    if first_path:
        sys.path.insert(0, os.path.dirname(os.path.realpath(path)))
    _call(_run_text, text, name)


def _is_zip(path):
    try:
        return bool(zipimport.zipimporter(path))
    except ImportError:
        return False


def _become_main(argv):
    """Have a __main__ as Python makes it for a program."""
    # Python 2 would empty ours if nobody held it.
    ours = vars(_become_main.__dict__.setdefault("ours", sys.modules["__main__"]))
    sys.modules["__main__"] = type(runpy)("__main__")  # Jython's sys is no module
    sys.argv[:] = argv
    names = vars(sys.modules["__main__"])
    names["__builtins__"] = ours["__builtins__"]
    names.setdefault("__package__", None)
    # Not every Python has these.
    if "__annotations__" in ours:
        names["__annotations__"] = {}
    if "__cached__" in ours:
        names["__cached__"] = None


def _run_module(name):
    try:
        runpy._get_module_details(name)
    except ImportError as error:
        if _raised_in(sys.exc_info()[2]) in ("runpy", "pkgutil"):
            raise CannotRun(error)
        raise  # it is there, and what it needs is not
    # As "python -m" itself does. run_module() would take __main__ away while threads of the program's go on.
    runpy._run_module_as_main(name)


def _raised_in(traceback):
    """The name of the module that raised."""
    while traceback.tb_next:
        traceback = traceback.tb_next
    return traceback.tb_frame.f_globals.get("__name__")


def _run_text(text, name):
    names = vars(sys.modules["__main__"])
    is_compiled = name.endswith(".pyc")
    names["__file__"] = name
    if sys.version_info >= (3, 4):
        from importlib import machinery

        loader = getattr(machinery, "SourcelessFileLoader" if is_compiled else "SourceFileLoader")
        names["__loader__"] = loader("__main__", name)
    exec(_read_compiled(name) if is_compiled else compile(text, name, "exec", 0, True), names)


def _read_compiled(path):
    from pkgutil import read_code

    with open(path, "rb") as file:
        code = read_code(file)
    if code is None:
        raise RuntimeError("Bad magic number in .pyc file")
    return code


def _call(program, *args):
    """Call program; what it raises looks as if Python itself had called it."""
    try:
        program(*args)
    except (SystemExit, CannotRun):
        raise
    except BaseException:
        _hide_our_frames(sys.exc_info()[2])
        raise


def _hide_our_frames(traceback):
    """Have Python, which is about to report the exception that has this traceback, find no frame of ours in it."""
    while traceback and traceback.tb_frame.f_globals is globals():
        traceback = traceback.tb_next
    hook = sys.excepthook

    def report(kind, error, _):
        sys.excepthook = hook
        sys.last_traceback = traceback
        if hasattr(error, "__traceback__"):
            error.__traceback__ = traceback
        hook(kind, error, traceback)

    sys.excepthook = report
