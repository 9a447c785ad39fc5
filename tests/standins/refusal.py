"""Pythons whose kernel refuses them socketpair(2), as the policy of a container or a sandbox may."""

import os
import platform
import sys

import pytest

from support import start_python

REFUSED = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "pythons", "refused.py")
CAN_REFUSE = sys.platform.startswith("linux") and platform.machine() == "x86_64"

needs_refusal = pytest.mark.skipif(not CAN_REFUSE, reason="this system has no such filter, or other numbers for calls")


def start_refused(*args, **kwargs):
    """Run this Python so, and return what waits for its outcome; options are refused.py's."""
    options = list(kwargs.pop("options", []))
    return start_python(*[REFUSED] + options + [sys.executable] + list(args), **kwargs)


def run_refused(*args, **kwargs):
    """Run what has to succeed, and return its standard output."""
    status, out, err = start_refused(*args, **kwargs)()
    assert status == 0, out + err
    return out
