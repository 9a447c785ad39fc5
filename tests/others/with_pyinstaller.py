"""Tests that a program with a vendored copy of our file works after PyInstaller has frozen it."""

import subprocess
import sys

from support import SOURCE

PROGRAM = """
import socket
del socket.socketpair
from vendor import pairs
first, second = socket.socketpair()
first.sendall(b"x")
print(socket.socketpair is pairs.fallback_socketpair, second.recv(1) == b"x")
"""


def test_frozen_program_makes_a_pair(tmpdir):
    tmpdir.join("program.py").write(PROGRAM)
    vendor = tmpdir.mkdir("vendor")
    vendor.join("__init__.py").write("")
    with open(SOURCE) as source:
        vendor.join("pairs.py").write(source.read())
    with tmpdir.as_cwd():
        subprocess.check_call([sys.executable, "-m", "PyInstaller", "--onefile", "--log-level=WARN", "program.py"])
        executable = str(tmpdir.join("dist", "program"))
        assert subprocess.check_output([executable]).split() == [b"True", b"True"]
