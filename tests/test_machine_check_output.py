"""python -m backports_socketpair prints its report whatever the output can hold."""

import errno
import io
import socket
import sys

import pytest

from backports_socketpair import machine_check

UNKNOWN = "cp0"  # as Python 2 does not know Windows' cp65001


class Output(io.StringIO if str is not bytes else object):
    """A standard output of an encoding."""

    def __init__(self, encoding):
        self.as_named = encoding
        self.holds = "ascii" if encoding in (None, UNKNOWN) else encoding
        self.written = []

    @property
    def encoding(self):
        return self.as_named

    def write(self, text):
        self.written.append(text if isinstance(text, bytes) else text.encode(self.holds))

    def flush(self):
        pass


@pytest.mark.parametrize("encoding", ["ascii", "cp850", "cp1252", "utf-8", None, UNKNOWN])
@pytest.mark.parametrize("text", [b"the system\xe2\x80\x99s words: \xd1\x84".decode("utf-8"), b"plain".decode("utf-8")])
def test_report_is_printed_whatever_the_output_can_hold(monkeypatch, encoding, text):
    def failing(*args):
        raise socket.error(errno.EIO, text)

    monkeypatch.setattr(machine_check, "fallback_socketpair", failing)
    output = Output(encoding)
    monkeypatch.setattr(sys, "stdout", output)
    machine_check.check_machine("off")
    monkeypatch.undo()
    written = b"".join(output.written)
    assert b"AF_INET  FAILED: " in written and b"AF_INET6 FAILED: " in written
    # Python 2 has no other words for such an error than its representation.
    assert text.encode(output.holds if str is not bytes else "ascii", "backslashreplace") in written


def test_bytes_of_the_systems_in_any_encoding_are_printed(monkeypatch):
    output = Output("cp850")
    monkeypatch.setattr(sys, "stdout", output)
    machine_check.say(b"the system\x92s words")
    monkeypatch.undo()
    assert b"".join(output.written).startswith(b"the system")
