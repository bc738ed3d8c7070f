"""What a server's start does about imports: its own, another process's, and those whose process died."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import psycopg
import pytest
from sqlalchemy import text

from core.database import IMPORT_LOCK, OWNER
from core.errors import ImportRunningError, StoppingError
from core.importer import Order
from core.rules import SEEDED_AUTOMATIONS
from core.runs import Mode, Trigger
from core.service import Service
from tests.support.schedule import NOON, SECOND
from tests.support.services import service_on
from tests.support.standin import StandIn, conversations, unauthorized

INSERT = """
    INSERT INTO import_logs (trigger, triggered_by, mode, status, started_at)
    VALUES ('manual', 'cli:ann', 'full', 'running', now()) RETURNING id
"""
SUCCEED = "UPDATE import_logs SET status = 'succeeded', completed_at = now(), watermark = now() WHERE id = %s"


@pytest.fixture
def source() -> Iterator[StandIn]:
    """Airtable with five conversations."""
    with StandIn(conversations(5)) as running:
        yield running


@pytest.fixture
def service(database_url: str, source: StandIn) -> Iterator[Service]:
    """A service that has not begun to serve."""
    with service_on(database_url, source) as made:
        yield made


@contextmanager
def another_import(url: str) -> Iterator[tuple[psycopg.Connection, int]]:
    """An import of another process: its lock and its row; when the block ends the process has died."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s, %s)", [OWNER, IMPORT_LOCK])
        row = connection.execute(INSERT).fetchone()
        assert row is not None
        yield connection, row[0]
        # The server notices that a session is gone a moment later; the tests need to know that it has.
        connection.execute("SELECT pg_advisory_unlock_all()")


def shown(service: Service) -> list[tuple[str, str]]:
    """Who began each import, and how it stands; newest first."""
    return [(run.triggered_by, run.status) for run in service.history(10).imports]


def refusal_of(service: Service, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set once an import was refused because another one is running."""
    refused, begin = threading.Event(), service.start_import

    def start_import(order: Order) -> int:
        try:
            return begin(order)
        except ImportRunningError:
            refused.set()
            raise

    monkeypatch.setattr(service, "start_import", start_import)
    return refused


def wait_in_background(service: Service) -> tuple[threading.Thread, list[str | None]]:
    """Wait for the startup import in a thread of its own."""
    faults: list[str | None] = []
    thread = threading.Thread(target=lambda: faults.append(service.wait_for_startup()))
    thread.start()
    return thread, faults


def test_the_startup_import_is_waited_for(service: Service) -> None:
    """Null where it succeeded."""
    service.serve()
    assert service.wait_for_startup() is None
    assert shown(service) == [("startup", "succeeded")]


def test_a_startup_import_that_failed_says_why(service: Service, source: StandIn) -> None:
    """In the words of its row."""
    source.fail(unauthorized(), on=lambda _: True, times=None)
    service.serve()
    fault = service.wait_for_startup()
    assert shown(service) == [("startup", "failed")]
    assert fault == service.history(1).imports[0].errors[0].message


def test_without_a_startup_import_there_is_nothing_to_wait_for(database_url: str, source: StandIn) -> None:
    """`IMPORT_ON_STARTUP=false`."""
    with service_on(database_url, source, IMPORT_ON_STARTUP="false") as service:
        service.serve()
        assert service.wait_for_startup() is None
        assert shown(service) == []


def test_a_start_makes_the_known_automations(database_url: str, source: StandIn) -> None:
    """Also one that imports nothing."""
    with service_on(database_url, source, IMPORT_ON_STARTUP="false") as service:
        service.serve()
        names = service.ask(lambda connection: set(connection.scalars(text("SELECT name FROM automations"))))
    assert names == set(SEEDED_AUTOMATIONS)


def test_each_start_has_a_heartbeat_of_its_own(
    database_url: str, source: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Processes of one machine are told apart, also where one has a process id that another one had."""
    for pid, now in ((7, NOON), (8, NOON), (7, NOON + SECOND)):
        monkeypatch.setattr("core.service.os", SimpleNamespace(getpid=lambda pid=pid: pid))
        with service_on(database_url, source, now, IMPORT_ON_STARTUP="false") as service:
            service.serve()
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM scheduler_heartbeats").fetchone() == (3,)


def test_the_import_of_a_process_that_dies_is_made_up_for(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A killed server's lock may outlive it for a moment: the next start waits, tells it, and imports."""
    service.prepare()
    refused = refusal_of(service, monkeypatch)
    with another_import(service.conninfo):
        service.serve()
        thread, faults = wait_in_background(service)
        assert refused.wait(20)
        assert shown(service) == [("cli:ann", "running")]
    thread.join(20)
    assert faults == [None]
    assert shown(service) == [("startup", "succeeded"), ("cli:ann", "interrupted")]


def test_the_import_of_another_process_stands_for_the_startup_import(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it succeeds, nothing is imported twice."""
    service.prepare()
    refused = refusal_of(service, monkeypatch)
    with another_import(service.conninfo) as (connection, import_id):
        service.serve()
        thread, faults = wait_in_background(service)
        assert refused.wait(20)
        connection.execute(SUCCEED, [import_id])
        thread.join(20)
    assert faults == [None]
    assert shown(service) == [("cli:ann", "succeeded")]


def test_a_run_without_its_lock_is_dead_when_seen_twice(service: Service) -> None:
    """One that has just lost its connection gets the time to regain it."""
    with another_import(service.conninfo):
        service.look_after()
        service.look_after()
        assert shown(service) == [("cli:ann", "running")]
    service.look_after()
    assert shown(service) == [("cli:ann", "running")]
    service.look_after()
    assert shown(service) == [("cli:ann", "interrupted")]


def test_an_import_that_died_is_told_at_the_next_start(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    """Also by one that imports nothing itself; the log says it too."""
    with another_import(service.conninfo):
        service.prepare()
        assert shown(service) == [("cli:ann", "running")]
    service.prepare()
    assert shown(service) == [("cli:ann", "interrupted")]
    assert [record.message for record in caplog.records] == ["dead_import_told"]


def test_a_process_that_is_being_stopped_begins_nothing(service: Service) -> None:
    """Neither a slot nor a person starts what would be cut off."""
    service.stop_work()
    with pytest.raises(StoppingError):
        service.start_import(Order(Mode.FULL, Trigger.MANUAL, "api"))
    assert shown(service) == []
