"""Imports for tests: the product's own importer, reading a stand-in over HTTP into a real PostgreSQL."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
from psycopg.rows import dict_row

from core.airtable import Patience
from core.clock import Clock
from core.control import Control
from core.database import engine
from core.importer import Ended, Import, Order, Plant
from core.listings import Source
from core.pacer import Pacer
from core.records import Column
from core.rules import Ruleset
from core.runs import Mode, Trigger
from tests.support.standin import StandIn

ZONE = ZoneInfo("America/New_York")
IMPATIENT = Patience(
    connect_seconds=2,
    read_seconds=1,
    request_seconds=20.0,
    first_pause_seconds=0.01,
    longest_pause_seconds=0.05,
    rate_wait_seconds=2.0,
    readers=1,
)
"""One reader, so that requests come in one order however late this machine answers."""
CLOCK = Clock(now=lambda: datetime.now(UTC), monotonic=time.monotonic)
COLUMNS: Mapping[Column, str] = {column: column.value for column in Column}


@contextmanager
def importing(standin: StandIn, url: str, **changes: Any) -> Iterator["Importing"]:  # noqa: ANN401 (any of Plant's)
    """What a test needs to import from a stand-in into a database; `changes` replace parts of the plant."""
    made = engine(url)
    source = Source(standin.url, standin.base_id, standin.table.name, None, COLUMNS, standin.token)
    plant = Plant(
        engine=made,
        conninfo=url,
        source=source,
        identity=f"base {standin.base_id}",
        ruleset=Ruleset(COLUMNS, ("2025",), ZONE),
        max_delete_percent=20.0,
        pacer=Pacer(10_000, 0.05, CLOCK),
        clock=CLOCK,
        patience=IMPATIENT,
    )
    try:
        yield Importing(replace(plant, **changes), url)
    finally:
        made.dispose()


@dataclass(slots=True)
class Importing:
    """One plant, and the questions that tests ask of its database."""

    plant: Plant
    url: str

    def full(self, **order: Any) -> Ended:  # noqa: ANN401 (any of Order's)
        """Run a full import."""
        return self.run(Mode.FULL, **order)

    def incremental(self, **order: Any) -> Ended:  # noqa: ANN401 (any of Order's)
        """Run an incremental import."""
        return self.run(Mode.INCREMENTAL, **order)

    def run(self, mode: Mode, control: Control | None = None, **order: Any) -> Ended:  # noqa: ANN401 (Order's)
        """Run an import to its end."""
        wanted = Order(mode, Trigger.MANUAL, "cli:test", **order)
        run = Import(self.plant, wanted, control or Control())
        run.begin()
        return run.run()

    def row(self, import_id: int) -> dict[str, Any]:
        """A run's row."""
        return self.rows("SELECT * FROM import_logs WHERE id = %s", import_id)[0]

    def rows(self, statement: str, *values: object) -> list[dict[str, Any]]:
        """Ask the database directly."""
        with psycopg.connect(self.url, row_factory=dict_row) as connection:
            return connection.execute(statement.encode(), values).fetchall()

    def execute(self, statement: str, *values: object) -> None:
        """Change the database directly."""
        with psycopg.connect(self.url) as connection:
            connection.execute(statement.encode(), values)


def counters(row: Mapping[str, Any]) -> dict[str, int]:
    """The counters of a run that are not 0."""
    names = ("processed", "created", "updated", "unchanged", "deleted", "rejected", "missed")
    return {name: row[name] for name in names if row[name]}
