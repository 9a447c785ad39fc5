# SPDX-License-Identifier: MIT-0
# Copyright (c) 2026 The backports_socketpair authors
"""socket.socketpair() for Pythons that lack it, or whose own fails.

Importing this is enough where it is missing; where Python's own fails, call install().
"""

from .socketpair import fallback_socketpair, install, socketpair

__all__ = ["fallback_socketpair", "install", "socketpair"]
__version__ = "5.0.0"
