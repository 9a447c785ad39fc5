# SPDX-License-Identifier: MIT-0
# Copyright (c) 2026 The backports_socketpair authors
"""Calls install() when Python starts with this folder on PYTHONPATH, and imports the user's own sitecustomize."""

import os
import sys

folder = os.path.dirname(os.path.abspath(__file__))
sys.path[:] = [path for path in sys.path if os.path.abspath(path) != folder]
this_module = sys.modules.pop(__name__)  # Python 2 empties a module to which nothing refers
try:
    __import__("backports_socketpair").install()
except Exception:  # another Python may have no such package, or an older one
    pass
# If it is missing, Python goes on. If it raises an exception, Python reports that, as it would without us.
import sitecustomize  # noqa: F401
