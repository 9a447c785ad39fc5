# SPDX-License-Identifier: MIT-0
# Copyright (c) 2026 The backports_socketpair authors
from .socketpair import fallback_socketpair as fallback_socketpair
from .socketpair import socketpair as socketpair

__version__: str

def install() -> None: ...
