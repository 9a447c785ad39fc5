# SPDX-License-Identifier: MIT-0
# Copyright (c) 2026 The backports_socketpair authors
"""Calls install() when Python starts with this folder on PYTHONPATH, and gives way to another sitecustomize."""

import os
import sys

folder = os.path.dirname(os.path.abspath(__file__))
sys.path[:] = [path for path in sys.path if os.path.abspath(path) != folder]
this_module = sys.modules.pop(__name__)  # held, or else Python 2 would empty it
try:
    __import__("backports_socketpair").install()
except Exception:  # another Python may have no such package, or an older one
    pass

# Python passes over its absence, and reports what it raises, as if this one were not there.
import sitecustomize  # noqa: F401
