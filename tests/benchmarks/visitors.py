"""Visitors of a running server without a browser: Streamlit's own messages over its websocket."""

import asyncio
import os
import subprocess
import sys
import threading
import time
import urllib.request
from asyncio import CancelledError
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.error import URLError

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.benchmarks.stage import Stage
from tests.support.commands import uri
from tests.support.server import free_port

START_SECONDS = 60.0
ARRIVE_SECONDS, APART_SECONDS, LOOK_SECONDS = 120.0, 0.2, 0.2
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Server:
    """A server of the product in a process of its own."""

    port: int
    pid: int

    @property
    def stream(self) -> str:
        """Where pages and browsers talk."""
        return f"ws://127.0.0.1:{self.port}/_stcore/stream"

    def cpu_seconds(self) -> float:
        """The processor time that its process has used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


@contextmanager
def served(stage: Stage, url: str, **variables: str) -> Iterator[Server]:
    """Start `python -m core start` on that database and the stage's source, and stop it afterwards."""
    port, root = free_port(), stage.house.root
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(root),
        **stage.source.variables,
        "DATABASE_URL": uri(url),
        "PORT": str(port),
        **variables,
    }
    command = [sys.executable, "-m", "core", "start"]
    with (root / "server.txt").open("ab") as output:
        process = subprocess.Popen(command, cwd=root, env=environment, stdout=output, stderr=output)
        try:
            _wait_for(port)
            yield Server(port, process.pid)
        finally:
            process.terminate()
            process.wait(START_SECONDS)


def _wait_for(port: int) -> None:
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2):
                return
        except (URLError, OSError):
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def path_of(page: str) -> str:
    """A page's name in its address: the default page has none."""
    return "" if page == "overview" else page


def rerun(page: str, script: str = "", fragment: str = "") -> bytes:
    """A browser's wish to run a page, or one of its live parts."""
    state = ClientState(
        page_name=path_of(page),
        page_script_hash=script,
        fragment_id=fragment,
        is_auto_rerun=bool(fragment),
    )
    data: bytes = BackMsg(rerun_script=state).SerializeToString()
    return data


def read(data: bytes | str) -> ForwardMsg:
    """A message of the server; a traceback on the page ends the benchmark."""
    assert isinstance(data, bytes)
    message: ForwardMsg = ForwardMsg.FromString(data)
    if message.delta.new_element.WhichOneof("type") == "exception":
        raise RuntimeError(message.delta.new_element.exception.message)
    return message


def script_of(message: ForwardMsg, page: str) -> str:
    """The script that the menu says is shown, which must be the page's own."""
    shown = message.navigation.page_script_hash
    names = {known.url_pathname for known in message.navigation.app_pages if known.page_script_hash == shown}
    assert names == {path_of(page)}, f"{names} is shown instead of {page}"
    return str(shown)


class Visitor:
    """One open page that is run again and again; use as a context manager."""

    def __init__(self, server: Server, page: str) -> None:
        """Connect when the context begins."""
        self._server, self._page, self._script = server, page, ""

    def __enter__(self) -> Self:
        self._socket = connect(self._server.stream, max_size=None, ping_interval=None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def run(self) -> float:
        """Run the whole page; the seconds from asking until the last of it has arrived."""
        began = time.perf_counter()
        self._socket.send(rerun(self._page, self._script))
        while True:
            message = read(self._socket.recv(timeout=START_SECONDS))
            kind = message.WhichOneof("type")
            if kind == "navigation":
                self._script = script_of(message, self._page)
            if kind == "script_finished":
                return time.perf_counter() - began


class Crowd:
    """Many open pages whose live parts refresh as a browser makes them; use as a context manager."""

    def __init__(self, server: Server, page: str, number: int) -> None:
        """Come when the context begins."""
        self._server, self._page, self._number = server, page, number
        self.refreshes = 0
        """How many live parts have been drawn so far."""
        self._arrived = threading.Semaphore(0)
        self._pool = ThreadPoolExecutor(1, "crowd")

    def __enter__(self) -> Self:
        self._stay = self._pool.submit(asyncio.run, self._all())
        try:
            self._wait_for_all()
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    def _wait_for_all(self) -> None:
        until = time.monotonic() + ARRIVE_SECONDS
        for _ in range(self._number):
            while not self._arrived.acquire(timeout=LOOK_SECONDS):
                if self._stay.done():
                    self._stay.result()
                if time.monotonic() > until:
                    raise TimeoutError("not every visitor saw the page")

    def _leave(self) -> None:
        if not self._stay.done():
            self._loop.call_soon_threadsafe(self._visits.cancel)
        with self._pool, suppress(CancelledError):
            self._stay.result()

    async def _all(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._visits = asyncio.gather(
            *(self._visit(number * APART_SECONDS) for number in range(self._number))
        )
        await self._visits

    async def _visit(self, after: float) -> None:
        await asyncio.sleep(after)
        timers: dict[str, asyncio.Task[None]] = {}
        script, drawn = "", False
        async with connect_async(self._server.stream, max_size=None, ping_interval=None) as socket:
            await socket.send(rerun(self._page))
            async for data in socket:
                message = read(data)
                match message.WhichOneof("type"):
                    case "new_session" if not message.metadata.run.fragment_ids:
                        _cancel(timers)
                    case "navigation":
                        script = script_of(message, self._page)
                    case "auto_rerun":
                        part = message.auto_rerun
                        if part.fragment_id not in timers:
                            tick = self._tick(socket, script, part.fragment_id, part.interval)
                            timers[part.fragment_id] = asyncio.create_task(tick)
                    case "script_finished" if not drawn:
                        drawn = True
                        self._arrived.release()
                    case "script_finished":
                        self.refreshes += 1

    async def _tick(self, socket: ClientConnection, script: str, fragment: str, interval: float) -> None:
        """Ask for one live part every so often."""
        with suppress(ConnectionClosed):  # whoever reads the same connection tells
            while True:
                await asyncio.sleep(interval)
                await socket.send(rerun(self._page, script, fragment))


def _cancel(timers: dict[str, asyncio.Task[None]]) -> None:
    """A whole page was drawn anew: its live parts announce themselves again."""
    for timer in timers.values():
        timer.cancel()
    timers.clear()
