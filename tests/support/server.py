"""The product's own server in a process of its own, as `python -m core start` makes it."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError

from core.settings import ROOT
from tests.support.services import variables_for
from tests.support.standin import StandIn
from tests.support.waiting import until

START_SECONDS = 40


def environment(database_url: str, standin: StandIn, folder: Path) -> dict[str, str]:
    """The variables of a product that reads from the stand-in into the database, and logs into the folder."""
    return variables_for(database_url, standin) | {"LOG_DIR": str(folder / "logs")}


@contextmanager
def running_server(database_url: str, standin: StandIn, folder: Path, **variables: str) -> Iterator[str]:
    """Yield the address of a server that reads from the stand-in into the database."""
    with server_process(database_url, standin, folder, **variables) as (_, address):
        yield address


@contextmanager
def server_process(
    database_url: str, standin: StandIn, folder: Path, **variables: str
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The same with its process, for tests that end it."""
    port = free_port()
    environ = os.environ | environment(database_url, standin, folder) | {"PORT": str(port)} | variables
    with (folder / "server.txt").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "core", "start"], cwd=ROOT, env=environ, stdout=output, stderr=output
        )
        try:
            address = f"http://127.0.0.1:{port}"
            _wait(address, process, folder / "server.txt")
            yield process, address
        finally:
            process.terminate()
            process.wait(20)


def import_now(address: str, **what: bool) -> None:
    """Let the server import, and wait for the end."""
    body = json.dumps(what).encode()
    request = urllib.request.Request(  # noqa: S310 (our own address)
        f"{address}/api/import/trigger", body, {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request, timeout=5).close()  # noqa: S310 (our own address)
    until(lambda: not status(address)["status"]["isRunning"], "the import's end")


def status(address: str) -> Any:  # noqa: ANN401 (JSON)
    """What the API says of imports."""
    with urllib.request.urlopen(f"{address}/api/import/status", timeout=5) as answer:  # noqa: S310 (our own address)
        return json.load(answer)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait(address: str, process: subprocess.Popen[bytes], output: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=2):  # noqa: S310 (our own address)
                return
        except (URLError, OSError):
            time.sleep(0.1)
    raise AssertionError(output.read_text(errors="replace"))
