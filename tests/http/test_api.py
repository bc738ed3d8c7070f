"""The HTTP API and the health, against a real service, database and stand-in (spec, section 6)."""

import asyncio
import json
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp

from core import __version__, reports
from core.access import Access
from core.api import LARGEST_BODY, OPERATIONS, Api
from core.openapi import document
from core.people import COOKIE, Person, Role
from core.pulse import Pulse
from core.service import REAL_CLOCK, Service
from tests.support.asgi import LOCAL_HOST, Answer, call
from tests.support.postgres import Postgres
from tests.support.services import ended, idle, service_on
from tests.support.standin import StandIn, conversations, is_page, unauthorized
from tests.support.waiting import until

JSON = ("content-type", "application/json")
POSTS = [f"/api{operation.path}" for operation in OPERATIONS if operation.method == "POST"]
GETS = [f"/api{operation.path}" for operation in OPERATIONS if operation.method == "GET"]


def app_of(service: Service) -> ASGIApp:
    """The API behind its door, and a page for everything else, as Streamlit has one."""

    def given_service() -> Service:
        return service

    return Access(Api(PlainTextResponse("the page"), given_service), given_service)


class Client:
    """Calls the API of one service."""

    def __init__(self, service: Service) -> None:
        """The service is entered; nothing else runs."""
        self.service = service
        self.app = app_of(service)

    def get(self, path: str, query: str = "") -> Answer:
        """GET without identifying oneself."""
        return call(self.app, "GET", path, query=query.encode("latin-1"))

    def post(self, path: str, body: bytes = b"", *headers: tuple[str, str]) -> Answer:
        """POST without identifying oneself."""
        return call(self.app, "POST", path, body=body, headers=headers)

    def import_all(self) -> int:
        """Run a full import to its end; answers its id."""
        answer = self.post("/api/import/trigger", b'{"incremental": false}')
        assert answer.status == 202
        assert ended(self.service, answer.json["importId"]) == "succeeded"
        return int(answer.json["importId"])


@pytest.fixture(scope="module")
def standin() -> Iterator[StandIn]:
    """Airtable with 250 conversations."""
    with StandIn(conversations(250)) as running:
        yield running


@pytest.fixture(scope="module")
def client(postgres: Postgres, template_database: str, standin: StandIn) -> Iterator[Client]:
    """A client of a service whose data are imported."""
    with postgres.database(template_database) as url, service_on(url, standin) as service:
        made = Client(service)
        made.import_all()
        yield made


