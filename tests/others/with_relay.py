"""On a machine that really relays its loopback: run through tests/pythons/relayed.sh, which says how in $RELAYED."""

import itertools
import os
import re
import subprocess
import sys

import pytest

from standins.web import each_server, page, serving, told_until
from support import has_address

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PYTHONS = os.path.join(TESTS, "pythons", "run.sh")
HOW = os.environ["RELAYED"]
PORTS = itertools.count()
WINDOWS_313 = [PYTHONS, "win313"]
INTERPRETERS = {
    "CPython 3.13": [sys.executable],
    "Windows CPython 2.7": [PYTHONS, "win27"],
    "Windows CPython 3.4": [PYTHONS, "win34"],
    "Windows CPython 3.13": WINDOWS_313,
    "Jython 2.7": [PYTHONS, "jython27"],
}
each_interpreter = pytest.mark.parametrize("python", list(INTERPRETERS.values()), ids=list(INTERPRETERS))

# Of an emulation through an eager relay; a lazy one has it wait for ever.
FAILS = "ConnectionError: Unexpected peer connection"


def run(python, *args, **kwargs):
    process = python + list(args)
    return subprocess.run(
        process, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True, timeout=300, **kwargs
    )


@pytest.mark.skipif(HOW != "eager", reason="with a lazy relay it waits for ever")
def test_cpythons_own_fallback_fails_as_its_users_report():
    program = "import socket; socket._fallback_socketpair()"
    assert FAILS in run([sys.executable], "-c", program).stdout


@each_interpreter
def test_machine_check_says_that_loopback_is_relayed_and_works(python):
    check = run(python, "-m", "backports_socketpair")
    assert check.returncode == 0
    families = re.findall("^(AF_INET6?) +works: .*; loopback is relayed on this machine", check.stdout, re.MULTILINE)
    assert families == ["AF_INET"] + ["AF_INET6"] * has_address("AF_INET6", "::1")
    if python == WINDOWS_313:
        own = FAILS if HOW == "eager" else "TimeoutError: 10 pairs were not made within 10 s"
        assert re.search("^own +FAILED: " + re.escape(own), check.stdout, re.MULTILINE)
        assert "install()" in check.stdout


@each_interpreter
def test_pairs_do_all_that_pairs_do(python):
    pytest = ["-m", "pytest", "-p", "no:cacheprovider", "--capture=sys", "-q"]
    tests = run(python, *pytest + [os.path.join(TESTS, "test_pair.py")])
    assert tests.returncode == 0, tests.stdout
    assert re.search(r"\b\d+ passed", tests.stdout)


@each_interpreter
def test_pair_is_there_within_a_tenth_of_a_second(python):
    program = """
from backports_socketpair import fallback_socketpair
from timeit import default_timer
def timed():
    started = default_timer()
    ends = fallback_socketpair()
    took = default_timer() - started
    for end in ends:
        end.close()
    return took
print(sorted(timed() for _ in range(11))[5])
"""
    # Jython takes some 0.06 s for each of the three that have to be relayed in a row.
    assert float(run(python, "-c", program).stdout.split()[-1]) < (0.3 if "jython27" in python else 0.1)


# asyncio and servers on Windows, whose own socketpair is an emulation

LOOPS = """
import asyncio

async def exchange():
    async def answer(reader, writer):
        writer.write((await reader.readline()).upper())
        await writer.drain()
        writer.close()
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(b"question\\n")
    print((await reader.readline()).decode().strip())
    loop = asyncio.get_running_loop()
    woken = asyncio.Event()
    await loop.run_in_executor(None, loop.call_soon_threadsafe, woken.set)
    await asyncio.wait_for(woken.wait(), 10)
    writer.close()
    server.close()
    await server.wait_closed()

for factory in (asyncio.SelectorEventLoop, asyncio.ProactorEventLoop):
    loop = factory()
    loop.run_until_complete(exchange())
    loop.close()
"""

# The program itself makes no loop, and each process does so as it imports the program, and in its job.
POOL = """
import asyncio, concurrent.futures

async def answer():
    return "ANSWER"

def job(question):
    return asyncio.run(answer())

if __name__ == "__main__":
    with concurrent.futures.ProcessPoolExecutor(2) as pool:
        print(*pool.map(job, range(2)))
else:
    assert asyncio.run(answer()) == "ANSWER"
"""

# As Jupyter starts its kernels.
STARTS_PYTHON = """
import subprocess, sys

program = "import asyncio; asyncio.run(asyncio.sleep(0)); print('ANSWER')"
subprocess.run([sys.executable, "-c", program], check=True)
"""

PROGRAMS = {
    "loops": (LOOPS, ["QUESTION", "QUESTION"]),
    "pool": (POOL, ["ANSWER", "ANSWER"]),
    "subprocess": (STARTS_PYTHON, ["ANSWER"]),
}
each_program = pytest.mark.parametrize("program, answer", list(PROGRAMS.values()), ids=list(PROGRAMS))
only_eager = pytest.mark.skipif(HOW != "eager", reason="with a lazy relay it waits for ever")


@each_program
def test_program_runs_on_windows_with_the_emulation_replaced(tmp_path, program, answer):
    (tmp_path / "program.py").write_text(program)
    replaced = run(WINDOWS_313, "-m", "backports_socketpair", "program.py", cwd=tmp_path)
    assert (replaced.returncode, replaced.stdout.split()) == (0, answer), replaced.stdout


@only_eager
@each_program
def test_program_does_not_run_on_windows_with_the_emulation(tmp_path, program, answer):
    (tmp_path / "program.py").write_text(program)
    own = run(WINDOWS_313, "program.py", cwd=tmp_path)
    assert own.returncode == 1
    assert FAILS in own.stdout


@pytest.fixture
def serve(tmp_path):
    """Starts a server on Windows in a folder that has an app, and returns it and its address."""
    with serving(tmp_path, WINDOWS_313, lambda: 8765 + next(PORTS)) as serve:
        yield serve


@each_server
def test_uvicorn_serves_a_page_with_the_emulation_replaced(serve, arguments):
    server, address = serve("-m", "backports_socketpair", "-m", "uvicorn", *arguments)
    assert page(address, server) == b"served"


@only_eager
@each_server
def test_no_process_of_uvicorn_on_windows_starts_with_the_emulation(serve, arguments):
    server, _ = serve("-m", "uvicorn", *arguments)
    assert told_until(FAILS, server)
