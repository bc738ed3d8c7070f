"""The HTTP API (spec, section 6): every answer JSON, every error `{"error": {"code", "message"}}`.

What a call does is a plain function that runs in one of few threads, so that a database that hangs takes
neither the web server's loop nor the pages' threads with it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from core import __version__, samples
from core.body import TooLargeError, read_body
from core.errors import DatabaseError, ImportRunningError, NoImportRunningError, ProductError, StoppingError
from core.importer import Order
from core.log import Log
from core.messages import (
    Cancelled,
    Conflict,
    ErrorAnswer,
    Fault,
    RulesReport,
    SchedulerAnswer,
    Started,
    TriggerRequest,
)
from core.openapi import API, HEALTH, Operation, document, is_api
from core.people import PROGRAM, Person
from core.probe import ConnectionReport
from core.reports import BriefHealthReport, HistoryReport, Report, StatsReport, StatusReport
from core.runs import Mode, Trigger
from core.service import Service, current

LARGEST_BODY = 16 * 1024
THREADS = 8
# Airtable may make its reader wait a minute and more.
AIRTABLE_SECONDS = 90.0
DEFAULT_LIMIT, LARGEST_LIMIT = 10, 100
NO_STORE = {"cache-control": "no-store"}
READS = frozenset({"GET", "HEAD"})

BUSY = Fault(code="busy", message="The server is too busy, or the database hangs. Try again later.")

log = Log("server")


@dataclass(frozen=True, slots=True)
class Call:
    """What a request says."""

    service: Service
    person: Person
    body: bytes
    limits: Sequence[str]

    @property
    def by(self) -> str:
        """Whom the import's row will name (spec, section 7: `triggered_by`)."""
        return self.person.name


class RefusedError(Exception):
    """The request cannot be answered as it was sent."""

    def __init__(self, status: int, code: str, message: str) -> None:
        """Keep what the answer will say."""
        super().__init__(message)
        self.status = status
        self.fault = Fault(code=code, message=message)


# What each call does


def _trigger(call: Call) -> Started:
    wanted = _read_trigger(call.body)
    mode = Mode.INCREMENTAL if wanted.incremental else Mode.FULL
    order = Order(mode, Trigger.MANUAL, call.by, wanted.notes, wanted.allow_mass_delete)
    run = call.service.launch(order)
    return Started(import_id=run.import_id, status="running", mode=run.mode.value)


def _cancel(call: Call) -> Cancelled:
    return Cancelled(import_id=call.service.cancel_import(call.by))


def _status(call: Call) -> StatusReport:
    return call.service.status()


def _history(call: Call) -> HistoryReport:
    return call.service.history(_read_limit(call.limits))


def _stats(call: Call) -> StatsReport:
    return call.service.stats()


def _resume(call: Call) -> SchedulerAnswer:
    call.service.resume_scheduler(call.by)
    return SchedulerAnswer(scheduler=call.service.status().scheduler)


def _pause(call: Call) -> SchedulerAnswer:
    call.service.pause_scheduler(call.by)
    return SchedulerAnswer(scheduler=call.service.status().scheduler)


def _test_airtable(call: Call) -> ConnectionReport:
    return call.service.test_connection()


def _test_rules(_: Call) -> RulesReport:
    results = samples.check()
    ok = all(result["ok"] for result in results)
    return RulesReport.model_validate({"ok": ok, "samples": results})


LIMIT = {
    "name": "limit",
    "in": "query",
    "description": "How many imports.",
    "schema": {"type": "integer", "minimum": 1, "maximum": LARGEST_LIMIT, "default": DEFAULT_LIMIT},
}

OPERATIONS = (
    Operation(
        method="POST",
        path="/import/trigger",
        summary="Start an import",
        answer=_trigger,
        model=Started,
        status=202,
        errors={409: Conflict, 422: ErrorAnswer},
        body=TriggerRequest,
    ),
    Operation(
        method="POST",
        path="/import/cancel",
        summary="Cancel the running import",
        answer=_cancel,
        model=Cancelled,
        status=202,
        errors={409: ErrorAnswer},
    ),
    Operation(
        method="GET",
        path="/import/status",
        summary="What runs, what is next and what was last",
        answer=_status,
        model=StatusReport,
    ),
    Operation(
        method="GET",
        path="/import/history",
        summary="The newest imports",
        answer=_history,
        model=HistoryReport,
        errors={422: ErrorAnswer},
        parameters=(LIMIT,),
    ),
    Operation(
        method="GET",
        path="/import/stats",
        summary="Figures, and whether they are as expected",
        answer=_stats,
        model=StatsReport,
    ),
    Operation(
        method="POST",
        path="/import/scheduler/start",
        summary="Resume the schedule",
        answer=_resume,
        model=SchedulerAnswer,
    ),
    Operation(
        method="POST",
        path="/import/scheduler/stop",
        summary="Pause the schedule",
        answer=_pause,
        model=SchedulerAnswer,
    ),
    Operation(
        method="GET",
        path="/test/airtable-connection",
        summary="Ask Airtable for one page",
        answer=_test_airtable,
        model=ConnectionReport,
        seconds=AIRTABLE_SECONDS,
    ),
    Operation(
        method="GET",
        path="/test/data-processor",
        summary="What the rules make of sample records",
        answer=_test_rules,
        model=RulesReport,
    ),
)


# The way in and out


def middleware() -> list[Middleware]:
    """The API and the health, for `st.App`, to stand behind the door of `core.access`."""
    return [Middleware(Api)]


