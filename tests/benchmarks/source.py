"""The source of all benchmarks: the demo's protocol and records, in a process of its own.

It builds each answer when it is asked, as the demo's server does, for the import and its peers alike.
`Source` is what a benchmark holds; `_serve` is the other process.
"""

import json
import multiprocessing
import socketserver
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

from core.demo import DEMO_BASE_ID, DEMO_TABLE_NAME, DEMO_TOKEN
from core.demo.conversations import demo_table
from core.demo.protocol import Protocol, Request
from core.demo.table import Record, Table, airtable_id

START_SECONDS = 120
REFUSAL = json.dumps({"errors": [{"error": "RATE_LIMIT_REACHED", "message": "Rate limit exceeded"}]}).encode()


class Source:
    """A server with the demo's records, or several times as many; use as a context manager."""

    token = DEMO_TOKEN
    base = DEMO_BASE_ID
    table = DEMO_TABLE_NAME

    def __init__(self, times: int = 1) -> None:
        """Hold the demo's records `times` times, under ids and User IDs of their own."""
        self._times = times
        self.url = ""
        """The endpoint URL, once the server runs."""

    def __enter__(self) -> Self:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._times), daemon=True)
        self._process.start()
        theirs.close()
        if not self._pipe.poll(START_SECONDS):
            raise TimeoutError("the source did not start")
        self.url = self._pipe.recv()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pipe.close()
        self._process.join(START_SECONDS)

    @property
    def variables(self) -> dict[str, str]:
        """The product's environment to read from here as fast as it can."""
        return {
            "AIRTABLE_API_KEY": self.token,
            "AIRTABLE_BASE_ID": self.base,
            "AIRTABLE_TABLE_NAME": self.table,
            "AIRTABLE_ENDPOINT_URL": self.url,
            "AIRTABLE_REQUESTS_PER_SECOND": "100000",
            "TIMEZONE": "America/New_York",
        }

    def pace(self, latency: float = 0.0, requests_per_second: float | None = None) -> None:
        """Answer after `latency` seconds, and refuse more requests a second than that; both off at first."""
        self._ask("pace", latency, requests_per_second)

    def edit(self, number: int) -> None:
        """Change the Engaged cell of that many records, always the same ones, as of now."""
        self._ask("edit", number)

    def counted(self) -> tuple[int, int]:
        """How many requests came since the last question, and how many of them were refused with 429."""
        requests, refused = self._ask("counted")
        return requests, refused

    def _ask(self, *words: object) -> Any:  # noqa: ANN401 (each question has its own answer)
        self._pipe.send(words)
        return self._pipe.recv()


def multiplied(table: Table, times: int) -> Table:
    """The table's records that many times; the copies have ids and User IDs of their own."""
    records = table.records()
    for number in range(1, times):
        records += [_copied(record, number) for record in table.records()]
    return Table(table.name, table.fields, records)


def _copied(record: Record, number: int) -> Record:
    cells = {**record.cells, "User ID": f"{record.cells.get('User ID', '')}-{number}"}
    return replace(record, id=airtable_id("rec", f"{record.id}/{number}"), cells=cells)


@dataclass(slots=True)
class _Limit:
    """More than `rate` requests within any one second are refused (Airtable's API)."""

    rate: float
    times: deque[float]

    def refuses(self, now: float) -> bool:
        while self.times and self.times[0] <= now - 1:
            self.times.popleft()
        self.times.append(now)
        return len(self.times) > self.rate


class _Pages:
    """What is answered, how late, and how often."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.latency = 0.0
        self.limit: _Limit | None = None
        self.requests = self.refused = 0
        self._protocol = Protocol(table, base_id=DEMO_BASE_ID, token=DEMO_TOKEN)
        self._lock = threading.Lock()

    def answer(self, request: Request) -> tuple[int, bytes]:
        """Status and body, after the latency."""
        with self._lock:
            self.requests += 1
            refused = self.limit is not None and self.limit.refuses(time.monotonic())
            self.refused += refused
        if self.latency:
            time.sleep(self.latency)
        if refused:
            return 429, REFUSAL
        response = self._protocol.answer(request, datetime.now(UTC))
        return response.status, response.payload()

    def edit(self, number: int) -> None:
        """Turn Engaged of the first records."""
        for record in self.table.records()[:number]:
            turned = "No" if record.cells.get("Engaged") == "Yes" else "Yes"
            self.table.update(record.id, {"Engaged": turned}, at=datetime.now(UTC))


class _Handler(socketserver.StreamRequestHandler):
    """One connection; reads as much of HTTP as requests sends."""

    disable_nagle_algorithm = True
    server: "_Server"

    def handle(self) -> None:
        while line := self.rfile.readline():
            method, target, _ = line.decode("latin-1").split(" ", 2)
            headers = self._headers()
            body = self.rfile.read(int(headers.get("content-length", "0")))
            status, payload = self.server.pages.answer(Request(method, target, headers, body))
            self.wfile.write(_head(status, len(payload)) + payload)

    def _headers(self) -> dict[str, str]:
        headers = {}
        while (line := self.rfile.readline().decode("latin-1").strip()) != "":
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return headers


def _head(status: int, length: int) -> bytes:
    date = format_datetime(datetime.now(UTC), usegmt=True)
    return (
        f"HTTP/1.1 {status} .\r\nDate: {date}\r\nContent-Type: application/json; charset=utf-8\r\n"
        f"Content-Length: {length}\r\n\r\n"
    ).encode("latin-1")


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64
    block_on_close = False

    def __init__(self, pages: _Pages) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pages = pages


def _serve(pipe: Connection, times: int) -> None:
    """The other process: serve, and obey until the benchmark hangs up."""
    pages = _Pages(multiplied(demo_table(), times))
    with _Server(pages) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        pipe.send(f"http://127.0.0.1:{server.server_address[1]}")
        orders: dict[str, Callable[..., object]] = {
            "pace": lambda latency, rate: _pace(pages, latency, rate),
            "edit": pages.edit,
            "counted": lambda: _counted(pages),
        }
        while True:
            try:
                name, *values = pipe.recv()
            except EOFError:
                break
            pipe.send(orders[name](*values))
        server.shutdown()


def _pace(pages: _Pages, latency: float, rate: float | None) -> None:
    pages.latency = latency
    pages.limit = _Limit(rate, deque()) if rate else None


def _counted(pages: _Pages) -> tuple[int, int]:
    counted = pages.requests, pages.refused
    pages.requests = pages.refused = 0
    return counted
