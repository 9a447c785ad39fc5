"""Runs a command to which the kernel refuses some socket calls, as the policy of a container or a sandbox may do.

    python3 tests/pythons/refused.py COMMAND...              socketpair(2) fails with EACCES
    python3 tests/pythons/refused.py --with NAME COMMAND...  socketpair(2) fails with this error, a name in errno
    python3 tests/pythons/refused.py --kill COMMAND...       socketpair(2) ends the process (systemd's SystemCallFilter)
    python3 tests/pythons/refused.py --send COMMAND...       socketpair(2), sendmsg, write and recv work. send and most
                                                             other socket calls fail with EPERM, as does socket() for
                                                             any family but AF_UNIX (the sandbox of Codex on Linux)
    python3 tests/pythons/refused.py --inet NAME COMMAND...  socket() for any family but AF_UNIX fails with this error
                                                             (systemd's RestrictAddressFamilies, firejail's --protocol)

For Linux on x86-64, with any Python that has ctypes. The command and its children run under a seccomp filter: a BPF
program that the kernel runs before each system call. A process that sets no_new_privs may install one.
"""

import argparse
import ctypes
import errno
import os
import socket
import struct
import sys

SOCKET, SOCKETPAIR = 41, 53
# connect, sendto, shutdown, bind, listen, getsockname, getpeername, setsockopt, getsockopt
CODEX_REFUSES = [42, 44, 48, 49, 50, 51, 52, 54, 55]
# Codes for struct sock_filter: load the word at an offset; compare, then skip some instructions; return.
LOAD_WORD, IF_EQUAL, RETURN = 0x20, 0x15, 0x06
NUMBER, FIRST_ARGUMENT = 0, 16  # offsets in struct seccomp_data
# Values to return: the call proceeds, fails with the error in the lower half, or ends the process.
ALLOW, FAIL, KILL = 0x7FFF0000, 0x00050000, 0x80000000
PR_SET_SECCOMP, SECCOMP_MODE_FILTER, PR_SET_NO_NEW_PRIVS = 22, 2, 38


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]


def instruction(code, value, if_equal=0, if_not=0):
    return struct.pack("=HBBI", code, if_equal, if_not, value)


def refuse(calls, answer, inet_answer=ALLOW):
    """Answer these calls with answer, and socket() for any family other than AF_UNIX with inet_answer."""
    instructions = [instruction(LOAD_WORD, NUMBER)]
    for call in calls:
        instructions += [instruction(IF_EQUAL, call, if_not=1), instruction(RETURN, answer)]
    instructions += [
        instruction(IF_EQUAL, SOCKET, if_not=3),
        instruction(LOAD_WORD, FIRST_ARGUMENT),
        instruction(IF_EQUAL, socket.AF_UNIX, if_equal=1),
        instruction(RETURN, inet_answer),
        instruction(RETURN, ALLOW),
    ]
    program = Program(len(instructions), b"".join(instructions))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl.argtypes = [ctypes.c_int] + 4 * [ctypes.c_ulong]
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
        PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(program), 0, 0
    ):
        sys.exit("prctl: %s" % os.strerror(ctypes.get_errno()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--with", dest="error", default="EACCES")
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("--send", action="store_true")
    parser.add_argument("--inet")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    if options.send:
        refuse(CODEX_REFUSES, FAIL | errno.EPERM, FAIL | errno.EPERM)
    elif options.inet:
        refuse([], ALLOW, FAIL | getattr(errno, options.inet))
    else:
        refuse([SOCKETPAIR], KILL if options.kill else FAIL | getattr(errno, options.error))
    os.execvp(options.command[0], options.command)
