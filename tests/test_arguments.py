import errno
import socket
import sys
import types

import pytest

from standins.sockets import StandIn
from support import JYTHON, SOURCE, assert_is_direct, close, failure, fallback, load

UNSUPPORTED = [
    {"family": getattr(socket, "AF_UNIX", 99)},  # not 1, which is AF_INET on WASI
    {"family": 0},
    {"family": "AF_INET"},
    {"family": []},
    {"type": None},
    {"type": socket.SOCK_DGRAM},
    {"proto": None},
    {"proto": socket.IPPROTO_TCP},
    {"proto": -1},
]
# The error on a machine with IPv6, the error on one without it, and the same two on Windows.
ADDRESS_ABSENT = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, 10049, 10047)


@pytest.mark.parametrize("args", [(), (None,), (None, socket.SOCK_STREAM), (None, socket.SOCK_STREAM, 0)], ids=len)
def test_family_none_and_no_arguments_mean_ipv4_stream(args):
    """Check the defaults, and the same values passed explicitly, as trio passes them."""
    for pair in (fallback(*args), fallback(**dict(zip(("family", "type", "proto"), args)))):
        # Not getsockname(): a Jython client that was asked while it connected may report 0.0.0.0 from then on.
        assert [end.getpeername()[0] for end in pair] == ["127.0.0.1", "127.0.0.1"]
        assert [end.type for end in pair] == [socket.SOCK_STREAM, socket.SOCK_STREAM]
        assert_is_direct(*pair)
        close(*pair)


def test_plain_numbers_work_instead_of_enumerations(family):
    for pair in (fallback(int(family), int(socket.SOCK_STREAM), 0), fallback(family=family, proto=0)):
        assert [end.family for end in pair if not JYTHON] in ([], [family, family])
        close(*pair)


@pytest.mark.parametrize("arguments", UNSUPPORTED, ids=repr)
def test_value_error_names_supported_and_given_arguments(stand_in, arguments):
    made = stand_in(StandIn)
    with pytest.raises(ValueError) as caught:
        fallback(**arguments)
    given = dict({"family": None, "type": socket.SOCK_STREAM, "proto": 0}, **arguments)
    assert str(caught.value) == (
        "socketpair() supports AF_INET and AF_INET6, SOCK_STREAM and protocol 0,"
        " got family=%(family)r, type=%(type)r, proto=%(proto)r" % given
    )
    assert made == []


@pytest.mark.parametrize("name, elsewhere", [("AF_INET", "192.0.2.1"), ("AF_INET6", "2001:db8::1")])
def test_missing_loopback_address_raises_the_systems_error(stand_in, name, elsewhere):
    """Bind to an address that no machine has. The system refuses it like a missing loopback address."""

    class WithoutLoopback(StandIn):
        def bind(self, address):
            self.real.bind((elsewhere, 0))

    stand_in(WithoutLoopback)
    # Jython reports the same error as for a busy port.
    assert failure(getattr(socket, name)).errno in ([errno.EADDRINUSE] if JYTHON else ADDRESS_ABSENT)


def test_python_without_af_inet6_supports_af_inet_alone(monkeypatch):
    without = types.ModuleType("socket")
    vars(without).update((name, value) for name, value in vars(socket).items() if name != "AF_INET6")
    monkeypatch.setitem(sys.modules, "socket", without)
    copy = load(SOURCE, "without_af_inet6")
    close(*copy.fallback_socketpair(socket.AF_INET))
    with pytest.raises(ValueError):
        copy.fallback_socketpair(socket.AF_INET6)
