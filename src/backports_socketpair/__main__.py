# SPDX-License-Identifier: MIT
"""Tries socket pairs on this machine, or runs a program with Python's emulation replaced.

    python -m backports_socketpair
    python -m backports_socketpair -m MODULE [ARG...]
    python -m backports_socketpair FILE [ARG...]

Without arguments it tries Python's own socket.socketpair and the fallback, and prints a report to
paste into a bug report; the exit status is 0 where the fallback works over AF_INET. With a program
it calls install() and then runs the program as Python would.
"""

from __future__ import print_function

import _socket
import errno
import os
import platform
import runpy
import socket
import sys
import threading
import types
import zipimport
from timeit import default_timer

from . import __version__, fallback_socketpair, install

PAIRS = 10
WAKE_UPS = 100
TIMEOUT = 10  # seconds

WORKS = "works: a pair made, bytes carried both ways; %.0f us for a pair, %.0f us for a wake-up%s"
RELAYED = "; loopback is relayed on this machine, and it works all the same"
ADVICE = (
    "What helps: import backports_socketpair; backports_socketpair.install()\n"
    "or, for a program as it is: python -m backports_socketpair -m MODULE"
)

# The bare numbers are Winsock's.
# What a machine without the address answers.
ABSENT = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.ENETUNREACH, 10049, 10047, 10051}
ADDRESS = {
    "AF_INET": "127.0.0.1: its loopback interface is down",
    "AF_INET6": "::1: IPv6 is switched off",
}
# What a connection answers that something on the machine holds back or forbids.
KEPT_BACK = {errno.ETIMEDOUT, errno.ECONNREFUSED, errno.EACCES, errno.EPERM, 10060, 10061, 10013}


def main(arguments):
    if not arguments:
        return check_machine()
    first = arguments[0]
    if first in ("-h", "--help"):
        print(__doc__)
        return 0
    if first == "-m" and len(arguments) > 1:
        return run(lambda: run_module(arguments[1]), arguments[1:])
    if first.startswith("-"):
        fail("-m needs a module" if first == "-m" else "unknown option %s" % first)
    return run(lambda: run_file(first), arguments)


def fail(words):
    """End with the exit status that Python has where it cannot begin."""
    print("python -m backports_socketpair: %s (see --help)" % words, file=sys.stderr)
    sys.exit(2)


# Running a program


def run(program, argv):
    """Replace the emulation, call program in a __main__ of its own, and return the exit status."""
    run.ours = sys.modules["__main__"]  # which Python 2 would empty if nobody held it
    sys.modules["__main__"] = types.ModuleType("__main__")
    sys.argv[:] = argv
    install()
    try:
        program()
    except Exception:
        kind, error, traceback = sys.exc_info()
        while traceback and traceback.tb_frame.f_globals is globals():
            traceback = traceback.tb_next
        if hasattr(error, "__traceback__"):
            error.__traceback__ = traceback
        sys.excepthook(kind, error, traceback)
        return 1
    return 0


def run_module(name):
    try:
        runpy._get_module_details(name)
    except ImportError as error:
        missing = getattr(error, "name", None) or name
        if not (name + ".__main__.").startswith(missing + "."):
            raise  # it is there, and misses another
        fail(error)
    # As "python -m" itself does. run_module() would take __main__ away while threads of the program's go on.
    runpy._run_module_as_main(name)


def run_file(path):
    # What a program has for its own name is absolute from Python 3.9 on.
    name = os.path.abspath(path) if sys.version_info >= (3, 9) else path
    if os.path.isdir(path) or is_zip(path):
        set_first_path(name)
        runpy._run_module_as_main("__main__", False)
        return
    try:
        with open(path, "rb") as source:
            text = source.read()
    except EnvironmentError as error:
        fail("cannot open %s: %s" % (path, error.strerror))
    if not is_isolated():
        set_first_path(os.path.dirname(os.path.realpath(path)))
    namespace = vars(sys.modules["__main__"])
    namespace["__file__"] = name
    exec(compile(text, name, "exec", 0, True), namespace)


def is_zip(path):
    try:
        return bool(zipimport.zipimporter(path))
    except ImportError:
        return False


def is_isolated():
    return getattr(sys.flags, "safe_path", False) or getattr(sys.flags, "isolated", False)


def set_first_path(path):
    """Put path where Python has the current folder, unless it was told to have it nowhere."""
    sys.path[: 0 if is_isolated() else 1] = [path]


# Checking the machine


def check_machine():
    say(about_interpreter())
    own_works = socket.socketpair is fallback_socketpair or report("own", measure_own)
    works = [report(name, measure_fallback, name) for name in ("AF_INET", "AF_INET6")]
    if works[0] and not own_works:
        say(ADVICE)
    return 0 if works[0] else 1


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


def report(name, measured, *args):
    """Print how a pair does, and return whether it works."""
    try:
        pair_seconds, wake_up_seconds, relayed = measured(*args)
    except Exception as error:
        say("%-8s FAILED: %s: %s.%s" % (name, error.__class__.__name__, words_of(error), cause(name, error)))
        return False
    say("%-8s " % name + WORKS % (pair_seconds * 1e6, wake_up_seconds * 1e6, RELAYED if relayed else ""))
    return True


def words_of(error):
    try:
        return str(error)
    except UnicodeError:  # Python 2, of an error whose text is unicode
        return repr(error)


def cause(name, error):
    code = getattr(error, "errno", None)
    if code in ABSENT and name in ADDRESS:
        return " This machine has no %s." % ADDRESS[name]
    if code in KEPT_BACK or isinstance(error, socket.timeout):
        return " A firewall, an antivirus or a proxy that intercepts loopback is the usual cause."
    return ""


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
    worker.start()
    worker.join(TIMEOUT)
    if not outcome:
        raise socket.timeout("no pair within %s s" % TIMEOUT)
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
    source.sendall(byte)
    received = target.recv(1)
    if received != byte:
        raise ValueError("sent %r, received %r" % (byte, received))


def median(values):
    return sorted(values)[len(values) // 2]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
