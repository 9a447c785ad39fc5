import errno
import socket
import sys
import types

import pytest

from standins.sockets import StandIn
from support import JYTHON, SOURCE, assert_is_direct, close, fallback, is_closed, load, open_sockets

UNSUPPORTED = [
    {"family": getattr(socket, "AF_UNIX", 99)},  # 1 is AF_INET on WASI
    {"family": 0},
    {"family": "AF_INET"},
    {"family": []},
    {"type": None},
    {"type": socket.SOCK_DGRAM},
    {"type": "SOCK_STREAM"},
    {"proto": None},
    {"proto": socket.IPPROTO_TCP},
    {"proto": -1},
    {"proto": "0"},
]
# Of a machine with IPv6 and of one without it, on Windows as well.
ADDRESS_ABSENT = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, 10049, 10047)


def test_default_is_a_stream_over_ipv4():
    pair = fallback()
    # Of the peers, since Jython's client may say 0.0.0.0 for good if it was asked while it connected.
    assert [end.getpeername()[0] for end in pair] == ["127.0.0.1", "127.0.0.1"]
    assert [end.type for end in pair] == [socket.SOCK_STREAM, socket.SOCK_STREAM]
    close(*pair)


@pytest.mark.parametrize("args", [(None,), (None, socket.SOCK_STREAM), (None, socket.SOCK_STREAM, 0)], ids=len)
def test_none_is_the_default_family(args):
    """As Python documents it, and trio writes it out."""
    for pair in (fallback(*args), fallback(**dict(zip(("family", "type", "proto"), args)))):
        assert [end.getpeername()[0] for end in pair] == ["127.0.0.1", "127.0.0.1"]
        assert_is_direct(*pair)
        close(*pair)


def test_takes_its_arguments_by_position_and_by_name(family):
    close(*fallback(family, socket.SOCK_STREAM, 0))
    close(*fallback(family=family, type=socket.SOCK_STREAM, proto=0))


def test_takes_plain_numbers_for_enumerations(family):
    pair = fallback(int(family), int(socket.SOCK_STREAM), 0)
    assert [end.family for end in pair if not JYTHON] in ([], [family, family])
    close(*pair)


@pytest.mark.parametrize("arguments", UNSUPPORTED, ids=repr)
def test_anything_else_is_a_value_error_that_says_what_is(stand_in, arguments):
    made = stand_in(StandIn)
    with pytest.raises(ValueError) as caught:
        fallback(**arguments)
    given = dict({"family": None, "type": socket.SOCK_STREAM, "proto": 0}, **arguments)
    assert str(caught.value) == (
        "socketpair() supports AF_INET and AF_INET6, SOCK_STREAM and protocol 0,"
        " not family=%(family)r, type=%(type)r, proto=%(proto)r" % given
    )
    assert made == []


@pytest.mark.parametrize("name, elsewhere", [("AF_INET", "192.0.2.1"), ("AF_INET6", "2001:db8::1")])
def test_family_without_its_loopback_is_the_systems_own_error(stand_in, name, elsewhere):
    """An address that no machine has is refused as a missing loopback address is."""
    refusals = []

    class WithoutLoopback(StandIn):
        def bind(self, address):
            self.noting(self.real.bind, (elsewhere, 0))

        def listen(self, backlog):
            self.noting(self.real.listen, backlog)  # where Jython binds

        def noting(self, call, argument):
            try:
                call(argument)
            except socket.error as error:
                refusals.append(error)
                raise

    made = stand_in(WithoutLoopback)
    before = open_sockets()
    with pytest.raises(socket.error) as caught:
        fallback(getattr(socket, name))
    assert caught.value is refusals[-1]
    # Jython has no other name for it than that of a busy port.
    assert caught.value.errno in ([errno.EADDRINUSE] if JYTHON else ADDRESS_ABSENT)
    assert made and all(map(is_closed, made))
    assert JYTHON or open_sockets() == before


def test_python_without_af_inet6_supports_af_inet_alone(monkeypatch):
    without = types.ModuleType("socket")
    vars(without).update((name, value) for name, value in vars(socket).items() if name != "AF_INET6")
    monkeypatch.setitem(sys.modules, "socket", without)
    copy = load(SOURCE, "without_af_inet6")
    close(*copy.fallback_socketpair(socket.AF_INET))
    with pytest.raises(ValueError):
        copy.fallback_socketpair(socket.AF_INET6)
