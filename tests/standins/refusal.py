"""Pythons to which the kernel refuses some socket calls, as the policy of a container or a sandbox may do."""

import os
import platform
import sys

import pytest

from support import start_python

REFUSED = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "pythons", "refused.py")
CAN_REFUSE = sys.platform.startswith("linux") and platform.machine() == "x86_64"

needs_refusal = pytest.mark.skipif(
    not CAN_REFUSE, reason="this system cannot filter system calls, or numbers them differently"
)


def start_refused(*args, **kwargs):
    """Start this Python under refused.py with these options. Return a function that waits for the outcome."""
    options = list(kwargs.pop("options", []))
    return start_python(*[REFUSED] + options + [sys.executable] + list(args), **kwargs)


def run_refused(*args, **kwargs):
    """Run this Python under refused.py, check that it succeeds, and return its standard output."""
    status, out, err = start_refused(*args, **kwargs)()
    assert status == 0, out + err
    return out
