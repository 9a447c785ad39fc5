"""Programs of others in a sandbox's filters: asyncio, trio, gevent, uvicorn, joblib, Jupyter, pip.

On Linux, x86-64. Each fails without us, and runs by install(), by -m and by --enable.
"""

import os
import re
import signal
import socket
import subprocess
import sys

import pytest

from standins.environment import Environment, base_python
from standins.refusal import REFUSED, run_refused, start_refused
from standins.web import each_server, page, serving, told_until

NAMESPACE = os.path.join(os.path.dirname(REFUSED), "namespace.sh")

ASYNCIO = """
import asyncio, signal, subprocess, sys

CHILD = "import asyncio; print(asyncio.run(asyncio.to_thread(str, 'CHILD')))"

async def main():
    assert await asyncio.to_thread(str, "THREAD") == "THREAD"
    signaled = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, signaled.set)
    signal.raise_signal(signal.SIGUSR1)
    await signaled.wait()
    child = await asyncio.create_subprocess_exec("cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert (await child.communicate(b"x" * 100000))[0] == b"x" * 100000
    if "children" in sys.argv:
        print(subprocess.check_output([sys.executable, "-c", CHILD]).decode().strip())

asyncio.run(main())
print("RAN")
"""

TRIO = """
import trio

async def main():
    await trio.to_thread.run_sync(trio.from_thread.run_sync, print, "RAN")

trio.run(main)
"""

POOL = """
import asyncio, concurrent.futures, multiprocessing, sys

class Answer:
    pass

async def answer():
    return Answer()

def job(question):
    return asyncio.run(answer())

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        assert all(isinstance(each, Answer) for each in pool.map(job, range(1)))
    print("RAN")
else:
    asyncio.run(answer())
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

INSTALL = "import backports_socketpair; backports_socketpair.install()\n"
# In the sandbox that refuses send trio fails all the same, since it refuses setsockopt too.
each_program = pytest.mark.parametrize(
    "program, options", [(ASYNCIO, []), (ASYNCIO, ["--send"]), (TRIO, [])], ids=["asyncio", "asyncio, send", "trio"]
)


@pytest.mark.parametrize("program", [ASYNCIO, TRIO, JOBLIB, JUPYTER], ids=["asyncio", "trio", "joblib", "jupyter"])
def test_program_does_not_run_without_us(program):
    status, out, err = start_refused("-c", program)()
    assert (status, "RAN" in out) == (1, False)
    assert "PermissionError: [Errno 13]" in err


@each_program
@pytest.mark.parametrize("when", ["before", "after"])
def test_program_runs_with_install_before_and_after_its_imports(program, options, when):
    if when == "before":
        program = INSTALL + program
    else:
        program = program.replace("\n\n", "\n" + INSTALL + "\n", 1)
    assert run_refused("-c", program, options=options) == "RAN\n"


@each_program
def test_program_runs_as_it_is(tmp_path, program, options):
    (tmp_path / "program.py").write_text(program)
    out = run_refused("-m", "backports_socketpair", "program.py", "children", options=options, cwd=str(tmp_path))
    assert out == ("CHILD\n" if program == ASYNCIO else "") + "RAN\n"


def test_loop_that_send_is_refused_sleeps_on_without_us():
    code = """
