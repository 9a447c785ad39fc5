# SPDX-License-Identifier: MIT-0
# Copyright (c) 2026 The backports_socketpair authors
"""Calls backports_socketpair.install() in every program of this Python, once it imports socket.

"python -m backports_socketpair --enable" writes this file into site-packages, beside one that has Python
call start() whenever it starts; "--disable" removes both. For a single program, set
BACKPORTS_SOCKETPAIR_OFF=1 in its environment.

It imports nothing of the package before then, and is silent where that has been uninstalled.
"""

import os
import sys

OFF = "BACKPORTS_SOCKETPAIR_OFF"


def start():
    # Python 3.15 may call this twice.
    if not os.environ.get(OFF) and _SOCKET not in sys.meta_path:
        _SOCKET.watch()


def _install():
    # A program that did not ask for this has to run, whatever is wrong here.
    try:
        import backports_socketpair

        backports_socketpair.install()
    except Exception:
        pass


class WhenImported(object):
    """Calls act as soon as the module of this name has been imported, before its importer goes on.

    Importing socket takes 10 ms, which a program that has no use for it need not pay.
    """

    def __init__(self, name, act):
        self.name = name
        self.act = act
        self.asking = set()  # threads

    def watch(self):
        if self.name in sys.modules:
            self.act()
        else:
            sys.meta_path.insert(0, self)

    def imported(self):
        if self in sys.meta_path:
            sys.meta_path.remove(self)
            self.act()

    def find_spec(self, name, path=None, target=None):
        if name != self.name:
            return None
        import _thread  # novm (find_spec is for Python 3 alone)

        # Another finder may ask all finders, too, and so us again.
        thread = _thread.get_ident()
        if thread in self.asking:
            return None
        self.asking.add(thread)
        try:
            return self.find_watched_spec(name, path, target)
        finally:
            self.asking.remove(thread)

    def find_watched_spec(self, *args):
        # Not by importing it: other threads' imports have to wait meanwhile, and may hold what it needs.
        for finder in list(sys.meta_path):
            find_spec = getattr(finder, "find_spec", None)
            spec = find_spec(*args) if find_spec and finder is not self else None
            if spec is not None and spec.loader is not None:
                spec.loader = _Loader(spec, self.imported)
                return spec
        return None

    # Python 2, which has one lock for all imports.

    def find_module(self, name, path=None):
        return self if name == self.name else None

    def load_module(self, name):
        if name not in sys.modules:
            sys.meta_path.remove(self)
            try:
                __import__(name)
            finally:
                sys.meta_path.insert(0, self)
            self.imported()
        return sys.modules[name]


class _Loader(object):
    """The loader that a spec has, which calls imported when it is done, while other threads still wait."""

    def __init__(self, spec, imported):
        self.spec = spec
        self.loader = spec.loader
        self.imported = imported

    def __getattr__(self, name):
        if name == "loader":  # of a copy that has nothing yet
            raise AttributeError(name)
        return getattr(self.loader, name)

    def create_module(self, spec):
        create_module = getattr(self.loader, "create_module", None)
        return create_module(spec) if create_module else None

    def exec_module(self, module):
        self.spec.loader = self.loader
        if getattr(module, "__loader__", None) is self:
            module.__loader__ = self.loader
        if hasattr(self.loader, "exec_module"):
            self.loader.exec_module(module)
        else:  # a standard library that is in a zip, before Python 3.10
            self.loader.load_module(self.spec.name)
        self.imported()


_SOCKET = WhenImported("socket", _install)
