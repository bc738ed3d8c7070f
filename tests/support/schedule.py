"""The schedule for tests: imports that are only noted, processes by a clock that the test sets."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine, text

from core import slots
from core.clock import Clock
from core.errors import SlotLostError
from core.importer import Order
from core.scheduler import Scheduler
from core.timetable import Timetable

T = TypeVar("T")
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
# A Saturday; 06:00 and 18:00 in New York are 11:00 and 23:00, Sunday's 04:00 is 09:00.
NOON = datetime(2026, 1, 10, 17, tzinfo=UTC)
EVENING, RECONCILE = NOON + 6 * HOUR, NOON + 16 * HOUR
TABLE = Timetable(ZoneInfo("America/New_York"), (6, 18), "sunday")


@dataclass
class Office:
    """The service as the scheduler sees it: a real database, and imports that are only noted."""

    engine: Engine
    orders: list[Order] = field(default_factory=list)
    faults: list[Exception] = field(default_factory=list)
    now: datetime = NOON
    """When imports begin."""

    def ask(self, question: Callable[[Connection], T]) -> T:
        """Answer one question."""
        with self.engine.connect() as connection:
            return question(connection)

    def write(self, change: Callable[[Connection], T]) -> T:
        """Make one change."""
        with self.engine.begin() as connection:
            return change(connection)

    def start_import(self, order: Order) -> int:
        """Note the order; its row exists."""
        if self.faults:
            raise self.faults.pop(0)
        import_id = self.import_row(order.trigger, "succeeded", self.now)
        at = order.slot_at
        if at and not self.write(lambda connection: slots.done_by(connection, at, import_id)):
            raise SlotLostError
        self.orders.append(order)
        return import_id

    def import_row(self, trigger: str, status: str, started_at: datetime = NOON) -> int:
        """Make an import's row."""
        values = {"trigger": trigger, "status": status, "at": started_at}
        return self.write(lambda connection: int(connection.execute(IMPORT_ROW, values).scalar_one()))

    def look_after(self) -> None:
        """No import of these tests dies."""


IMPORT_ROW = text("""
    INSERT INTO import_logs (trigger, triggered_by, mode, status, started_at, completed_at, watermark, errors)
    VALUES (:trigger, 'test', 'full', CAST(:status AS text), :at,
            CASE WHEN :status <> 'running' THEN CAST(:at AS timestamptz) END, :at, '[{}]')
    RETURNING id
""")


class Process:
    """One server process, with a clock that the test sets."""

    def __init__(self, office: Office, name: str = "one") -> None:
        """It is noon, and nothing runs."""
        self.office = office
        self.now = NOON
        clock = Clock(now=lambda: self.now, monotonic=lambda: 0.0)
        self.scheduler = Scheduler(office, TABLE, clock, name)

    def at(self, now: datetime) -> None:
        """Let the alarm clock ring at this moment."""
        self.now = now
        self.scheduler.settle()


class Asked(Protocol):
    """Whoever answers questions from the database."""

    def ask(self, question: Callable[[Connection], T]) -> T:
        """Answer one question."""


@contextmanager
def opened(process: Process, *, startup_import: bool = True) -> Iterator[Process]:
    """The process while its server runs."""
    process.scheduler.open(startup_import=startup_import)
    try:
        yield process
    finally:
        process.scheduler.close()


def rows(office: Asked) -> list[tuple[Any, ...]]:
    """Every slot that is recorded."""
    statement = text("SELECT slot_at, job, state, import_id FROM scheduler_slots ORDER BY slot_at")
    return office.ask(lambda connection: [tuple(row) for row in connection.execute(statement)])


def states(office: Office) -> list[tuple[datetime, str]]:
    """When, and what became of it."""
    return [(row[0], row[2]) for row in rows(office)]
