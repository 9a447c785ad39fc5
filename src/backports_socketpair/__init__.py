# SPDX-License-Identifier: MIT
"""socket.socketpair() for Pythons that lack it: importing this is enough."""

from .socketpair import socketpair

__all__ = ["socketpair"]
__version__ = "4.0.0"
