# SPDX-License-Identifier: MIT-0
# Copyright (c) 2026 The backports_socketpair authors
import os
import sys

USAGE = """\
python -m backports_socketpair              print a report on socket pairs, for bug reports
python -m backports_socketpair ARGUMENTS    run "python ARGUMENTS", for example -m MODULE, FILE or -c CODE
python -m backports_socketpair --enable     call install() in every program that this Python runs
python -m backports_socketpair --disable    undo --enable

With ARGUMENTS, the program and every Python that it starts call install() first.
To exempt a program from --enable, set BACKPORTS_SOCKETPAIR_OFF=1 in its environment.
After a report, the exit status is 0 if the fallback works over AF_INET."""


def main(arguments):
    """Run the command. Return the exit status, or an error message."""
    from . import machine_check, startup

    if not arguments:
        return machine_check.check_machine(startup.state())
    if arguments[0] in ("-h", "--help"):
        return machine_check.say(USAGE)
    if arguments in (["--enable"], ["--disable"]):
        return getattr(startup, arguments[0][2:])()
    return startup.reason_not_to_run(arguments) or startup.run(arguments)


if __name__ == "__main__":
    # A platform.py in the current folder must not come before the standard library's.
    if os.path.abspath(sys.path[0]) == os.getcwd() and not getattr(sys.flags, "safe_path", False):
        del sys.path[0]
    status = main(sys.argv[1:])
    if status:  # under PYTHONINSPECT even sys.exit(0) prints a traceback
        sys.exit(status)
