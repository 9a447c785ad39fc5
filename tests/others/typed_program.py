"""A program in which mypy --strict and pyright find no error. mypy also finds no needless "ignore" comment."""

import socket

import backports_socketpair.socketpair
from backports_socketpair import fallback_socketpair, install, socketpair

install()


def wake_up_pipe() -> "tuple[socket.socket, socket.socket]":
    return socketpair()


def carry(byte: bytes) -> bytes:
    first, second = fallback_socketpair(socket.AF_INET, socket.SOCK_STREAM, 0)
    first.sendall(byte)
    return second.recv(1)


def version() -> str:
    return backports_socketpair.__version__


fallback_socketpair(None)
socket.socketpair = fallback_socketpair
fallback_socketpair(family=b"no family")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
socketpair(family=b"no family")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
