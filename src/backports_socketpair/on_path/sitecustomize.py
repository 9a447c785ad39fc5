# SPDX-License-Identifier: MIT-0
# Copyright (c) 2026 The backports_socketpair authors
"""Imported at start-up if its folder is on PYTHONPATH. Calls install(), then imports the user's sitecustomize."""

import os
import sys

folder = os.path.dirname(os.path.abspath(__file__))
sys.path[:] = [path for path in sys.path if os.path.abspath(path) != folder]
this_module = sys.modules.pop(__name__)  # Python 2 clears the globals of a module without references
try:
    __import__("backports_socketpair").install()
except Exception:  # another Python may lack the package, or have an older version
    pass
# If the user has no sitecustomize, Python ignores the ImportError. It reports any other exception, as usual.
import sitecustomize  # noqa: F401
