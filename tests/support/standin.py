"""A stand-in for Airtable: the demo's protocol over real HTTP, with edits and faults to order.

    with StandIn(conversations(250)) as standin:
        standin.fail(unavailable(), on=2)                         # the second request: 503
        standin.fail(cut_short(), on=is_page, times=3)            # the next three pages: body cut short
        standin.after_page(1, lambda table: table.delete(some_id))  # between the first and second page
        ... read from standin.url with standin.token, standin.base_id, standin.table.name ...
        assert [seen.status for seen in standin.seen] == [200, 503, 200]

The table may be changed at any time (`standin.table.create/update/delete`); pass `at=standin.now()`.
"""

import gzip
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

from core.demo import DEMO_BASE_ID, DEMO_TABLE_NAME, DEMO_TOKEN
from core.demo.conversations import conversation_fields
from core.demo.protocol import Protocol, Request, Response
from core.demo.server import DemoHandler, DemoServer
from core.demo.table import Table

START = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
"""Where a stand-in's clock stands unless it is told otherwise."""


@dataclass(slots=True)
class Seen:
    """One request that arrived: its place (from 1), what it asked, and what it got."""

    number: int
    method: str
    path: str
    params: dict[str, Any]
    """The query or the JSON body; `fields[]` as a list, everything else as text or as the body has it."""
    headers: Mapping[str, str]
    at: float
    """By `time.monotonic`, in seconds."""
    connection: str
    """Which connection it came by: each has a thread of its own."""
    status: int | None = None
    """The answer's status; None where the connection got none."""


Fault = Callable[[Response], Response]
"""What becomes of the honest answer."""
Condition = Callable[[Seen], bool]


@dataclass(frozen=True, slots=True)
class RawResponse(Response):
    """An answer whose bytes or whose way over the wire are not as they should be."""

    raw: bytes = b""
    media_type: str = "application/json; charset=utf-8"
    missing_bytes: int = 0
    """How many bytes more than it sends the head promises."""
    connection: str = "answer"
    """`answer`, `reset` (a TCP reset instead of an answer), `silence` (nothing until the server stops) or
    `trickle` (a byte now and then, without end)."""

    def payload(self) -> bytes:
        """The bytes as they were given."""
        return self.raw

    @property
    def content_type(self) -> str:
        """The media type as it was given."""
        return self.media_type


# Conditions for `StandIn.fail(on=...)`.

_PAGE_DEPTH = "/v0/base/table".count("/")


def is_page(seen: Seen) -> bool:
    """A call for a page of the listing, by GET or by POST."""
    if seen.path.startswith("/v0/meta/"):
        return False
    return seen.path.endswith("/listRecords") or (
        seen.method == "GET" and seen.path.count("/") == _PAGE_DEPTH
    )


def is_next_page(seen: Seen) -> bool:
    """A call for a page that is not a listing's first."""
    return is_page(seen) and "offset" in seen.params


# Faults: Airtable's errors (Airtable's API).


def status(code: int, body: object, **headers: str) -> Fault:
    """Answer with this status and JSON body; header names with `_` for `-`, as in `Retry_After="1"`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _answer: Response(code, body, named)


def typed(code: int, kind: str, message: str = "as the test says") -> Fault:
    """An error in the first shape: `{"error": {"type", "message"}}`."""
    return status(code, {"error": {"type": kind, "message": message}})


def listed(code: int, kind: str, message: str = "as the test says") -> Fault:
    """An error in the third shape: `{"errors": [{"error", "message"}]}`."""
    return status(code, {"errors": [{"error": kind, "message": message}]})


def unauthorized() -> Fault:
    """401: the token is wrong or missing."""
    return typed(401, "AUTHENTICATION_REQUIRED")


def forbidden() -> Fault:
    """403: no permission, or no such base or table."""
    return typed(403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND")


def not_found() -> Fault:
    """404 in the second shape: `{"error": "NOT_FOUND"}`."""
    return status(404, {"error": "NOT_FOUND"})


def expired_iterator() -> Fault:
    """422: the listing must begin again."""
    return typed(422, "LIST_RECORDS_ITERATOR_NOT_AVAILABLE")


def rate_limit() -> Fault:
    """429 of the kind that waiting cures."""
    return listed(429, "RATE_LIMIT_REACHED", "Rate limit exceeded. Please try again later")


def billing_limit() -> Fault:
    """429 of the kind that waiting never cures: the month's cap."""
    return listed(429, "PUBLIC_API_BILLING_LIMIT_EXCEEDED", "The billing plan's monthly API limit is used up")


def server_error() -> Fault:
    """500 with a JSON body."""
    return typed(500, "SERVER_ERROR")


def bad_gateway() -> Fault:
    """502 with an HTML page."""
    return html(502)


def unavailable(retry_after: int | None = None) -> Fault:
    """503, with `Retry-After` in seconds where it is given."""
    headers = {} if retry_after is None else {"Retry_After": str(retry_after)}
    return status(503, {"error": {"type": "SERVICE_UNAVAILABLE", "message": "try again"}}, **headers)


