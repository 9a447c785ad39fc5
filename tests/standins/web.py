"""A web app, the ways in which uvicorn starts processes for it, and who asks for its page. For Python 3."""

import contextlib
import os
import signal
import subprocess
import time
from timeit import default_timer
from urllib.request import ProxyHandler, build_opener

import pytest

APP = """
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"served"})
"""

SERVERS = {"one process": [], "workers": ["--workers", "2"], "reload": ["--reload"]}
each_server = pytest.mark.parametrize("arguments", list(SERVERS.values()), ids=list(SERVERS))


@contextlib.contextmanager
def serving(folder, command, new_port):
    """What starts a server by this command in a folder that has an app, and returns it and its address."""
    (folder / "app.py").write_text(APP)
    started = []

    def serve(*arguments):
        port = str(new_port())
        server = subprocess.Popen(
            command + list(arguments) + ["app:app", "--port", port],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        started.append(server)
        return server, "http://127.0.0.1:%s/" % port

    try:
        yield serve
    finally:
        for server in started:
            with contextlib.suppress(ProcessLookupError):  # it and its workers have ended already
                os.killpg(server.pid, signal.SIGKILL)
            server.communicate()


def page(address, server):
    """What is served there, as soon as the server answers."""
    opener = build_opener(ProxyHandler({}))
    deadline = default_timer() + 60
    while True:
        try:
            return opener.open(address, timeout=5).read()
        except OSError:
            assert server.poll() is None, server.communicate()[0]
            assert default_timer() < deadline
            # There is no event to await: a worker listens after all that it says, and a relay accepts in its place.
            time.sleep(0.1)


def told_until(words, server):
    """Whether the server, whose processes may go on, says these words before it ends."""
    told = b""
    for line in iter(server.stdout.readline, b""):
        told += line
        if words in told.decode():
            return True
    pytest.fail(told.decode())
