"""The relay of relayed.sh: accepts connections that the kernel redirects to its port, and connects to their targets.

python3 kernel_relay.py eager|lazy PORT
"""

import os
import socket
import struct
import sys
import threading

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [TESTS, os.path.join(os.path.dirname(TESTS), "src")]

from standins.relay import Relay

SO_ORIGINAL_DST = 80  # netfilter's number, the same for IPv4 and IPv6
NOBODY = 65534


class KernelRelay(Relay):
    def meant_for(self, near):
        """Return the original destination of the client, which netfilter remembers."""
        if self.family == socket.AF_INET:
            port, address = struct.unpack("!2xH4s8x", near.getsockopt(socket.SOL_IP, SO_ORIGINAL_DST, 16))
        else:
            port, address = struct.unpack("!2xH4x16s4x", near.getsockopt(socket.IPPROTO_IPV6, SO_ORIGINAL_DST, 28))
        return socket.inet_ntop(self.family, address), port


how, port = sys.argv[1:]
for family in (socket.AF_INET, socket.AF_INET6):
    KernelRelay(family, how, int(port))
os.setuid(NOBODY)
print("relaying", flush=True)
threading.Event().wait()
