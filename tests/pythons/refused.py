"""Runs a command where the kernel refuses socketpair(2), as the policy of a container or a sandbox may.

    python3 tests/pythons/refused.py COMMAND...              socketpair(2) fails with EACCES
    python3 tests/pythons/refused.py --with NAME COMMAND...  socketpair(2) fails with this error of errno's
    python3 tests/pythons/refused.py --send COMMAND...       pairs are made; send, bind and connect fail with EPERM

On Linux, x86-64, with any Python that has ctypes. The command and what it starts are under a seccomp filter, a program
for the kernel's packet filter that gets each system call's number first. Nobody needs a privilege to give one up.
"""

import argparse
import ctypes
import errno
import os
import struct
import sys

# System calls.
SENDTO, CONNECT, SENDMSG, BIND, SOCKETPAIR = 44, 42, 46, 49, 53
# Instructions: load the word at an offset, compare and jump, return.
LOAD_WORD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
# What may be returned: the call goes on, or fails with the error in the lower half.
ALLOW, FAIL = 0x7FFF0000, 0x00050000
PR_SET_SECCOMP, SECCOMP_MODE_FILTER, PR_SET_NO_NEW_PRIVS = 22, 2, 38


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]


def instruction(code, value, if_equal=0):
    """As struct sock_filter has it; a jump is told how many instructions to leap over."""
    return struct.pack("=HBBI", code, if_equal, 0, value)


def refuse(calls, error):
    """Have these system calls fail with this error, here and in whatever is started."""
    instructions = [instruction(LOAD_WORD, 0)]
    for position, call in enumerate(calls):
        to_the_last = len(calls) - position
        instructions.append(instruction(JUMP_IF_EQUAL, call, to_the_last))
    instructions.append(instruction(RETURN, ALLOW))
    instructions.append(instruction(RETURN, FAIL | error))
    program = Program(len(instructions), b"".join(instructions))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl.argtypes = [ctypes.c_int] + 4 * [ctypes.c_ulong]
    for option in (
        (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
        (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(program), 0, 0),
    ):
        if libc.prctl(*option):
            sys.exit("prctl: %s" % os.strerror(ctypes.get_errno()))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--with", dest="error", default="EACCES")
    parser.add_argument("--send", action="store_true")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    if options.send:
        refuse([SENDTO, SENDMSG, BIND, CONNECT], errno.EPERM)
    else:
        refuse([SOCKETPAIR], getattr(errno, options.error))
    os.execvp(options.command[0], options.command)


if __name__ == "__main__":
    main()
