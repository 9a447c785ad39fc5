# SPDX-License-Identifier: MIT-0
# Copyright (c) 2026 The backports_socketpair authors
"""The command line, and nothing else; what it says of itself is USAGE."""

from __future__ import print_function

import sys

from . import install

USAGE = """\
Tries socket pairs on this machine, or has programs find a socket.socketpair that works.

    python -m backports_socketpair
    python -m backports_socketpair -m MODULE [ARG...]
    python -m backports_socketpair FILE [ARG...]
    python -m backports_socketpair --enable
    python -m backports_socketpair --disable

Without arguments it tries Python's own socket.socketpair and the fallback, and prints a report to
paste into a bug report; the exit status is 0 where the fallback works over AF_INET. With a program
it calls install() and then runs the program as Python would; processes that multiprocessing starts
call install() too. --enable has every program of this Python call it, whoever starts it, until
--disable; BACKPORTS_SOCKETPAIR_OFF=1 in a program's environment keeps it from one.
"""


def main(arguments, first_path):
    """Do what the arguments say, and return the exit status."""
    first = arguments[0] if arguments else None
    if first in ("-h", "--help"):
        print(USAGE)
    elif first == "-m" and len(arguments) > 1:
        run(lambda runner: runner.run_module(arguments[1], arguments[1:], first_path))
    elif first and not first.startswith("-"):
        run(lambda runner: runner.run_file(first, arguments, first_path))
    elif first == "-m":
        fail("-m needs a module")
    elif first not in (None, "--enable", "--disable"):
        fail("unknown option %s" % first)
    elif len(arguments) > 1:
        fail("%s stands alone" % first)
    else:
        return on_this_machine(first)
    return 0


def run(program):
    from . import children, runner, startup

    install()
    startup.WhenImported(children.SPAWN, children.reach).watch()
    try:
        program(runner)
    except runner.CannotRun as error:
        fail(error)


def on_this_machine(what):
    from . import switch

    if what == "--enable":
        return switch.enable()
    if what == "--disable":
        return switch.disable()
    from . import machine_check

    return machine_check.check_machine(switch.state())


def fail(words):
    """End with the exit status that Python has for an unknown option, or a file that is not there."""
    print("python -m backports_socketpair: %s (see --help)" % words, file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    # A platform.py in the current folder does not come before the standard library's, for us.
    isolated = getattr(sys.flags, "safe_path", False) or getattr(sys.flags, "isolated", False)
    status = main(sys.argv[1:], [] if isolated else [sys.path.pop(0)])
    if status:
        sys.exit(status)
