# SPDX-License-Identifier: MIT
"""python -m backports_socketpair: does the fallback work on this machine?

Tries the fallback, also where Python has its own socketpair, and prints a report to paste into
a bug report: a line on the interpreter, then one for each address family. The exit status is 0
where AF_INET works.
"""

from __future__ import print_function

import errno
import platform
import socket
import sys
from timeit import default_timer

from . import __version__
from .socketpair import _fallback_socketpair

PAIRS = 10
WAKE_UPS = 100
TIMEOUT = 10  # seconds

# What a machine without the address answers, the last three as Winsock numbers.
ABSENT = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.ENETUNREACH, 10049, 10047, 10051}
ADDRESS = {
    "AF_INET": "127.0.0.1: its loopback interface is down",
    "AF_INET6": "::1: IPv6 is switched off",
}


def main():
    print(about_interpreter())
    works = [report(name) for name in ("AF_INET", "AF_INET6")]
    return 0 if works[0] else 1


def about_interpreter():
    return "%s %s on %s: socket.socketpair is %s; trying the fallback of backports_socketpair %s" % (
        platform.python_implementation(),
        platform.python_version(),
        platform.platform(),
        whose_socketpair(),
        __version__,
    )


def whose_socketpair():
    if socket.socketpair is _fallback_socketpair:
        return "missing, and this fallback in its place"
    module = getattr(socket.socketpair, "__module__", None)
    return "its own" if module in ("socket", "_socket") else "another's, from %s" % module


def report(name):
    """Print how the family called name does, and return whether it works."""
    try:
        pair_seconds, wake_up_seconds = measure(getattr(socket, name))
    except Exception as error:
        print(
            "%-8s FAILED: %s: %s. %s"
            % (name, error.__class__.__name__, error, cause(name, error))
        )
        return False
    print(
        "%-8s works: a pair made, bytes carried both ways; %.0f us for a pair, %.0f us for a wake-up"
        % (name, pair_seconds * 1e6, wake_up_seconds * 1e6)
    )
    return True


def cause(name, error):
    if getattr(error, "errno", None) in ABSENT:
        return "This machine has no %s." % ADDRESS[name]
    return "A firewall, an antivirus or a proxy that intercepts loopback is the usual cause."


def measure(family):
    """Return the median times, in seconds, for making a pair and for a byte there and back."""
    pair_times = []
    wake_up_times = []
    for _ in range(PAIRS):
        started = default_timer()
        ends = _fallback_socketpair(family)
        pair_times.append(default_timer() - started)
        try:
            for end in ends:
                end.settimeout(TIMEOUT)
            for _ in range(WAKE_UPS // PAIRS):
                started = default_timer()
                carry(b"1", *ends)
                carry(b"2", *reversed(ends))
                wake_up_times.append(default_timer() - started)
        finally:
            for end in ends:
                end.close()
    return median(pair_times), median(wake_up_times)


def carry(byte, source, target):
    source.sendall(byte)
    received = target.recv(1)
    if received != byte:
        raise ValueError("sent %r, received %r" % (byte, received))


def median(values):
    return sorted(values)[len(values) // 2]


if __name__ == "__main__":
    sys.exit(main())
