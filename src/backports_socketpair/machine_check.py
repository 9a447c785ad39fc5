# SPDX-License-Identifier: MIT-0
# Copyright (c) 2026 The backports_socketpair authors
"""Try socket pairs on this machine, and print a report to paste into a bug report."""

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

PAIRS, TIMEOUT = 10, 10  # PAIRS per function; TIMEOUT seconds per byte, and for all pairs of Python's own function
ABOUT = "%s %s on %s; backports_socketpair %s; --enable: %s; socket.socketpair is %s"
OWN, IPV4, IPV6 = "socket.socketpair", "fallback AF_INET", "fallback AF_INET6"
WORKS = "%s: works. A pair takes %.0f us, a byte there and back %.0f us.%s"
POLICY = " The system refuses %s. The usual cause is the policy of a container or a sandbox."
ADVICE = """\
Add this to the program: import backports_socketpair; backports_socketpair.install()
Or, if you cannot edit the program: python -m backports_socketpair -m MODULE
Or, for every program run by this Python: python -m backports_socketpair --enable"""

# The bare numbers are Winsock's.
NO_FAMILY = {errno.EAFNOSUPPORT, errno.EOPNOTSUPP, 10047}
NO_ADDRESS = {errno.EADDRNOTAVAIL, errno.ENETUNREACH, 10049, 10051}
HELD_BACK = {errno.EACCES, errno.EPERM, errno.ETIMEDOUT, errno.ECONNREFUSED, 10060, 10061, 10013}


def check_machine(switch):
    """Print the report. switch is the state of --enable. Return the exit status."""
    own = getattr(socket.socketpair, "helps", socket.socketpair)
    try:
        system = platform.platform()
    except Exception:  # platform reads files and starts programs, which a sandbox may refuse
        system = sys.platform
    say(ABOUT % (platform.python_implementation(), platform.python_version(), system, __version__, switch, whose(own)))
    own_works = own is fallback_socketpair or say(*attempt_in_time(own))
    works = say(*attempt(IPV4, fallback_socketpair, socket.AF_INET))
    say(*attempt(IPV6, fallback_socketpair, socket.AF_INET6))
    if not own_works:
        say(ADVICE if attempt(OWN, helped(own))[1] else "Nothing in this package helps here.")
    return 0 if works else 1


def say(words, result=None):
    """Print words and flush. Return result. If the output cannot encode words, escape all non-ASCII characters."""
    try:
        try:
            print(words)
        except UnicodeError:
            print(words.encode("ascii", "backslashreplace").decode("ascii"))
        sys.stdout.flush()
    except EnvironmentError:  # the pipe is closed, as with "| head -1"
        os._exit(1)
    return result


def whose(function):
    if function is fallback_socketpair:
        return "missing, or replaced by the fallback"
    if function.__module__ not in ("socket", "_socket"):
        return "from another module, %s" % function.__module__
    return "the operating system's" if hasattr(_socket, "socketpair") else "Python's emulation"


def attempt_in_time(own):
    """Call attempt() with a time limit."""
    outcomes = [failure(OWN, socket.timeout("%d pairs took more than %s s" % (PAIRS, TIMEOUT)))]
    worker = threading.Thread(target=lambda: outcomes.append(attempt(OWN, own)))
    worker.daemon = True
    try:
        worker.start()
    except RuntimeError as error:  # WASI has no threads, and its function may end the process
        return "%s: NOT TRIED. It may hang or kill Python, and a time limit needs a thread (%s)." % (OWN, error), False
    worker.join(TIMEOUT)
    return outcomes[-1]


def attempt(name, make_pair, *args):
    """Make pairs with a function. Return a line of the report, and whether the pairs work."""
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
            # The system's pairs have no ports. Do not compare hosts: a Winsock LSP may return 0.0.0.0.
            if name != OWN and first.getpeername()[1] != second.getsockname()[1]:
                relayed = " A program on this machine relays loopback connections."
        medians = [sorted(times)[PAIRS // 2] * 1e6 for times in (pair_times, wake_up_times)]
        return WORKS % (name, medians[0], medians[1], relayed), True
    except Exception as error:
        return failure(name, error, has_pair=len(pair_times) > len(wake_up_times))
    finally:
        for end in ends:
            end.close()


def failure(name, error, has_pair=False):
    """Return a line of the report (the error, and its usual cause if known), and False."""
    code, cause = getattr(error, "errno", None), ""
    if name == OWN and hasattr(_socket, "socketpair"):
        if code in NO_FAMILY | {errno.EACCES, errno.EPERM, errno.ENOSYS}:
            cause = POLICY % ("send() on a pair, so asyncio hangs" if has_pair else "socketpair()")
    elif code in NO_FAMILY:
        cause = " The system does not allow this address family: it is off, or a policy forbids it."
    elif code in NO_ADDRESS and name != OWN:
        cause = " This machine has no address %s." % ("::1" if name == IPV6 else "127.0.0.1")
    elif code in HELD_BACK or isinstance(error, socket.timeout):
        cause = " The usual cause is a sandbox, a firewall, an antivirus, or a proxy that intercepts loopback."
    words = traceback.format_exception_only(error.__class__, error)[-1].strip()  # str() may fail on Python 2
    return "%s: FAILED. %s.%s" % (name, words, cause), False
