"""The plans of the product's statements on tables of real size: what is asked by key is found by an index."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from types import ModuleType
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, TextClause, text

from core import figures, lookup, queries, runs, slots, store
from core.database import engine
from core.hold import PLANNING
from core.seen import CREATE
from tests.support.postgres import Postgres

ROWS = 20_000
BATCH = 100
BIG = {"conversations", "customers", "bookings", "leads", "rejected_records", "import_logs"}
NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)

# 50 clinics, 5 automations, a booking for every fifth conversation, a lead for every second. Rows are as
# wide as real ones: beside narrow ones an index is not worth its while.
FILL = """
    INSERT INTO clients (name, name_key) SELECT 'Clinic ' || n, 'clinic ' || n FROM generate_series(1, 50) n;
    INSERT INTO locations (client_id, name) SELECT id, name FROM clients;
    INSERT INTO automations (name, name_key) SELECT 'Bot ' || n, 'bot ' || n FROM generate_series(1, 5) n;
    INSERT INTO location_automations SELECT l.id, a.id FROM locations l, automations a;
    INSERT INTO customers (external_id) SELECT 'user' || n FROM generate_series(1, :rows) n;
    INSERT INTO import_logs (trigger, triggered_by, mode, status, started_at, completed_at, watermark)
    SELECT 'manual', 'cli:test', 'full', 'succeeded', now(), now(), now() FROM generate_series(1, :rows / 10);
    INSERT INTO conversations (external_id, client_id, location_id, automation_id, customer_id, occurred_at,
        date_status, local_date, local_hour, engaged, lead_created, booked,
        contact_name, contact_email, contact_phone, first_import_id, last_import_id)
    SELECT 'rec' || n, l.client_id, l.id, a.id, u.id, timestamptz '2025-01-01' + n * interval '20 minutes',
           'read', date '2025-01-01' + n / 72, n % 24, n % 3 = 0, n % 2 = 0, n % 5 = 0,
           'First Last ' || n, 'first.last' || n || '@example.com', '(555) 555-0100', i.id, i.id
    FROM generate_series(1, :rows) n
    JOIN locations l ON l.name = 'Clinic ' || (n % 50 + 1)
    JOIN automations a ON a.name = 'Bot ' || (n % 5 + 1)
    JOIN customers u ON u.external_id = 'user' || n CROSS JOIN (SELECT min(id) AS id FROM import_logs) i;
    INSERT INTO bookings (conversation_id, raw_text, booked_for)
    SELECT id, '2025', now() FROM conversations WHERE booked;
    INSERT INTO leads (conversation_id) SELECT id FROM conversations WHERE lead_created;
    INSERT INTO rejected_records (import_id, external_id, reason, rejected_at, resolved_at)
    SELECT i.id, 'rejected' || n, 'missing_clinic', now(), CASE WHEN n % 10 > 0 THEN now() END
    FROM generate_series(1, :rows / 4) n CROSS JOIN (SELECT min(id) AS id FROM import_logs) i
"""

TEXTS = [f"rec{number}" for number in range(1, BATCH + 1)]
NUMBERS = list(range(1, BATCH + 1))
VALUES: Mapping[str, Any] = {
    # Keys, one or a batch of them.
    **dict.fromkeys(("id", "import_id"), 1),
    **dict.fromkeys(
        ("at", "before", "now", "started_at", "source_started_at", "watermark", "alive_since"), NOW
    ),
    **dict.fromkeys(("names", "keys", "texts", "reasons", "seeded"), TEXTS),
    **dict.fromkeys(("locations", "automations", "refused"), NUMBERS),
    "moments": [NOW] * BATCH,
    "passed_jobs": ["import"] * BATCH,
    # What is written.
    **dict.fromkeys(("identity", "trigger", "triggered_by", "mode", "status", "notes", "by", "job"), "x"),
    **dict.fromkeys(("fingerprint", "state", "process", "timezone", "later_years"), "x"),
    **dict.fromkeys(("progress", "errors", "inconsistencies", "jobs", "records", "rows", "customers"), "[]"),
    "cells": ["{}"] * BATCH,
    **dict.fromkeys(("allow_mass_delete", "changed_data", "only_rejected", "paused"), False),
    **dict.fromkeys(
        ("limit", "pages", "retries", "missed", "processed", "created", "updated", "unchanged"), 1
    ),
    **dict.fromkeys(("rejected", "deleted", "conversations", "bookings", "leads", "engaged"), 1),
    "until": date(2026, 1, 1),
    # What a page asks.
    **dict.fromkeys(("client", "automation")),
    **dict.fromkeys(("wanted", "user_id", "reason"), "x"),
    "first": date.min,
    "last": date.max,
    "unit": "month",
    "window": 28,
    "clients": NUMBERS,
    **dict.fromkeys(("only_engaged", "only_leads", "only_bookings"), False),
}

# Statements whose answer takes the whole table, and why they may.
WHOLE = {
    "lookup.READ_REJECTION_COUNTS": "counts rejected records, resolved ones too; there are few",
    "lookup.READ_RESOLVED": "sorts what was resolved; there are few",
    "runs.RESET": "empties the tables",
    "store.ANALYSE": "gathers statistics, and has no plan",
    "store.VACUUM": "reads what changed, and has no plan",
}


def statements(module: ModuleType) -> Iterator[tuple[str, TextClause]]:
    """Every statement of a module by its name."""
    for name, value in vars(module).items():
        several = value if isinstance(value, Mapping) else {"": value}
        for code, statement in several.items():
            if isinstance(statement, TextClause):
                yield f"{module.__name__.removeprefix('core.')}.{name}{code and f'.{code}'}", statement


MODULES = (figures, lookup, queries, store, runs, slots)
STATEMENTS = dict(
    statement for module in MODULES for statement in statements(module) if statement[0] not in WHOLE
)
# Those that find, change or delete rows by their keys; others follow an index's order or condition.
KEYS = {"id", "ids", "records", "rows", "customers", "keys", "at", "automations", "locations"}
BY_KEY = {name for name, statement in STATEMENTS.items() if KEYS & set(statement.compile().params)}


# Figures that count conversations, each of them or those of a period.
COVERED = (
    *("figures.READ_TOTALS", "figures.READ_DAYS", "figures.READ_CLINICS", "figures.READ_AUTOMATIONS"),
    *("figures.READ_CLINIC_SERIES", "figures.READ_HOURS", "figures.READ_EXTENT"),
    *("queries.READ_TOTALS", "queries.READ_LIVE_COUNT", "queries.READ_RECKONING"),
)
# The newest rows of an ordered index, however many there are.
NEWEST = (
    "figures.READ_CONVERSATIONS",
    "figures.READ_BEHIND.leads_without_engagement",
    "figures.READ_BEHIND.automations_not_seeded",
)


@pytest.fixture(scope="module")
def filled(postgres: Postgres, template_database: str) -> Iterator[str]:
    """The libpq URI of a database of real size, analysed and vacuumed."""
    with postgres.database(template_database) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in FILL.replace(":rows", str(ROWS)).split(";"):
                connection.execute(statement.encode())
            connection.execute("VACUUM ANALYZE")
        yield url


@pytest.fixture(scope="module")
def served(filled: str) -> Iterator[Connection]:
    """A connection as pages have it."""
    made = engine(filled)
    with made.connect() as opened:
        yield opened
    made.dispose()


@pytest.fixture(scope="module")
def connection(filled: str) -> Iterator[Connection]:
    """A connection as an import has it, whose planner looks each row up wherever it can.

    On tables of this size it would rather read some of them whole, and be right.
    """
    made = engine(filled)
    with made.connect() as opened:
        opened.execute(PLANNING)
        opened.execute(CREATE)
        opened.commit()
        yield opened
    made.dispose()


def values(statement: TextClause) -> dict[str, Any]:
    """A value for each parameter of a statement; `ids` are texts or numbers, as their column is."""
    names = set(statement.compile().params)
    of_numbers = re.search(r":ids AS bigint|\bid = ANY|conversation_id = ANY", statement.text)
    known = {**VALUES, "ids": NUMBERS if of_numbers else TEXTS}
    return {name: known[name] for name in names}


def scans(connection: Connection, statement: TextClause) -> list[dict[str, Any]]:
    """The nodes of a statement's plan that read one of the big tables."""
    return [node for node in plan(connection, statement) if _reads_big(node)]