@pytest.fixture
def held(client: Client) -> Iterator[int]:
    """An import that another process runs, as its row and its lock show it."""
    with psycopg.connect(client.service.conninfo, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(19011, 1)")
        row = connection.execute(
            "INSERT INTO import_logs (trigger, triggered_by, mode, status, started_at)"
            " VALUES ('manual', 'cli:ann', 'full', 'running', now()) RETURNING id"
        ).fetchone()
        assert row is not None
        yield row[0]
        connection.execute("DELETE FROM import_logs WHERE id = %s", [row[0]])


# What it answers


@pytest.mark.parametrize(
    ("body", "mode", "notes", "allows"),
    [
        (b"", "incremental", None, False),
        (b"{}", "incremental", None, False),
        (b'{"incremental": true}', "incremental", None, False),
        (b'{"incremental": false, "notes": "why"}', "full", "why", False),
        (b'{"notes": null, "allowMassDelete": true}', "incremental", None, True),
        (b'{"notes": "a\\u0000b"}', "incremental", "ab", False),
    ],
)
def test_trigger_begins_what_was_asked_for(
    client: Client, body: bytes, mode: str, notes: str | None, *, allows: bool
) -> None:
    """202 once the row exists: its id and the mode in which it runs; no body is an empty object."""
    answer = client.post("/api/import/trigger", body)
    assert answer.status == 202
    run = client.get("/api/import/history", "limit=1").json["imports"][0]
    assert answer.json == {"importId": run["id"], "status": "running", "mode": mode}
    assert (run["trigger"], run["triggeredBy"], run["notes"]) == ("manual", "api", notes)
    assert ended(client.service, run["id"]) == "succeeded"
    with psycopg.connect(client.service.conninfo) as connection:
        statement = "SELECT allow_mass_delete FROM import_logs WHERE id = %s"
        assert connection.execute(statement, [run["id"]]).fetchone() == (allows,)


BAD_BODIES = (
    *(b'{"incremental": "yes"}', b'{"incremental": 1}', b'{"incremental": null}', b'{"Incremental": true}'),
    *(b'{"notes": 5}', b'{"allow_mass_delete": true}', b'{"allowMassDelete": "true"}', b'{"other": 1}'),
    *(b"[]", b"null", b"true", b'"x"', b"5", b"NaN", b"{", b"{'incremental': true}", b" ", b"\xff", b"\x00"),
    *(b'{"notes": "\\ud800"}', b"[" * 10_000, json.dumps({"notes": "x" * 2001}).encode(), b"a=b"),
)


@pytest.mark.parametrize("body", BAD_BODIES, ids=lambda body: str(body[:25]))
def test_trigger_refuses_what_it_does_not_know(client: Client, body: bytes) -> None:
    """422 for an unknown key, another type and broken JSON, without repeating what was sent; no run."""
    before = client.get("/api/import/history", "limit=1").body
    answer = client.post("/api/import/trigger", body)
    assert (answer.status, answer.code) == (422, "invalid")
    assert client.get("/api/import/history", "limit=1").body == before


@pytest.mark.parametrize(
    ("body", "named"), [(b'{"incremental": "yes"}', "incremental"), (b'{"more": 1}', "more")]
)
def test_the_refusal_names_what_is_wrong(client: Client, body: bytes, named: str) -> None:
    """The message says which key."""
    assert client.post("/api/import/trigger", body).json["error"]["message"].startswith(f"{named}: ")


def test_a_running_import_is_named(client: Client, held: int) -> None:
    """409 with its id, for as long as it runs, and it may be cancelled."""
    answer = client.post("/api/import/trigger")
    assert (answer.status, answer.json["currentImportId"]) == (409, held)
    assert set(answer.json) == {"error", "currentImportId"}
    assert answer.json["error"]["code"] == "import_running"
    assert client.get("/api/import/status").json["status"]["currentImportId"] == held
    cancelled = client.post("/api/import/cancel")
    assert (cancelled.status, cancelled.json) == (202, {"importId": held})


def test_of_many_at_once_one_begins(client: Client) -> None:
    """However many call at the same moment."""
    answers: list[Answer] = []
    threads = [
        threading.Thread(target=lambda: answers.append(client.post("/api/import/trigger"))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    begun = {answer.json["importId"] for answer in answers if answer.status == 202}
    refused = {answer.json["currentImportId"] for answer in answers if answer.status == 409}
    assert {answer.status for answer in answers} <= {202, 409}
    assert begun
    assert refused <= begun
    for import_id in begun:
        assert ended(client.service, import_id) == "succeeded"


def test_cancel_without_an_import(client: Client) -> None:
    """409 when nothing runs."""
    idle(client.service)
    answer = client.post("/api/import/cancel")
    assert (answer.status, answer.code) == (409, "no_import_running")


def test_status_history_and_stats(client: Client) -> None:
    """The objects that the older system's monitoring reads, with the figures of the last import."""
    import_id = client.import_all()
    totals = {"conversations": 250, "bookings": 50, "leads": 125, "engaged": 84}
    status = client.get("/api/import/status").json
    assert set(status) == {"status", "progress", "scheduler", "lastCompleted"}
    assert status["status"] == {"isRunning": False, "currentImportId": None, "schedulerInitialized": False}
    assert status["progress"] is None
    last = status["lastCompleted"]
    assert (last["importId"], last["totalProcessed"], last["stats"]) == (import_id, 250, totals)
    assert datetime.fromisoformat(last["completedAt"]).tzinfo is not None
    assert last["completedAt"].endswith("Z")
    run = client.get("/api/import/history").json["imports"][0]
    assert run["id"] == import_id
    assert (run["unchanged"], run["errors"], run["stats"]) == (250, [], totals)
    stats = client.get("/api/import/stats").json
    assert set(stats) == {"stats", "validation"}
    assert {name: stats["stats"][name] for name in totals} == totals
    assert (stats["stats"]["bookingRate"], stats["stats"]["engagementRate"]) == (20.0, 33.6)
    assert stats["validation"]["ok"] is False


@pytest.mark.parametrize(
    ("query", "status"),
    [
        *(("", 200), ("limit=1", 200), ("limit=100", 200), ("other=1", 200)),
        *(
            (f"limit={bad}", 422)
            for bad in ("0", "101", "-1", "", "x", "1.0", "%2B5", "5%20", "1e1", "9" * 5000)
        ),
        *(("limit=1&limit=2", 422), ("limit=%D9%A5", 422), ("limit=\xff", 422), ("limit", 422)),
    ],
)
def test_limit_is_a_number_from_1_to_100(client: Client, query: str, status: int) -> None:
    """Anything else is 422, not the nearest number."""
    answer = client.get("/api/import/history", query)
    assert answer.status == status
    if status == 422:
        assert "limit" in answer.json["error"]["message"]


def test_pausing_and_resuming(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    """Stop and start answer the schedule as it then is; health and log tell it, each process sees by whom."""
    caplog.set_level(logging.INFO)
    before = client.get("/health").json
    stopped = client.post("/api/import/scheduler/stop")
    assert (stopped.status, set(stopped.json)) == (200, {"scheduler"})
    assert stopped.json["scheduler"]["running"] is False
    assert client.get("/health").json["scheduler"]["status"] == "paused"
    assert client.post("/api/import/scheduler/start").status == 200
    assert client.get("/health").json == before
    with psycopg.connect(client.service.conninfo) as connection:
        state = connection.execute("SELECT paused, changed_by FROM scheduler_state").fetchone()
    assert state == (False, "api")
    assert [record.message for record in caplog.records] == ["scheduler_paused", "scheduler_resumed"]


def test_the_health_tells_an_import_that_has_just_failed_here(client: Client, standin: StandIn) -> None:
    """Whoever asked a moment before it ended is told now, and not when a second has passed."""
    assert client.get("/health").json["status"] == "ok"
    standin.fail(unauthorized(), on=is_page)
    import_id = client.post("/api/import/trigger").json["importId"]
    for thread in threading.enumerate():
        if thread.name == f"import-{import_id}":
            thread.join()
    assert client.get("/health").json["status"] == "degraded"


def test_the_airtable_test(client: Client, standin: StandIn) -> None:
    """Columns and latency, or what is wrong."""
    good = client.get("/api/test/airtable-connection").json
    assert (good["ok"], good["missingFields"]) == (True, [])
    assert "Clinic" in good["fields"]
    standin.fail(unauthorized(), on=is_page)
    bad = client.get("/api/test/airtable-connection")
    assert (bad.status, bad.json["ok"], bad.json["code"]) == (200, False, "authentication_failed")


def test_the_rules_test(client: Client) -> None:
    """Sample cells with what the rules make of each."""
    answer = client.get("/api/test/data-processor").json
    assert answer["ok"] is True
    assert set(answer["samples"][0]) == {"name", "cells", "expected", "result", "ok"}


# What it refuses

STRANGE_PATHS = (
    *(
        "/api/import/status/",
        "/api//import/status",
        "/api/../x",
        "/api/..",
        "/api/\0",
        "/api/x\ny",
        "/api/\\x",
    ),
    *("/api/\ud800", "/api/C:/x", "//api", "//api/import/status", "///api/x"),
)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        *(
            (method, path, 404)
            for method in ("GET", "POST", "PUT")
            for path in ("/api", "/api/", "/api/nothing")
        ),
        *(("GET", path, 404) for path in STRANGE_PATHS),
        *((method, path, 405) for path in POSTS for method in ("GET", "PUT", "DELETE", "OPTIONS")),
        *((method, path, 405) for path in GETS for method in ("POST", "PUT", "DELETE", "PATCH", "TRACE")),
        *((method, "/health", 405) for method in ("POST", "DELETE")),
    ],
)
def test_every_error_is_json(client: Client, method: str, path: str, status: int) -> None:
    """Unknown paths, `/api` itself and wrong methods too."""
    answer = call(client.app, method, path)
    assert (answer.status, answer.code) == (status, {404: "not_found", 405: "method_not_allowed"}[status])
    if status == 405:
        assert answer.headers["allow"]


@example(path="\n0", query=b"", accept=b"")
@given(path=st.text(max_size=40), query=st.binary(max_size=40), accept=st.binary(max_size=20))
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_whatever_is_asked_the_answer_is_json(client: Client, path: str, query: bytes, accept: bytes) -> None:
    """Any text in path, query and headers."""
    answer = call(client.app, "GET", f"/api/x{path}", query=query, headers=[("accept", accept)])
    assert (answer.status, answer.code) == (404, "not_found")


@pytest.mark.parametrize("path", POSTS)
def test_a_body_has_its_bounds(client: Client, path: str) -> None:
    """413 above 16 KiB, whether it says so or not."""
    body = b" " * (LARGEST_BODY + 1)
    for headers in ([], [("content-length", str(len(body)))]):
        answer = call(client.app, "POST", path, body=body, headers=headers)
        assert (answer.status, answer.code) == (413, "too_large")


@pytest.mark.parametrize(
    ("kind", "status"),
    [("application/json", 202), ("application/json; charset=utf-8", 202), ("text/plain", 415), (None, 415)],
)
def test_a_persons_body_must_be_json(client: Client, standin: StandIn, kind: str | None, status: int) -> None:
    """Where a cookie identifies, a form of another site could be the sender; the run keeps the name."""
    url = client.service.conninfo
    with service_on(url, standin, DASHBOARD_PASSWORD="press") as guarded:  # noqa: S106 (opens this test alone)
        cookie = ("cookie", f"{COOKIE}={guarded.people.cookie(Person('Ann', Role.OPERATOR))}")
        headers = [cookie, *([("content-type", kind)] if kind else [])]
        answer = call(app_of(guarded), "POST", "/api/import/trigger", headers=headers, body=b"{}")
        assert answer.status == status
        if status == 202:
            assert ended(guarded, answer.json["importId"]) == "succeeded"
            assert guarded.history(1).imports[0].triggered_by == "Ann"


# When things go wrong


def test_a_request_that_breaks_off_is_told_so(client: Client) -> None:
    """Half of a body begins nothing."""
    before = client.get("/api/import/history", "limit=1").body
    answer = call(client.app, "POST", "/api/import/trigger", body=b"{", whole=False)
    assert (answer.status, answer.code) == (400, "disconnected")
    assert client.get("/api/import/history", "limit=1").body == before


def test_a_call_that_takes_too_long_is_answered_meanwhile(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503, so that whoever asks is not held up by a database that hangs."""
    free = threading.Event()
    monkeypatch.setattr(client.service, "stats", lambda: free.wait(30))
    slow = [replace(op, seconds=0.05) for op in OPERATIONS if op.path == "/import/stats"]
    monkeypatch.setattr("core.api.OPERATIONS", slow)
    answer = call(app_of(client.service), "GET", "/api/import/stats")
    free.set()
    assert (answer.status, answer.code) == (503, "busy")


def test_without_a_database_the_api_says_so(postgres: Postgres, standin: StandIn) -> None:
    """503 in JSON from everything that asks it, and `down` from the health."""
    with postgres.database() as url, service_on(url, standin) as service:
        lost = Client(service)
        name = url.rpartition("/")[2].partition("?")[0]
        postgres.drop(name)
        for path in ("/api/import/status", "/api/import/history", "/api/import/stats"):
            answer = lost.get(path)
            assert (answer.status, answer.code) == (503, "database")
        for path in POSTS:
            assert lost.post(path).status == 503
        health = lost.get("/health")
    assert (health.status, health.json["status"], health.json["database"]) == (
        503,
        "down",
        {"status": "down"},
    )


def test_an_unforeseen_fault_is_told_without_its_words(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """500 in JSON; what an error says may quote values."""

    def fail() -> None:
        raise ValueError("person0@example.com")

    monkeypatch.setattr(client.service, "stats", fail)
    answer = client.get("/api/import/stats")
    assert (answer.status, answer.code) == (500, "unexpected")
    assert b"person0" not in answer.body


# Health


def test_health_tells_all_to_whom_it_may(client: Client, standin: StandIn) -> None:
    """Anonymous callers of a guarded server get status and version alone."""
    full = client.get("/health")
    assert full.status == 200
    assert set(full.json) == {"status", "database", "scheduler", "data", "version"}
    assert (full.json["data"], full.json["version"]) == ({"conversations": 250}, __version__)
    with service_on(client.service.conninfo, standin, API_TOKEN="secret") as guarded:  # noqa: S106 (opens this test alone)
        app = app_of(guarded)
        assert set(call(app, "GET", "/health").json) == {"status", "version"}
        known = call(app, "GET", "/health", headers=[("authorization", "Bearer secret")], host=LOCAL_HOST)
        assert set(known.json) == set(full.json)


class Heart:
    """A database that answers health when the test lets it."""

    def __init__(self) -> None:
        """It hangs."""
        self.asked = 0
        self.answers = threading.Event()
        self.report = reports.down("up").model_copy(update={"status": "ok"})
        self.pulse = Pulse(self._feel, reports.down("1"), REAL_CLOCK)

    def _feel(self) -> reports.HealthReport:
        self.asked += 1
        self.answers.wait(30)
        return self.report


def test_a_database_that_hangs_is_down_and_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first caller waits for a moment, the next ones not at all; one question is under way."""
    monkeypatch.setattr("core.pulse.PATIENCE_SECONDS", 0.05)
    heart = Heart()
    states = [_await(heart.pulse.health).status for _ in range(3)]
    assert (states, heart.asked) == (["down"] * 3, 1)
    heart.answers.set()
    until_ok = next(state for state in iter(lambda: _await(heart.pulse.health).status, None) if state == "ok")
    assert until_ok == "ok"


def test_a_database_that_hangs_is_down(client: Client) -> None:
    """Its own patience ends the question, also that of the command, which no pulse answers."""
    url = client.service.conninfo
    with ThreadPoolExecutor(1) as pool, psycopg.connect(url) as hanging:
        hanging.execute("LOCK TABLE import_logs IN ACCESS EXCLUSIVE MODE")
        assert pool.submit(client.service.health).result(30).status == "down"


def test_who_asks_a_database_that_was_down_waits_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each new question would hold its asker up as the first one did; one that answers again is trusted."""
    monkeypatch.setattr("core.pulse.PATIENCE_SECONDS", 60.0)
    monkeypatch.setattr("core.pulse.REMEMBER_SECONDS", -1.0)
    heart = Heart()
    heart.answers.set()
    heart.report = reports.down("1")
    assert _await(heart.pulse.health).status == "down"
    heart.answers.clear()
    heart.report = heart.report.model_copy(update={"status": "ok"})
    assert _await(heart.pulse.health).status == "down"  # a minute's patience would see it answer
    heart.answers.set()
    until(lambda: _await(heart.pulse.health).status == "ok", "a database that answers again")


def test_a_fault_of_the_question_reaches_whoever_asks() -> None:
    """What nobody foresaw is no health, and is told."""

    def fail() -> reports.HealthReport:
        raise LookupError("a mistake")

    with pytest.raises(LookupError):
        _await(Pulse(fail, reports.down("1"), REAL_CLOCK).health)


def test_health_is_remembered_for_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it is asked, the database is asked once; afterwards anew."""
    heart = Heart()
    heart.answers.set()
    for _ in range(5):
        assert _await(heart.pulse.health).status == "ok"
    assert heart.asked == 1
    monkeypatch.setattr("core.pulse.REMEMBER_SECONDS", -1.0)
    _await(heart.pulse.health)
    assert heart.asked == 2


def _await(ask: Callable[[], Any]) -> reports.HealthReport:
    report: reports.HealthReport = asyncio.run(ask())
    return report


# Its document


def test_the_document_names_every_call(client: Client) -> None:
    """Each operation with its answers, every reference resolved."""
    made = client.get("/api/openapi.json").json
    named = {(method.upper(), path) for path, item in made["paths"].items() for method in item}
    assert named == {(op.method, f"/api{op.path}") for op in OPERATIONS} | {("GET", "/health")}
    text = json.dumps(made)
    for part in text.split('"$ref": "')[1:]:
        assert part.partition('"')[0].removeprefix("#/components/schemas/") in made["components"]["schemas"]
    trigger = made["components"]["schemas"]["TriggerRequest"]
    assert trigger["additionalProperties"] is False
    assert set(trigger["properties"]) == {"incremental", "notes", "allowMassDelete"}
    assert made["security"] == []


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"API_TOKEN": "secret"}, {"token": "http"}),
        ({"DASHBOARD_PASSWORD": "press"}, {"session": "apiKey"}),
        ({"TRUSTED_USER_HEADER": "X-User"}, {}),
    ],
)
def test_the_document_says_how_to_identify_oneself(
    client: Client, standin: StandIn, variables: dict[str, str], named: dict[str, str]
) -> None:
    """At this very server: a proxy's header is not the caller's to send."""
    with service_on(client.service.conninfo, standin, None, **variables) as guarded:
        made = document(OPERATIONS, guarded.people, __version__)
    schemes = made["components"]["securitySchemes"]
    assert {name: scheme["type"] for name, scheme in schemes.items()} == named
    assert made["security"] == [{name: []} for name in named]
