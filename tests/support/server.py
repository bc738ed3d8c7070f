"""The product's own server in a process of its own, as `python -m core start` makes it."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

from core.settings import ROOT
from tests.support.services import variables_for
from tests.support.standin import StandIn

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


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait(address: str, process: subprocess.Popen[bytes], output: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=2):  # noqa: S310 (our own address)
                return
        except (URLError, OSError):
            time.sleep(0.1)
    raise AssertionError(output.read_text(errors="replace"))