def plan(connection: Connection, statement: TextClause) -> list[dict[str, Any]]:
    """Every node of a statement's plan."""
    try:
        told = connection.scalar(text(f"EXPLAIN (FORMAT JSON) {statement.text}"), values(statement))
    finally:
        connection.rollback()
    return list(_nodes(told[0]["Plan"]))


def _reads_big(node: dict[str, Any]) -> bool:
    return node.get("Relation Name") in BIG and str(node["Node Type"]).endswith("Scan")


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for below in node.get("Plans", ()):
        yield from _nodes(below)


def conditions(node: dict[str, Any]) -> list[str]:
    """What a node looks up in an index: its own condition, or those of the bitmaps below it."""
    own = [node["Index Cond"]] if "Index Cond" in node else []
    if node.get("Index Name") == "uq_import_logs_running":
        own = ["the one row that it holds"]
    return own + [found for below in node.get("Plans", ()) for found in conditions(below)]


@pytest.mark.parametrize("name", STATEMENTS)
def test_no_statement_reads_a_whole_table(connection: Connection, name: str) -> None:
    """With sequential scans discouraged, one that is left has no index to use."""
    read = scans(connection, STATEMENTS[name])
    assert [node["Relation Name"] for node in read if node["Node Type"] == "Seq Scan"] == []


@pytest.mark.parametrize("name", sorted(BY_KEY))
def test_what_is_asked_by_key_is_looked_up(connection: Connection, name: str) -> None:
    """A statement that knows the keys of its rows reads those alone: each scan has its condition."""
    read = scans(connection, STATEMENTS[name])
    assert [node["Relation Name"] for node in read if not conditions(node)] == []


@pytest.mark.parametrize("name", COVERED)
def test_figures_are_counted_in_an_index_alone(served: Connection, name: str) -> None:
    """By the planner's own choice: the table itself, several times as large, is not read."""
    read = [node for node in scans(served, STATEMENTS[name]) if node["Relation Name"] == "conversations"]
    assert {node["Node Type"] for node in read} == {"Index Only Scan"}


@pytest.mark.parametrize("name", NEWEST)
def test_the_newest_records_are_not_sorted_out_of_all(served: Connection, name: str) -> None:
    """A table of the newest few hundred records reads little more than those."""
    nodes = plan(served, STATEMENTS[name])
    assert "Incremental Sort" in {node["Node Type"] for node in nodes}
    assert {node["Index Name"] for node in nodes if node.get("Relation Name") == "conversations"} == {
        "ix_conversations_figures"
    }


def test_active_days_are_read_clinic_by_clinic(served: Connection) -> None:
    """The weeks before each clinic's newest conversation, and not the years before them."""
    read = scans(served, STATEMENTS["figures.READ_ACTIVE_DAYS"])
    assert {node["Index Name"] for node in read} == {"ix_conversations_location_days"}


def test_every_exception_is_a_statement() -> None:
    """No name in WHOLE has outlived its statement."""
    assert set(WHOLE) <= {name for module in MODULES for name, _ in statements(module)}
