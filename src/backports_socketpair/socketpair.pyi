# SPDX-License-Identifier: MIT-0
# Copyright (c) 2026 The backports_socketpair authors
from socket import socket
from socket import socketpair as socketpair

def fallback_socketpair(family: int | None = ..., type: int = ..., proto: int = ...) -> tuple[socket, socket]: ...
