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

PAIRS, TIMEOUT = 10, 10  # for each function; seconds for a byte, and for all pairs of Python's own function
ABOUT = "%s %s on %s: socket.socketpair is %s; this is backports_socketpair %s; start-up switch: %s"
WORKS = "%-8s works: a pair made, bytes carried both ways; %.0f us for a pair, %.0f us for a wake-up%s"
POLICY = " The system refuses %s: a container's or a sandbox's policy is the usual cause."
ADVICE = """\
What helps: import backports_socketpair; backports_socketpair.install()
or, for a program as it is: python -m backports_socketpair -m MODULE
or, for every program of this Python: python -m backports_socketpair --enable"""

# The bare numbers are Winsock's.
NO_FAMILY = {errno.EAFNOSUPPORT, errno.EOPNOTSUPP, 10047}
NO_ADDRESS = {errno.EADDRNOTAVAIL, errno.ENETUNREACH, 10049, 10051}
HELD_BACK = {errno.EACCES, errno.EPERM, errno.ETIMEDOUT, errno.ECONNREFUSED, 10060, 10061, 10013}


def check_machine(switch):
    """Print the report, with the state of the start-up switch, and return the exit status."""
    own = getattr(socket.socketpair, "helps", socket.socketpair)
    try:
        system = platform.platform()
    except Exception:  # platform reads files and starts programs, which a sandbox may refuse
        system = sys.platform
    say(ABOUT % (platform.python_implementation(), platform.python_version(), system, whose(own), __version__, switch))
    own_works = own is fallback_socketpair or say(*attempt_in_time(own))
    works = say(*attempt("AF_INET", fallback_socketpair, socket.AF_INET))
    say(*attempt("AF_INET6", fallback_socketpair, socket.AF_INET6))
    if not own_works:
        say(ADVICE if attempt("own", helped(own))[1] else "Nothing in this package helps here.")
    return 0 if works else 1


def say(words, result=None):
    """Print the words at once, even if the output cannot hold every character, and return the result."""
    try:
        try:
            print(words)
        except UnicodeError:
            print(words.encode("ascii", "backslashreplace").decode("ascii"))
        sys.stdout.flush()
    except EnvironmentError:  # the reader has gone, as with "| head -1"
        os._exit(1)
    return result


def whose(function):
    if function is fallback_socketpair:
        return "missing or replaced, and the fallback is in its place"
    if function.__module__ not in ("socket", "_socket"):
        return "another's, from %s" % function.__module__
    return "the operating system's" if hasattr(_socket, "socketpair") else "an emulation of Python's own"


def attempt_in_time(own):
    """Call attempt() with a time limit."""
    outcomes = [failure("own", socket.timeout("%d pairs were not made within %s s" % (PAIRS, TIMEOUT)))]
    worker = threading.Thread(target=lambda: outcomes.append(attempt("own", own)))
    worker.daemon = True
    try:
        worker.start()
    except RuntimeError as error:  # WASI has no threads, and there the function may end the process
        return failure("own", RuntimeError("not tried, since it may not return: %s" % error))
    worker.join(TIMEOUT)
    return outcomes[-1]


def attempt(name, make_pair, *args):
    """Return a line of the report for the pairs of a function, and whether they work."""
    ends, pair_times, wake_up_times, relayed = [], [], [], ""
    try:
        for _ in range(PAIRS):
            started = default_timer()
            first, second = make_pair(*args)
            pair_times.append(default_timer() - started)
            ends += [first, second]
            first.settimeout(TIMEOUT)
            second.settimeout(TIMEOUT)
            started = default_timer()
            for byte, source, target in ((b"1", first, second), (b"2", second, first)):
                source.sendall(byte)
                received = target.recv(1)
                if received != byte:
                    raise ValueError("sent %r, received %r" % (byte, received))
            wake_up_times.append(default_timer() - started)
            # The system's own pair has no ports. For a host, a layered Windows provider may return 0.0.0.0.
            if name != "own" and first.getpeername()[1] != second.getsockname()[1]:
                relayed = "; loopback is relayed on this machine, and the pair works"
        medians = [sorted(times)[PAIRS // 2] * 1e6 for times in (pair_times, wake_up_times)]
        return WORKS % (name, medians[0], medians[1], relayed), True
    except Exception as error:
        return failure(name, error, has_pair=len(pair_times) > len(wake_up_times))
    finally:
        for end in ends:
            end.close()


def failure(name, error, has_pair=False):
    """Return a line with the error and its usual cause, if it has one, and False."""
    code, cause = getattr(error, "errno", None), ""
    if name == "own" and hasattr(_socket, "socketpair"):
        if code in NO_FAMILY | {errno.EACCES, errno.EPERM, errno.ENOSYS}:
            cause = POLICY % ("send on a pair, so that asyncio hangs" if has_pair else "socketpair")
    elif code in NO_FAMILY:
        cause = " The system allows no such family: it is switched off, or a policy forbids it."
    elif code in NO_ADDRESS and name != "own":
        cause = " This machine has no %s." % ("::1" if name == "AF_INET6" else "127.0.0.1")
    elif code in HELD_BACK or isinstance(error, socket.timeout):
        cause = " A sandbox, a firewall, an antivirus or a proxy that intercepts loopback is the usual cause."
    # Python 2 cannot print every error by itself.
    words = traceback.format_exception_only(error.__class__, error)[-1].strip()
    return "%-8s FAILED: %s.%s" % (name, words, cause), False
