"""Programs of others where the system refuses its socketpair, as containers and sandboxes do: asyncio, trio, uvicorn.

On Linux, x86-64. Each fails without us, and runs by install(), by -m and by --enable.
"""

import socket
import sys

import pytest

from standins.environment import Environment
from standins.refusal import REFUSED, run_refused, start_refused
from standins.web import each_server, page, serving, told_until

ASYNCIO = """
import asyncio

async def main():
    loop = asyncio.get_running_loop()
    woken = asyncio.Event()
    await loop.run_in_executor(None, loop.call_soon_threadsafe, woken.set)
    await asyncio.wait_for(woken.wait(), 10)

asyncio.run(main())
print("RAN")
"""

TRIO = """
import trio

async def main():
    await trio.to_thread.run_sync(trio.from_thread.run_sync, print, "RAN")

trio.run(main)
"""

STARTS_PYTHON = """
import subprocess, sys

program = "import asyncio; asyncio.run(asyncio.sleep(0)); print('RAN')"
subprocess.run([sys.executable, "-c", program], check=True)
"""

POOL = """
import asyncio, concurrent.futures, multiprocessing, sys

async def answer():
    return "RAN"

def job(question):
    return asyncio.run(answer())

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        print(*pool.map(job, range(1)))
else:
    assert asyncio.run(answer()) == "RAN"
"""

INSTALL = "import backports_socketpair; backports_socketpair.install()\n"
PROGRAMS = {"asyncio": ASYNCIO, "trio": TRIO}
each_program = pytest.mark.parametrize("program", list(PROGRAMS.values()), ids=list(PROGRAMS))


@each_program
def test_program_does_not_run_without_us(program):
    status, out, err = start_refused("-c", program)()
    assert status == 1
    assert "PermissionError: [Errno 13]" in err


@each_program
@pytest.mark.parametrize("when", ["before", "after"])
def test_program_runs_with_install_before_and_after_its_imports(program, when):
    if when == "before":
        program = INSTALL + program
    else:
        program = program.replace("\n\n", "\n" + INSTALL + "\n", 1)
    assert run_refused("-c", program) == "RAN\n"


@each_program
def test_program_runs_as_it_is(tmp_path, program):
    (tmp_path / "program.py").write_text(program)
    assert run_refused("-m", "backports_socketpair", "program.py", cwd=str(tmp_path)) == "RAN\n"


@pytest.mark.parametrize("way", ["spawn", "forkserver", "fork"])
def test_pools_jobs_run_event_loops(tmp_path, way):
    (tmp_path / "program.py").write_text(POOL)
    assert start_refused("program.py", way, cwd=str(tmp_path))()[0] == 1
    assert run_refused("-m", "backports_socketpair", "program.py", way, cwd=str(tmp_path)) == "RAN\n"


def test_python_that_a_program_starts_runs_once_it_is_enabled(tmpdir):
    python = Environment(tmpdir)
    refused = [REFUSED, sys.executable, "-c", STARTS_PYTHON]
    assert python.run(*refused)[0] == 1
    assert python.run("-m", "backports_socketpair", "--enable")[0] == 0
    assert python.run(*refused) == (0, "RAN\n", "")


def test_loop_hangs_where_its_pair_cannot_be_written_to():
    """As the machine check says."""
    code = """
import asyncio, threading
loop = asyncio.new_event_loop()
threading.Timer(0.1, loop.call_soon_threadsafe, [loop.stop]).start()
threading.Timer(1.5, print, ["never woken"]).start()
loop.call_later(2, loop.stop)
loop.run_forever()
print("by itself")
"""
    assert run_refused("-c", code, options=["--send"]) == "never woken\nby itself\n"


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
