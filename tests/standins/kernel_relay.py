"""The relay of relayed.sh: takes the connections that the kernel redirects to its port, and connects on."""

import asyncio
import os
import socket
import struct
import sys

SO_ORIGINAL_DST = 80  # of netfilter, for IPv4 and IPv6
NOBODY = 65534


def meant_for(sock):
    """The address that the client asked for."""
    if sock.family == socket.AF_INET:
        port, address = struct.unpack("!2xH4s8x", sock.getsockopt(socket.SOL_IP, SO_ORIGINAL_DST, 16))
    else:
        port, address = struct.unpack("!2xH4x16s4x", sock.getsockopt(socket.IPPROTO_IPV6, SO_ORIGINAL_DST, 28))
    return socket.inet_ntop(sock.family, address), port


async def carry(reader, writer):
    try:
        data = await reader.read(65536)
        while data:
            writer.write(data)
            await writer.drain()
            data = await reader.read(65536)
        writer.write_eof()
    except (OSError, RuntimeError):
        writer.close()


async def relay(near_reader, near_writer):
    first = await near_reader.read(65536) if sys.argv[1] == "lazy" else b""
    try:
        far_reader, far_writer = await asyncio.open_connection(*meant_for(near_writer.get_extra_info("socket")))
    except OSError:
        near_writer.close()
        return
    far_writer.write(first)
    await asyncio.gather(carry(near_reader, far_writer), carry(far_reader, near_writer))
    far_writer.close()
    near_writer.close()


async def main():
    servers = [await asyncio.start_server(relay, host, int(sys.argv[2])) for host in ("127.0.0.1", "::1")]
    os.setuid(NOBODY)
    print("relaying", flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


asyncio.run(main())
