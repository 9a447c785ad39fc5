"""PySocks' class in the place of socket.socket: used as it is found."""

import select
import socket
import struct
from timeit import default_timer

import pytest
import socks

from standins.strangers import SPOKEN, closed_port
from support import RealSocket, assert_is_a_pair, close, in_thread, module, receive


@pytest.fixture
def proxied(monkeypatch):
    monkeypatch.setattr(socket, "socket", socks.socksocket)
    yield
    socks.set_default_proxy()


def test_proxy_that_is_down_is_an_error_at_once(proxied, family, nothing_left_open):
    holder, port = closed_port(socket.AF_INET, "127.0.0.1")
    socks.set_default_proxy(socks.SOCKS5, "127.0.0.1", port)
    started = default_timer()
    with pytest.raises(socket.error):
        module.fallback_socketpair(family)
    assert default_timer() - started < 2
    holder.close()


def test_pair_is_made_without_a_proxy(proxied, family):
    first, second = module.fallback_socketpair(family)
    first.sendall(b"x")
    assert second.recv(1) == b"x"
    close(first, second)


def serve(proxy):
    """A SOCKS 5 proxy that connects on to where it is asked to."""
    while True:
        near = proxy.accept()[0]
        receive(near, 3)
        near.sendall(b"\5\0")
        host, port = struct.unpack("!4x4sH", receive(near, 10))
        far = RealSocket(socket.AF_INET, socket.SOCK_STREAM)
        far.connect((socket.inet_ntoa(host), port))
        near.sendall(b"\5\0\0\1" + bytes(bytearray(6)))
        in_thread(carry, near, far)


def carry(near, far):
    others = {near: far, far: near}
    while True:
        for sock in select.select(list(others), [], [])[0]:
            data = sock.recv(100)
            if not data:
                close(near, far)
                return
            others[sock].sendall(data)


def test_stranger_on_our_port_is_not_returned_beside_a_proxy(proxied, monkeypatch):
    """PySocks has getpeername() tell the address that is beyond the proxy, which is our listener's."""
    proxy = RealSocket(socket.AF_INET, socket.SOCK_STREAM)
    proxy.bind(("127.0.0.1", 0))
    proxy.listen(5)
    in_thread(serve, proxy)
    socks.set_default_proxy(socks.SOCKS5, *proxy.getsockname())
    strangers = []

    class BesideStranger(socks.socksocket):
        def connect_ex(self, address):
            if not strangers:
                holder, port = closed_port(socket.AF_INET, "127.0.0.1")
                holder.close()
                strangers.append(RealSocket(socket.AF_INET, socket.SOCK_STREAM))
                for sock in (strangers[0], self):
                    # As Linux gives one port to two that connect to different listeners.
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    sock.bind(("127.0.0.1", port))
                strangers[0].connect(address)
                strangers[0].sendall(SPOKEN)
            return socks.socksocket.connect_ex(self, address)

    monkeypatch.setattr(socket, "socket", BesideStranger)
    pair = module.fallback_socketpair()
    assert strangers
    assert_is_a_pair(*pair)
    close(proxy, *(strangers + list(pair)))
