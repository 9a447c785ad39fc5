# SPDX-License-Identifier: MIT-0
# Copyright (c) 2026 The backports_socketpair authors
"""Tries socket pairs on this machine, and prints a report to paste into a bug report."""

import _socket
import errno
import os
import platform
import socket
import sys
import threading
import traceback
from timeit import default_timer

from . import __version__, fallback_socketpair, helped

PAIRS, WAKE_UPS = 10, 10  # for each
TIMEOUT = 10
UNIX = getattr(socket, "AF_UNIX", -1)

ABOUT = "%s %s on %s: socket.socketpair is %s; this is backports_socketpair %s; start-up switch: %s"
WORKS = "%-8s works: a pair made, bytes carried both ways; %.0f us for a pair, %.0f us for a wake-up%s"
RELAYED = "; loopback is relayed on this machine, and it works all the same"
ADVICE = """\
What helps: import backports_socketpair; backports_socketpair.install()
or, for a program as it is: python -m backports_socketpair -m MODULE
or, for every program of this Python: python -m backports_socketpair --enable"""

# The bare numbers are Winsock's.
NO_FAMILY = {errno.EAFNOSUPPORT, errno.EOPNOTSUPP, 10047}
NO_ADDRESS = {errno.EADDRNOTAVAIL, errno.ENETUNREACH, 10049, 10051}
FORBIDDEN = {errno.EACCES, errno.EPERM}
HELD_BACK = {errno.ETIMEDOUT, errno.ECONNREFUSED, 10060, 10061, 10013}


def check_machine(switch):
    """Print the report, with the state of the start-up switch, and return the exit status."""
    own = getattr(socket.socketpair, "helps", socket.socketpair)
    python = platform.python_implementation(), platform.python_version(), platform.platform()
    say(ABOUT % (python + (whose(own), __version__, switch)))
    own_works = own is fallback_socketpair or report("own", *attempt_in_time(own))
    works = report("AF_INET", *attempt(fallback_socketpair, socket.AF_INET))
    report("AF_INET6", *attempt(fallback_socketpair, socket.AF_INET6))
    if not own_works:
        say(ADVICE if attempt(helped(own))[0] else "Nothing in this package helps here.")
    return 0 if works else 1


def say(words):
    """Print the words at once, whatever the output can hold."""
    try:
        try:
            print(words)
        except (UnicodeError, LookupError):  # LookupError: Python 2 does not know Windows' cp65001
            print(words.encode("ascii", "backslashreplace").decode("ascii"))
        sys.stdout.flush()
    except EnvironmentError:  # nobody reads on, as with "| head -1"
        os._exit(1)


def whose(function):
    if function is fallback_socketpair:
        return "missing or replaced, and this fallback in its place"
    if function.__module__ not in ("socket", "_socket"):
        return "another's, from %s" % function.__module__
    return "the operating system's" if hasattr(_socket, "socketpair") else "an emulation of Python's own"


def report(name, figures, error):
    """Print how a pair does, and return whether it works."""
    if figures:
        say(WORKS % ((name,) + figures))
    else:
        # Python 2 cannot print every error by itself.
        words = traceback.format_exception_only(error.__class__, error)[-1].strip()
        say("%-8s FAILED: %s.%s" % (name, words, cause(name, error)))
    return bool(figures)


def cause(name, error):
    code = getattr(error, "errno", None)
    if name == "own" and hasattr(_socket, "socketpair"):
        refused = "send on a pair, so that asyncio hangs" if getattr(error, "has_pair", False) else "socketpair"
        words = " The system refuses %s: a container's or a sandbox's policy is the usual cause." % refused
        return words if code in FORBIDDEN | NO_FAMILY | {errno.ENOSYS} else ""
    if name != "own" and code in NO_FAMILY:
        return " The system allows no such family: it is switched off, or a policy forbids it."
    if name != "own" and code in NO_ADDRESS:
        return " This machine has no %s." % ("::1" if name == "AF_INET6" else "127.0.0.1")
    sandbox = "A sandbox, a" if code in FORBIDDEN else "A"
    words = " %s firewall, an antivirus or a proxy that intercepts loopback is the usual cause." % sandbox
    return words if code in FORBIDDEN | HELD_BACK or isinstance(error, socket.timeout) else ""


def attempt_in_time(own):
    """Do what attempt() does with a function that may never return."""
    outcome = [(None, socket.timeout("%d pairs were not made within %s s" % (PAIRS, TIMEOUT)))]
    worker = threading.Thread(target=lambda: outcome.append(attempt(own)))
    worker.daemon = True
    try:
        worker.start()
    except RuntimeError as error:  # WASI has no threads, and there the function may end the process
        return None, RuntimeError("not tried, since it may not return: %s" % error)
    worker.join(TIMEOUT)
    return outcome[-1]


def attempt(make_pair, *args):
    """Return the median microseconds for a pair and for a byte there and back, words if it is relayed, and no error."""
    pairs, pair_times, wake_up_times, relayed = [], [], [], False
    try:
        for _ in range(PAIRS):
            started = default_timer()
            pairs.append(make_pair(*args))
            pair_times.append(default_timer() - started)
            first, second = pairs[-1]
            for end in pairs[-1]:
                end.settimeout(TIMEOUT)
            for _ in range(WAKE_UPS):
                started = default_timer()
                for byte, source, target in ((b"1", first, second), (b"2", second, first)):
                    source.sendall(byte)
                    received = target.recv(1)
                    if received != byte:
                        raise ValueError("sent %r, received %r" % (byte, received))
                wake_up_times.append(default_timer() - started)
            # By the ports, since a layered Windows provider may say 0.0.0.0 for the host. A sandbox may refuse to tell.
            relayed = relayed or first.family != UNIX and first.getpeername()[1] != second.getsockname()[1]
        pair_time, wake_up_time = sorted(pair_times)[PAIRS // 2], sorted(wake_up_times)[PAIRS * WAKE_UPS // 2]
        return (pair_time * 1e6, wake_up_time * 1e6, RELAYED if relayed else ""), None
    except Exception as error:
        error.has_pair = len(pairs) * WAKE_UPS > len(wake_up_times)
        return None, error
    finally:
        for pair in pairs:
            for end in pair:
                end.close()