def html(code: int, page: str = "<html><body><h1>Bad Gateway</h1></body></html>") -> Fault:
    """An HTML page with any status, 200 too."""
    return raw(page.encode(), code=code, media_type="text/html")


# Faults: bodies that are no page, and connections that break.


def raw(body: bytes, *, code: int = 200, media_type: str = "application/json; charset=utf-8") -> Fault:
    """Answer with exactly these bytes."""
    return lambda _answer: RawResponse(code, None, raw=body, media_type=media_type)


def not_json() -> Fault:
    """A 200 whose body is no JSON."""
    return raw(b'{"records": [')


def empty_object() -> Fault:
    """A 200 of `{}`, which careless clients take for an empty table."""
    return status(200, {})


def cut_short(missing: int = 40) -> Fault:
    """The honest body without its last bytes, under a head that promises them."""

    def cut(answer: Response) -> Response:
        body = answer.payload()
        return RawResponse(answer.status, None, raw=body[:-missing], missing_bytes=missing)

    return cut


def reset() -> Fault:
    """A TCP reset instead of an answer."""
    return lambda _answer: RawResponse(0, None, connection="reset")


def silence() -> Fault:
    """No answer until the client gives up."""
    return lambda _answer: RawResponse(0, None, connection="silence")


def trickle() -> Fault:
    """An answer whose body comes a byte at a time, each soon enough, and never ends."""
    return lambda _answer: RawResponse(200, None, missing_bytes=1_000_000, connection="trickle")


# Not faults: ways in which an honest body may come.


def gzipped() -> Fault:
    """The honest page, compressed as Airtable does."""
    return lambda answer: RawResponse(
        200, None, {"Content-Encoding": "gzip"}, raw=gzip.compress(answer.payload())
    )


def no_gzip() -> Fault:
    """The honest page, said to be compressed."""
    return lambda answer: RawResponse(200, None, {"Content-Encoding": "gzip"}, raw=answer.payload())