class Api:
    """Answers `/health`, `/api` and everything under it; hands on all else.

    A middleware rather than a mounted route: Streamlit's own middleware would answer paths that it holds
    for dangerous in plain text, and a route's pattern does not match every path under `/api`.
    """

    def __init__(self, app: ASGIApp, service: Callable[[], Service] = current) -> None:
        """`service` is called with each request, for the app is built before the service is."""
        self._app = app
        threads = ThreadPoolExecutor(THREADS, thread_name_prefix="api")
        routes = [
            Route(
                f"{API}{operation.path}", _endpoint(operation, service, threads), methods=[operation.method]
            )
            for operation in OPERATIONS
        ]
        routes += [Route(f"{API}/openapi.json", _document(service)), Route(HEALTH, _health(service))]
        self._own = Starlette(routes=routes, exception_handlers={HTTPException: _on_http_error})
        self._own.router.redirect_slashes = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or hand on."""
        own = scope["type"] == "http" and (is_api(scope["path"]) or scope["path"] == HEALTH)
        await (self._own if own else self._app)(scope, receive, send)


Endpoint = Callable[[Request], Awaitable[Response]]


def _endpoint(
    operation: Operation[Call], service: Callable[[], Service], threads: ThreadPoolExecutor
) -> Endpoint:
    """The operation as a route's endpoint; whatever it raises becomes an answer."""

    async def answered(request: Request) -> Response:
        call = await _read(request, service())
        asked = asyncio.get_running_loop().run_in_executor(threads, operation.answer, call)
        done, _ = await asyncio.wait({asked}, timeout=operation.seconds)
        if done:
            return _json(asked.result(), operation.status)
        asked.cancel()  # one that still waits for a thread never begins
        return _json(ErrorAnswer(error=BUSY), 503)

    return _safe(answered)


def _safe(endpoint: Endpoint) -> Endpoint:
    """The endpoint with an answer to whatever it raises, and no traceback, for that may quote values."""

    async def safe(request: Request) -> Response:
        try:
            return await endpoint(request)
        except Exception as error:  # noqa: BLE001 (the way out of the server)
            return _refusal(error)

    return safe


async def _read(request: Request, service: Service) -> Call:
    """The request as a call.

    Raises:
        RefusedError: its body is too long, ended early, or may be another site's form.
    """
    person: Person = request.state.person
    try:
        body = b"" if request.method in READS else await read_body(request, LARGEST_BODY)
    except TooLargeError:
        message = f"The body is longer than {LARGEST_BODY:,} bytes."
        raise RefusedError(413, "too_large", message) from None
    except ClientDisconnect:
        raise RefusedError(400, "disconnected", "The request ended early.") from None
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if body and person is not PROGRAM and kind != "application/json":
        raise RefusedError(415, "not_json", "Send the body with Content-Type: application/json.")
    return Call(service, person, body, request.query_params.getlist("limit"))


def _read_trigger(body: bytes) -> TriggerRequest:
    try:
        return TriggerRequest.model_validate_json(body) if body else TriggerRequest()
    except ValidationError as error:
        # What was sent is not repeated: it may hold anything.
        said = [
            ": ".join([*(str(part)[:40] for part in fault["loc"]), fault["msg"]])
            for fault in error.errors(include_input=False, include_context=False, include_url=False)
        ]
        raise RefusedError(422, "invalid", "; ".join(said[:5]) + ".") from None


def _read_limit(given: Sequence[str]) -> int:
    if not given:
        return DEFAULT_LIMIT
    text = given[0]
    short = len(given) == 1 and text.isascii() and text.isdigit() and len(text) <= len(str(LARGEST_LIMIT))
    if not short or not 1 <= int(text) <= LARGEST_LIMIT:
        raise RefusedError(422, "invalid", f"limit: give one number from 1 to {LARGEST_LIMIT}.")
    return int(text)


STATUSES: tuple[tuple[type[ProductError], int], ...] = (
    (ImportRunningError, 409),
    (NoImportRunningError, 409),
    (DatabaseError, 503),
    (StoppingError, 503),
)


def _refusal(error: Exception) -> Response:
    """What an error of whatever kind answers."""
    if isinstance(error, RefusedError):
        return _json(ErrorAnswer(error=error.fault), error.status)
    status = next((status for kind, status in STATUSES if isinstance(error, kind)), 500)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.failure("api_error", error, status=status)
    if isinstance(error, ImportRunningError):
        fault = Fault(code=error.code, message=error.message)
        return _json(Conflict(error=fault, current_import_id=error.import_id), status)
    if isinstance(error, ProductError):
        return _error(status, error.code, error.message)
    return _error(status, "unexpected", "Something went wrong; error.log has more.")


def _health(service: Callable[[], Service]) -> Endpoint:
    async def health(request: Request) -> Response:
        """Whom nobody knows learns less (spec, section 6)."""
        report = await service().pulse.health()
        known = request.state.person.may_look
        told = report if known else BriefHealthReport(status=report.status, version=report.version)
        return _json(told, 503 if report.status == "down" else 200)

    return _safe(health)


def _document(service: Callable[[], Service]) -> Endpoint:
    async def openapi(_: Request) -> Response:
        return JSONResponse(document(OPERATIONS, service().people, __version__), headers=NO_STORE)

    return _safe(openapi)


async def _on_http_error(_: Request, error: Exception) -> Response:
    """What the router refuses: an unknown path, a wrong method."""
    assert isinstance(error, HTTPException)  # noqa: S101 (the handler is registered for nothing else)
    phrase = HTTPStatus(error.status_code).phrase
    return _error(error.status_code, phrase.lower().replace(" ", "_"), f"{phrase}.", error.headers or {})


def _error(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Response:
    return _json(ErrorAnswer(error=Fault(code=code, message=message)), status, headers)


def _json(report: Report, status: int, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse(report.as_json(), status, {**NO_STORE, **(headers or {})})
