# SPDX-License-Identifier: MIT-0
# Copyright (c) 2026 The backports_socketpair authors
import os
import sys

USAGE = """\
python -m backports_socketpair              report on socket pairs on this machine, for a bug report
python -m backports_socketpair ARGUMENTS    start "python ARGUMENTS": -m MODULE, FILE, -c CODE, ...
python -m backports_socketpair --enable     make every program of this Python call install()
python -m backports_socketpair --disable    undo --enable

The program and every Python that it starts call install() first.
Set BACKPORTS_SOCKETPAIR_OFF=1 to exempt a program from --enable.
The exit status of the report is 0 if the fallback works over AF_INET."""


def main(arguments):
    """Act on the arguments, and return the exit status, or an error."""
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
    if status:  # PYTHONINSPECT would report an exit
        sys.exit(status)
