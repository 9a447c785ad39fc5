"""Tests that the fallback uses PySocks' class if a program has set it as socket.socket."""

import socket
from timeit import default_timer

import pytest
import socks

from standins.strangers import closed_port
from support import assert_is_a_pair, fallback


@pytest.fixture
def proxied(monkeypatch):
    monkeypatch.setattr(socket, "socket", socks.socksocket)
    yield
    socks.set_default_proxy()


def test_pair_is_made_without_a_proxy(proxied, make_pair):
    assert_is_a_pair(*make_pair())


def test_proxy_that_is_down_raises_an_error_at_once(proxied, family, nothing_left_open):
    holder, port = closed_port(socket.AF_INET, "127.0.0.1")
    socks.set_default_proxy(socks.SOCKS5, "127.0.0.1", port)
    started = default_timer()
    with pytest.raises(socket.error):
        fallback(family)
    assert default_timer() - started < 2
    holder.close()