import asyncio, threading, time
loop = asyncio.new_event_loop()
loop.call_soon(threading.Timer(0.1, loop.call_soon_threadsafe, [loop.stop]).start)
loop.call_later(1.5, str)
started = time.monotonic()
loop.run_forever()
print(time.monotonic() - started > 1)
"""
    assert run_refused("-c", code, options=["--send"]) == "True\n"
    assert run_refused("-m", "backports_socketpair", "-c", code, options=["--send"]) == "False\n"


@pytest.mark.parametrize("way", ["spawn", "forkserver", "fork"])
def test_pools_jobs_run_event_loops(tmp_path, way):
    (tmp_path / "program.py").write_text(POOL)
    assert start_refused("program.py", way, cwd=str(tmp_path))()[0] == 1
    for options in ([], ["--send"])[: 1 if way == "forkserver" else 2]:  # its server binds a socket
        out = run_refused("-m", "backports_socketpair", "program.py", way, options=options, cwd=str(tmp_path))
        assert out == "RAN\n"


@pytest.mark.parametrize("program", [JOBLIB, JUPYTER], ids=["joblib", "jupyter"])
def test_workers_and_kernels_run_event_loops(tmp_path, program):
    (tmp_path / "program.py").write_text(program)
    assert run_refused("-m", "backports_socketpair", "program.py", cwd=str(tmp_path)) == "RAN\n"


def test_python_that_a_program_starts_runs_once_it_is_enabled(tmpdir):
    python = Environment(tmpdir)
    program = [REFUSED, base_python(), "-c", ASYNCIO, "children"]
    assert python.run(*program)[0] == 1
    assert python.run("-m", "backports_socketpair", "--enable")[0] == 0
    assert python.run(*program) == (0, "CHILD\nRAN\n", "")
    assert python.run(*program, BACKPORTS_SOCKETPAIR_OFF="1")[0] == 1
    assert python.run(*program, BACKPORTS_SOCKETPAIR_OFF="")[0] == 0


def test_program_that_makes_no_pair_outlives_a_killing_filter(tmpdir):
    python = Environment(tmpdir)
    assert python.run("-m", "backports_socketpair", "--enable")[0] == 0
    killing = [REFUSED, "--kill", base_python()]
    assert python.run(*killing, "-c", "import socket; print(socket.socketpair.__name__)")[:2] == (0, "socketpair\n")
    assert python.run(*killing, "-m", "pip", "--version")[0] == 0
    assert python.run(*killing, "-m", "backports_socketpair", "-c", "import socket")[0] == 0
    assert python.run(*killing, "-c", "import socket; socket.socketpair()")[0] == -signal.SIGSYS


@pytest.mark.parametrize("options", [[], ["--with", "ENOSYS"], ["--send"]], ids=" ".join)
def test_green_threads_exchange_after_patch_all(options):
    code = """
from gevent import monkey, spawn
monkey.patch_all()
import socket
import backports_socketpair
backports_socketpair.install()
first, second = socket.socketpair()
assert isinstance(first, socket.socket) and type(first).__mro__[-3].__module__ != "socket", type(first).__mro__
reader = spawn(second.recv, 3)
spawn(first.sendall, b"RAN").join()
print(reader.get(timeout=10).decode())
"""
    assert run_refused("-c", code, options=options) == "RAN\n"


@pytest.fixture
def serve(tmp_path):
    """Starts uvicorn in a folder that has an app, and returns it and its address."""
    with serving(tmp_path, [sys.executable, REFUSED, sys.executable], free_port) as serve:
        yield serve


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@each_server
def test_uvicorn_serves_a_page(serve, arguments):
    server, address = serve("-m", "backports_socketpair", "-m", "uvicorn", *arguments)
    assert page(address, server) == b"served"


@each_server
def test_no_process_of_uvicorn_starts_without_us(serve, arguments):
    server, _ = serve("-m", "uvicorn", *arguments)
    assert told_until("PermissionError: [Errno 13]", server)


# The machine check in a network that lacks an address, or blocks what is sent to it (as root)

NETWORKS = {
    "exec unshare --net": "127.0.0.1",  # where the interface is down
    "ip addr add 10.1.2.3/32 dev lo; ip addr del 127.0.0.1/8 dev lo; exec": "127.0.0.1",
    "ip addr del ::1/128 dev lo; exec": "::1",
}


@pytest.mark.skipif(os.getuid() != 0, reason="only root makes a network")
@pytest.mark.parametrize("command", sorted(NETWORKS))
def test_machine_check_names_the_address_that_is_missing(command):
    check = [NAMESPACE, "bash", "-c", command + ' "$0" -m backports_socketpair', sys.executable]
    out = subprocess.run(check, stdout=subprocess.PIPE, universal_newlines=True, timeout=60).stdout
    missing = re.findall(r"^AF_INET6? +FAILED: .* This machine has no (.*)\.$", out, re.MULTILINE)
    assert NETWORKS[command] in missing, out