def chunked() -> Fault:
    """The honest page in two chunks, its length not told before."""

    def cut(answer: Response) -> Response:
        body = answer.payload()
        pieces = (body[: len(body) // 2], body[len(body) // 2 :], b"")
        raw = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
        return RawResponse(200, None, {"Transfer-Encoding": "chunked"}, raw=raw)

    return cut


# Faults: pages that are wrong inside.


def changed_page(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Fault:
    """The honest page after `change` (of a copy of it)."""
    return lambda answer: replace(answer, body=change(json.loads(answer.payload())))


def page_without_records() -> Fault:
    """A page with its offset but without its list of records."""
    return changed_page(lambda page: {key: value for key, value in page.items() if key != "records"})


def repeated_offset() -> Fault:
    """The first offset that comes by, again in every later answer; use it with `on=is_page, times=None`."""
    offsets: list[str] = []

    def repeat(page: dict[str, Any]) -> dict[str, Any]:
        offsets.append(page.get("offset", ""))
        return page | {"offset": offsets[0]}

    return changed_page(repeat)


def with_records(*records: object) -> Fault:
    """The page with these records added at its end, malformed ones included."""
    return changed_page(lambda page: page | {"records": [*page["records"], *records]})


@dataclass(slots=True)
class _Plan:
    fault: Fault
    on: int | Condition
    left: int | None

    def applies(self, seen: Seen) -> bool:
        """Whether this request is hit; uses up one of the plan's times."""
        if self.left == 0 or not (seen.number == self.on if isinstance(self.on, int) else self.on(seen)):
            return False
        if self.left is not None:
            self.left -= 1
        return True


class _Handler(DemoHandler):
    """Sends also what a well-behaved server never sends."""

    def deliver(self, response: Response) -> None:
        """Send the answer, or break the connection in the way that it asks for."""
        if not isinstance(response, RawResponse):
            super().deliver(response)
        elif response.connection == "reset":
            self._reset()
        elif response.connection == "silence":
            self.server.closing.wait()
            self.close_connection = True
        elif response.connection == "trickle":
            self._trickle(response)
        else:
            self._deliver_raw(response)

    def _deliver_raw(self, response: RawResponse) -> None:
        body = response.payload()
        self.wfile.write(self.head(response, len(body) + response.missing_bytes) + body)
        self.close_connection = response.missing_bytes > 0

    def _trickle(self, response: RawResponse) -> None:
        self.wfile.write(self.head(response, response.missing_bytes))
        while not self.server.closing.wait(0.05):
            self.wfile.write(b" ")
        self.close_connection = True

    def _reset(self) -> None:
        """Close with nothing lingering: the kernel then sends RST instead of FIN."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.server.closed(self.connection)
        self.rfile.close()
        self.connection.close()


class StandIn:
    """Airtable with one base and one table, on a free local port while the context is open.

    `latency_seconds` passes before each answer. The clock gives the `Date` header and stands still until it
    is moved.
    """

    def __init__(
        self,
        table: Table | None = None,
        *,
        latency_seconds: float = 0.0,
        now: datetime = START,
        token: str = DEMO_TOKEN,
        base_id: str = DEMO_BASE_ID,
    ) -> None:
        self.table = conversations(0) if table is None else table
        self.token = token
        self.base_id = base_id
        self.latency_seconds = latency_seconds
        self.seen: list[Seen] = []
        """Every request, in the order of arrival."""
        self.url = ""
        """The endpoint URL, once the stand-in runs."""
        self._now = now
        self._protocol = Protocol(self.table, base_id=base_id, token=token)
        self._plans: list[_Plan] = []
        self._edits: dict[int, list[Callable[[Table], object]]] = {}
        self._pages = 0
        self._lock = threading.RLock()
        self._open = threading.Event()
        self._open.set()
        self._server = DemoServer(self._answer, self.now, handler=_Handler)

    def __enter__(self) -> Self:
        self.url = self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop()

    def now(self) -> datetime:
        """The stand-in's own time, which its `Date` header shows to the second."""
        return self._now

    def set_clock(self, now: datetime) -> None:
        """Move the clock to this aware moment."""
        self._now = now

    def advance(self, seconds: float) -> datetime:
        """Move the clock on and return its new time."""
        self._now += timedelta(seconds=seconds)
        return self._now

    def fail(self, fault: Fault, *, on: int | Condition, times: int | None = 1) -> None:
        """Let the request with that number (from 1, over all), or the next ones that meet a condition, fail.

        `times` bounds how often; None is for ever. Of several that apply the first given wins.
        """
        with self._lock:
            self._plans.append(_Plan(fault, on, times))

    def heal(self) -> None:
        """Forget every fault that is still planned."""
        with self._lock:
            self._plans.clear()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep every answer back until the block ends."""
        self._open.clear()
        try:
            yield
        finally:
            self._open.set()

    def after_page(self, number: int, edit: Callable[[Table], object]) -> None:
        """Run `edit` once, between the page with that number (from 1, over all listings) and the next."""
        with self._lock:
            self._edits.setdefault(number, []).append(edit)

    def expire_listings(self) -> None:
        """Make every open listing answer 422 LIST_RECORDS_ITERATOR_NOT_AVAILABLE from now on."""
        self._protocol.listings.expire()

    def pages(self) -> list[Seen]:
        """The requests for pages, first and later ones."""
        return [seen for seen in self.seen if is_page(seen)]

    def _answer(self, request: Request) -> Response:
        with self._lock:
            seen = self._note(request)
        if self.latency_seconds:
            time.sleep(self.latency_seconds)
        self._open.wait()
        with self._lock:
            response = self._response(request, seen)
            seen.status = response.status or None
        return response

    def _note(self, request: Request) -> Seen:
        at = time.monotonic()
        by = threading.current_thread().name
        seen = Seen(
            len(self.seen) + 1, request.method, request.path, _params(request), request.headers, at, by
        )
        self.seen.append(seen)
        return seen

    def _response(self, request: Request, seen: Seen) -> Response:
        response = self._protocol.answer(request, self._now)
        plan = next((plan for plan in self._plans if plan.applies(seen)), None)
        if plan is not None:
            response = plan.fault(response)
        if is_page(seen) and response.status == HTTPStatus.OK:
            self._turn_page()
        return response

    def _turn_page(self) -> None:
        self._pages += 1
        for edit in self._edits.pop(self._pages, []):
            edit(self.table)


def _params(request: Request) -> dict[str, Any]:
    if request.method == "POST":
        return _json_object(request.body)
    return {name: values if name.endswith("[]") else values[-1] for name, values in request.query.items()}


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(body)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def conversations(
    number: int, *, at: datetime = START - timedelta(days=30), cells: Sequence[Mapping[str, object]] = ()
) -> Table:
    """A table in the demo's columns with that many plain conversations, a minute apart from `at` on.

    Record n (from 0) has Clinic `Clinic 0` to `Clinic 4` in turn, User ID `user-n`, a Booking in 2025 where n
    is divisible by 5, a Lead where by 2, Engaged where by 3. `cells` adds records with exactly those cells.
    """
    table = Table(DEMO_TABLE_NAME, conversation_fields())
    for index in range(number):
        moment = at + timedelta(minutes=index)
        table.create(conversation_cells(index, moment), at=moment)
    for index, given in enumerate(cells):
        table.create(given, at=at + timedelta(minutes=number + index))
    return table


def conversation_cells(index: int, moment: datetime) -> dict[str, object]:
    """The cells of one plain conversation, as `conversations` describes them."""
    return {
        "Clinic": f"Clinic {index % 5}",
        "User ID": f"user-{index}",
        "Name": f"Person {index}",
        "Email": f"person{index}@example.com",
        "Phone": f"(555) 555-01{index % 100:02d}",
        "Automation": "Website Chatbot",
        "Conversation Date": moment.isoformat().replace("+00:00", "Z"),
        "Engaged": "Yes" if index % 3 == 0 else "No",
        "Lead Created": index % 2 == 0,
        "Booking": "3/14/2025 2:30 PM" if index % 5 == 0 else "",
    }
