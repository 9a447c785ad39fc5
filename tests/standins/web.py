"""Programs that start other processes: a process pool, and servers of a web app. For Python 3."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from timeit import default_timer
from urllib.request import ProxyHandler, build_opener

import pytest

# The main process makes no event loop. A worker makes one if it imports the program, and one in its job.
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
        assert isinstance(pool.submit(job, 0).result(), Answer)
    print("RAN")
else:
    asyncio.run(answer())
"""

APP = """
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"served"})
"""

each_server = pytest.mark.parametrize("arguments", [[], ["--workers", "2"], ["--reload"]], ids=" ".join)


def assert_serves(folder, python, arguments, error):
    """Check that a server serves a page with our package, and prints error (if given) without it."""
    (folder / "app.py").write_text(APP)
    with started(folder, [*python, "-m", "backports_socketpair", "-m", "uvicorn", *arguments]) as (server, address):
        assert page(address, server) == b"served"
    if error:
        with started(folder, [*python, "-m", "uvicorn", *arguments]) as (server, _):
            output = []  # some of its processes may keep running
            while error.encode() not in b"".join(output):
                output.append(server.stdout.readline() or pytest.fail(b"".join(output).decode()))


@contextlib.contextmanager
def started(folder, command):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = str(sock.getsockname()[1])
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    server = subprocess.Popen([*command, "app:app", "--port", port], cwd=folder, start_new_session=True, **output)
    try:
        yield server, "http://127.0.0.1:%s/" % port
    finally:
        with contextlib.suppress(ProcessLookupError):  # the server and its workers have ended already
            os.killpg(server.pid, signal.SIGKILL)
        server.communicate()


def page(address, server):
    """Return the page at address, as soon as the server answers."""
    opener = build_opener(ProxyHandler({}))
    deadline = default_timer() + 60
    while True:
        try:
            return opener.open(address, timeout=5).read()
        except OSError:
            assert server.poll() is None, server.communicate()[0]
            assert default_timer() < deadline
            # Only polling works: a worker prints its last line before it listens, and a relay accepts even earlier.
            time.sleep(0.1)
