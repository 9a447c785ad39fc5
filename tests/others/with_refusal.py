"""Tests of programs under a sandbox's system call filter: asyncio, trio, gevent, uvicorn, joblib, Jupyter, pip.

For Linux on x86-64. The programs work with install(), -m or --enable. Some tests check that they fail otherwise.
"""

import os
import re
import signal
import subprocess
import sys

import pytest

from standins.environment import Environment, base_python
from standins.refusal import REFUSED, run_refused, start_refused
from standins.web import POOL, assert_serves, each_server

NAMESPACE = os.path.join(os.path.dirname(REFUSED), "namespace.sh")

ASYNCIO = """
import asyncio, signal, subprocess, sys

CHILD = "import asyncio; asyncio.run(asyncio.to_thread(str))"

async def main():
    assert await asyncio.to_thread(str, "THREAD") == "THREAD"
    signaled = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, signaled.set)
    signal.raise_signal(signal.SIGUSR1)
    await signaled.wait()
    child = await asyncio.create_subprocess_exec("cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert (await child.communicate(b"x" * 100000))[0] == b"x" * 100000
    if "children" in sys.argv:
        subprocess.check_call([sys.executable, "-c", CHILD])

asyncio.run(main())
print("RAN")
"""

TRIO = """
import trio

async def main():
    await trio.to_thread.run_sync(trio.from_thread.run_sync, print, "RAN")

trio.run(main)
"""

JOBLIB = """
import joblib
def job(question):
    import asyncio
    return asyncio.run(asyncio.sleep(0, "RAN"))
print(*set(joblib.Parallel(2)(joblib.delayed(job)(each) for each in range(4))))
"""

JUPYTER = """
from jupyter_client.manager import start_new_kernel
manager, client = start_new_kernel()
client.execute_interactive("print('RAN')", timeout=60)
client.stop_channels()
manager.shutdown_kernel()
"""

GEVENT = """
from gevent import monkey, spawn
monkey.patch_all()
import socket, backports_socketpair
backports_socketpair.install()
first, second = socket.socketpair()
assert isinstance(first, socket.socket) and type(first).__mro__[-3].__module__ != "socket", type(first).__mro__
reader = spawn(second.recv, 3)
spawn(first.sendall, b"RAN").join()
print(reader.get(timeout=10).decode())
"""

INSTALL = "import backports_socketpair; backports_socketpair.install()\n"
# There is no "trio, send" or "forkserver, send": a sandbox that refuses send also refuses setsockopt, which trio calls,
# and bind, which forkserver calls.
PROGRAMS = {
    "asyncio": (ASYNCIO, "children", []),
    "asyncio, send": (ASYNCIO, "children", ["--send"]),
    "trio": (TRIO, "", []),
    "spawn": (POOL, "spawn", []),
    "spawn, send": (POOL, "spawn", ["--send"]),
    "fork": (POOL, "fork", []),
    "fork, send": (POOL, "fork", ["--send"]),
    "forkserver": (POOL, "forkserver", []),
    "joblib": (JOBLIB, "", []),
    "jupyter": (JUPYTER, "", []),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_unchanged_program_runs_with_us_and_not_without(tmp_path, name):
    program, argument, options = PROGRAMS[name]
    (tmp_path / "program.py").write_text(program)
    command = ["program.py", argument]
    assert run_refused("-m", "backports_socketpair", *command, options=options, cwd=tmp_path) == "RAN\n"
    if not options:
        status, out, err = start_refused(*command, cwd=tmp_path)()
        assert (status, out) == (1, "")
        assert "PermissionError: [Errno 13]" in err
    elif name == "asyncio, send":
        with pytest.raises(subprocess.TimeoutExpired):
            subprocess.run([sys.executable, REFUSED, *options, sys.executable, *command], cwd=tmp_path, timeout=3)


@pytest.mark.parametrize("name", ["asyncio", "asyncio, send", "trio"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_program_runs_with_install_before_and_after_its_imports(name, when):
    program, _, options = PROGRAMS[name]
    program = INSTALL + program if when == "before" else program.replace("\n\n", "\n" + INSTALL + "\n", 1)
    assert run_refused("-c", program, options=options) == "RAN\n"


def test_program_and_the_python_it_starts_run_with_enable(tmpdir):
    python = Environment(tmpdir)
    program = [REFUSED, base_python(), "-c", ASYNCIO, "children"]
    assert python.run(*program)[0] == 1
    assert python.run("-m", "backports_socketpair", "--enable")[0] == 0
    assert python.run(*program) == (0, "RAN\n", "")
    assert python.run(*program, BACKPORTS_SOCKETPAIR_OFF="1")[0] == 1


def test_program_without_pairs_survives_a_killing_filter(tmpdir):
    python = Environment(tmpdir)
    assert python.run("-m", "backports_socketpair", "--enable")[0] == 0
    killing = [REFUSED, "--kill", base_python()]
    assert python.run(*killing, "-c", "import socket; print(socket.socketpair.__name__)")[:2] == (0, "socketpair\n")
    assert python.run(*killing, "-m", "pip", "--version")[0] == 0
    assert python.run(*killing, "-m", "backports_socketpair", "-c", "import socket")[0] == 0
    assert python.run(*killing, "-c", "import socket; socket.socketpair()")[0] == -signal.SIGSYS


def test_program_with_the_fallback_survives_a_killing_filter():
    program = "import backports_socketpair, socket\nsocket.socketpair = backports_socketpair.fallback_socketpair\n"
    assert run_refused("-c", program + ASYNCIO, options=["--kill"]) == "RAN\n"


@pytest.mark.parametrize("options", [[], ["--with", "ENOSYS"], ["--send"]], ids=" ".join)
def test_green_threads_use_a_pair_after_patch_all(options):
    assert run_refused("-c", GEVENT, options=options) == "RAN\n"


@each_server
def test_uvicorn_serves_a_page_with_us_and_not_without(tmp_path, arguments):
    assert_serves(tmp_path, [sys.executable, REFUSED, sys.executable], arguments, "PermissionError: [Errno 13]")


# The machine check in a network that lacks an address (needs root)

MISSING = r"^fallback AF_INET: FAILED. .* This machine has no address 127\.0\.0\.1\.$"
NETWORKS = {
    "exec unshare --net": MISSING,  # the loopback interface is down
    "ip addr add 10.1.2.3/32 dev lo; ip addr del 127.0.0.1/8 dev lo; exec": MISSING,
    "ip addr del ::1/128 dev lo; exec": "^fallback AF_INET6: works",  # over an IPv4-mapped address
}


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a network namespace")
@pytest.mark.parametrize("command, reported", NETWORKS.items(), ids=list(NETWORKS))
def test_machine_check_names_the_address_that_is_missing(command, reported):
    check = [NAMESPACE, "bash", "-c", command + ' "$0" -m backports_socketpair', sys.executable]
    out = subprocess.run(check, stdout=subprocess.PIPE, text=True, timeout=60).stdout
    assert re.search(reported, out, re.MULTILINE), out
