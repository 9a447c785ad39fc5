# SPDX-License-Identifier: MIT-0
# Copyright (c) 2026 The backports_socketpair authors
"""Tries socket pairs on this machine, and prints a report to paste into a bug report."""

from __future__ import print_function

import _socket
import errno
import platform
import socket
import sys
import threading
from timeit import default_timer

from . import __version__, fallback_socketpair
from .socketpair import _TIMEOUT as TIMEOUT
from .socketpair import _system_makes_pairs as system_makes_pairs

PAIRS = 10
WAKE_UPS = 100

WORKS = "works: a pair made, bytes carried both ways; %.0f us for a pair, %.0f us for a wake-up%s"
RELAYED = "; loopback is relayed on this machine, and it works all the same"
ADVICE = (
    "What helps: import backports_socketpair; backports_socketpair.install()\n"
    "or, for a program as it is: python -m backports_socketpair -m MODULE\n"
    "or, where programs start others, for all of this Python: python -m backports_socketpair --enable"
)
NO_ADVICE = "Nothing in this package helps where a sandbox forbids send."

# The bare numbers are Winsock's.
# What a machine without the address answers.
ABSENT = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.ENETUNREACH, 10049, 10047, 10051}
ADDRESS = {
    "AF_INET": "127.0.0.1: its loopback interface is down",
    "AF_INET6": "::1: IPv6 is switched off",
}
# What a connection answers that something on the machine forbids, or holds back.
FORBIDDEN = {errno.EACCES, errno.EPERM}
KEPT_BACK = {errno.ETIMEDOUT, errno.ECONNREFUSED, 10060, 10061, 10013}


def check_machine(state):
    """Print the report, which tells the start-up switch's state too, and return the exit status."""
    say(about_interpreter() + "; start-up switch: " + state)
    own = None if socket.socketpair is fallback_socketpair else failure_of("own", measure_own)
    fallback = failure_of("AF_INET", measure_fallback, "AF_INET")
    failure_of("AF_INET6", measure_fallback, "AF_INET6")
    if own and not fallback and not system_makes_pairs():
        say(ADVICE)
    if own and fallback and is_send_forbidden(own):
        say(NO_ADVICE)
    return 1 if fallback else 0


def say(words):
    """Print words, whatever the output can hold."""
    if isinstance(words, bytes):  # Python 2's, with a message of the system's in whatever encoding
        words = words.decode("utf-8", "replace")
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    try:
        words = words.encode(encoding, "backslashreplace")
    except LookupError:  # Windows' cp65001, of which Python 2 knows nothing
        encoding = "ascii"
        words = words.encode(encoding, "backslashreplace")
    print(words if str is bytes else words.decode(encoding))


def about_interpreter():
    return "%s %s on %s: socket.socketpair is %s; this is backports_socketpair %s" % (
        platform.python_implementation(),
        platform.python_version(),
        about_system(),
        whose_socketpair(),
        __version__,
    )


def about_system():
    try:
        return platform.platform()
    except Exception:  # it starts programs and reads files, which may be forbidden
        return sys.platform


def whose_socketpair():
    if socket.socketpair is fallback_socketpair:
        return "missing or replaced, and this fallback in its place"
    module = getattr(socket.socketpair, "__module__", None)
    if module not in ("socket", "_socket"):
        return "another's, from %s" % module
    return "the operating system's" if hasattr(_socket, "socketpair") else "an emulation of Python's own"


def failure_of(name, measured, *args):
    """Print how a pair does, and return the error where it does not work."""
    try:
        pair_seconds, wake_up_seconds, relayed = measured(*args)
    except Exception as error:
        say("%-8s FAILED: %s: %s.%s" % (name, error.__class__.__name__, words_of(error), cause(name, error)))
        return error
    say("%-8s " % name + WORKS % (pair_seconds * 1e6, wake_up_seconds * 1e6, RELAYED if relayed else ""))
    return None


def words_of(error):
    try:
        return str(error)
    except UnicodeError:  # Python 2, of an error whose text is unicode
        return repr(error)


def cause(name, error):
    code = getattr(error, "errno", None)
    if name == "own" and hasattr(_socket, "socketpair"):
        if is_send_forbidden(error):
            return " A pair is made, but a sandbox forbids send: asyncio hangs here."
        if not system_makes_pairs():
            return " The system refuses socketpair: a container's or a sandbox's policy is the usual cause."
        return ""
    if code in ABSENT and name in ADDRESS:
        return " This machine has no %s." % ADDRESS[name]
    if code in FORBIDDEN:
        return " A sandbox, a firewall, an antivirus or a proxy that intercepts loopback is the usual cause."
    if code in KEPT_BACK or isinstance(error, socket.timeout):
        return " A firewall, an antivirus or a proxy that intercepts loopback is the usual cause."
    return ""


def is_send_forbidden(error):
    return getattr(error, "on_send", False) and error.errno in FORBIDDEN


def measure_own():
    """The same of Python's own function, which may never return."""
    outcome = []

    def work():
        try:
            outcome.append(measure(socket.socketpair))
        except Exception as error:
            outcome.append(error)

    worker = threading.Thread(target=work)
    worker.daemon = True
    try:
        worker.start()
    except RuntimeError as error:  # WASI has no threads, and there the function may end the process
        raise RuntimeError("not tried, since it may not return: %s" % error)
    worker.join(TIMEOUT)
    if not outcome:
        raise socket.timeout("%d pairs were not made within %s s" % (PAIRS, TIMEOUT))
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    return outcome[0]


def measure_fallback(name):
    return measure(lambda: fallback_socketpair(getattr(socket, name)))


def measure(make_pair):
    """Return the median seconds for a pair and for a byte there and back, and whether it is relayed."""
    pair_times = []
    wake_up_times = []
    relayed = False
    for _ in range(PAIRS):
        started = default_timer()
        ends = make_pair()
        pair_times.append(default_timer() - started)
        try:
            relayed = relayed or is_relayed(*ends)
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
    return median(pair_times), median(wake_up_times), relayed


def is_relayed(server, client):
    # By the ports, since a layered Windows provider may say 0.0.0.0 for the host. A Unix pair has none.
    return server.getpeername()[1:2] != client.getsockname()[1:2]


def carry(byte, source, target):
    try:
        source.sendall(byte)
    except socket.error as error:
        error.on_send = True
        raise
    received = target.recv(1)
    if received != byte:
        raise ValueError("sent %r, received %r" % (byte, received))


def median(values):
    return sorted(values)[len(values) // 2]
