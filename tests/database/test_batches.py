"""A batch's statements set off together: a fault at any is told as that statement's own, and is mended."""

import logging
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from core import direct
from core.database import constraint, engine, sqlstate
from core.runs import Status
from tests.support.comparison import differences
from tests.support.imports import Importing, counters, importing
from tests.support.postgres import Postgres
from tests.support.standin import START, StandIn, conversations, expired_iterator

COUNTED = {"processed": 22, "created": 2, "updated": 3, "unchanged": 16, "rejected": 1, "deleted": 1}
"""What the import counts of what `edit` did."""

WRITES = {
    "new customers": ("customers", "INSERT", "true"),
    "new conversations": ("conversations", "INSERT", "true"),
    "bookings of new ones": ("bookings", "INSERT", "NEW.raw_text = '2025-03-14'"),
    "changed conversations": ("conversations", "UPDATE", "NEW.deleted_at IS NULL"),
    "bookings gone": ("bookings", "DELETE", "true"),
    "bookings put": ("bookings", "INSERT", "NEW.raw_text = 'March 14, 2025'"),
    "leads gone": ("leads", "DELETE", "true"),
    "leads put": ("leads", "INSERT", "true"),
    "withdrawn": ("conversations", "UPDATE", "NEW.deleted_at IS NOT NULL"),
    "customers anew": ("customers", "UPDATE", "true"),
    "rejections": ("rejected_records", "INSERT", "true"),
    "resolved": ("rejected_records", "UPDATE", "NEW.resolved_at IS NOT NULL"),
    "counters": ("import_logs", "UPDATE", "NEW.batches > OLD.batches"),
}
"""All that a batch writes: table, statement, and which of its rows."""

PASSING = {
    "the connection ends": "PERFORM pg_terminate_backend(pg_backend_pid(), 1000);",
    "a deadlock": "RAISE EXCEPTION USING ERRCODE = '40P01';",
}
"""Faults that pass, in PL/pgSQL."""

REFUSED = {
    "new customer": ("customers", "INSERT", "NEW.external_id = 'new'", "new"),
    "new conversation": ("conversations", "INSERT", "NEW.contact_name = 'New'", "new"),
    "changed conversation": ("conversations", "UPDATE", "NEW.contact_name = 'Renamed'", "user-3"),
    "booking": ("bookings", "INSERT", "NEW.raw_text = 'March 14, 2025'", "user-1"),
    "lead": ("leads", "INSERT", "true", "user-1"),
    "customer": ("customers", "UPDATE", "NEW.name = 'Renamed'", "user-3"),
    "resolved": ("rejected_records", "UPDATE", "NEW.resolved_at IS NOT NULL", "lost"),
}
"""Rows that one record alone leads to, and the User ID of that record."""


def edit(standin: StandIn) -> None:
    """Change the source so that one batch has something to write in every way there is."""
    records, at = standin.table.records(), standin.advance(3600)
    edits: list[dict[str, object]] = [
        {"Booking": None, "Lead Created": False},
        {"Booking": "March 14, 2025", "Lead Created": True},
        {"Clinic": None},
        {"Name": "Renamed"},
    ]
    for record, cells in zip(records, edits, strict=False):
        standin.table.update(record.id, cells, at=at)
    standin.table.delete(records[4].id)
    standin.table.update(records[-1].id, {"Clinic": "Clinic 1"}, at=at)
    new = {"Clinic": "Clinic 2", "User ID": "new", "Name": "New", "Booking": "2025-03-14"}
    standin.table.create(new, at=at)


@pytest.fixture(scope="module")
def imported(postgres: Postgres, template_database: str) -> Iterator[str]:
    """The name of a database with 21 conversations and a rejected record: clone it, never connect to it."""
    name = postgres.create(template_database)
    try:
        with source() as standin, importing(standin, postgres.url(name)) as product:
            assert product.full().status is Status.SUCCEEDED
        yield name
    finally:
        postgres.drop(name)


def source() -> StandIn:
    """An Airtable with 21 conversations and one record without a clinic."""
    return StandIn(conversations(21, cells=[{"User ID": "lost"}]))


@pytest.fixture
def standin() -> Iterator[StandIn]:
    """The Airtable those came from, edited since."""
    with source() as running:
        edit(running)
        yield running


@pytest.fixture
def product(standin: StandIn, postgres: Postgres, imported: str) -> Iterator[Importing]:
    """The importer between the two."""
    with postgres.database(imported) as url, importing(standin, url) as ready:
        yield ready


def meddle(product: Importing, where: tuple[str, str, str], what: str, kind: str = "TRIGGER") -> None:
    """Do something wherever such a row is written, within the statement or, `DEFERRED`, at the commit."""
    table, statement, rows = where
    deferred = "DEFERRABLE INITIALLY DEFERRED" if kind == "CONSTRAINT TRIGGER" else ""
    product.execute(f"""
        CREATE SEQUENCE meddled;
        CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {what} RETURN NULL; END $$;
        CREATE {kind} meddle AFTER {statement} ON {table} {deferred}
        FOR EACH ROW WHEN ({rows}) EXECUTE FUNCTION meddle();
    """)


@pytest.mark.parametrize("fault", PASSING)
@pytest.mark.parametrize("write", WRITES)
def test_a_passing_fault_between_statements(
    product: Importing, standin: StandIn, write: str, fault: str
) -> None:
    """What goes wrong once, at whichever of a batch's statements, costs a repetition; no record is blamed."""
    meddle(product, WRITES[write], f"IF nextval('meddled') = 1 THEN {PASSING[fault]} END IF;")
    ended = product.full()
    assert ended.status is Status.SUCCEEDED, ended.errors
    assert product.rows("SELECT is_called FROM meddled") == [{"is_called": True}]
    assert counters(product.row(ended.import_id)) == COUNTED
    assert product.row(ended.import_id)["batches"] == 2
    assert differences(standin.table, product.url) == []


@pytest.mark.parametrize("kind", ["TRIGGER", "CONSTRAINT TRIGGER"], ids=["at once", "at the commit"])
@pytest.mark.parametrize("refused", REFUSED)
def test_a_record_is_refused_between_statements(
    product: Importing, standin: StandIn, caplog: pytest.LogCaptureFixture, refused: str, kind: str
) -> None:
    """A record that any of a batch's statements refuses is rejected alone, and told with what refused it."""
    table, statement, rows, user = REFUSED[refused]
    no = "RAISE EXCEPTION 'no' USING ERRCODE = '23514', CONSTRAINT = 'ck_meddled';"
    meddle(product, (table, statement, rows), no, kind)
    with caplog.at_level(logging.WARNING, "jointchiro.import.detail"):
        ended = product.full()
    assert ended.status is Status.SUCCEEDED, ended.errors
    bad = next(record.id for record in standin.table.records() if record.cells["User ID"] == user)
    found = product.rows("SELECT external_id FROM rejected_records WHERE reason = 'database_error'")
    assert found == [{"external_id": bad}]
    assert told_refusals(caplog) == [(bad, "23514", "ck_meddled")]
    row = product.row(ended.import_id)
    assert (row["processed"], row["rejected"]) == (COUNTED["processed"], COUNTED["rejected"] + 1)
    product.execute(f"DROP TRIGGER meddle ON {table}")
    assert product.incremental().status is Status.SUCCEEDED
    assert differences(standin.table, product.url) == []


def told_refusals(caplog: pytest.LogCaptureFixture) -> list[tuple[object, ...]]:
    """Record, SQLSTATE and constraint of every refusal that was logged."""
    told = [record for record in caplog.records if record.getMessage() == "record_refused_by_database"]
    fields = [record.__dict__["fields"] for record in told]
    return [(one["record"], one["sqlstate"], one["constraint"]) for one in fields]


def test_made_rejected_and_accepted_in_one_import(database_url: str) -> None:
    """A conversation that an import makes counts as created, also where it read a rejected one in between."""
    with StandIn(conversations(120)) as standin, importing(standin, database_url) as product:
        record = standin.table.records()[0]
        standin.after_page(1, lambda table: table.update(record.id, {"Clinic": None}, at=START))
        standin.after_page(2, lambda table: table.update(record.id, {"Clinic": "Clinic 0"}, at=START))
        for request in (2, 4):
            standin.fail(expired_iterator(), on=request)
        ended = product.full()
        assert ended.status is Status.SUCCEEDED, ended.errors
        assert counters(product.row(ended.import_id)) == {"processed": 120, "created": 120}
        assert len(product.rows("SELECT FROM rejected_records WHERE resolved_at IS NOT NULL")) == 1
        assert differences(standin.table, database_url) == []


# Statements together


class Count(NamedTuple):
    """How many numbers there are."""

    numbers: int


PUT = text("INSERT INTO numbers VALUES (:number)")
COUNT = text("SELECT CAST(count(*) AS int) AS numbers FROM numbers WHERE number > :above")


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    """A connection to a table of numbers below 10."""
    made = engine(database_url)
    with made.connect() as ready:
        with ready.begin():
            ready.execute(text("CREATE TABLE numbers (number int CONSTRAINT ck_small CHECK (number < 10))"))
        yield ready
    made.dispose()


@pytest.mark.parametrize("after", range(3))
def test_the_first_that_fails_is_raised(connection: Connection, after: int) -> None:
    """However many statements follow the one that fails, its own fault is what is raised; nothing is kept."""
    with pytest.raises(DBAPIError) as raised, connection.begin(), direct.together(connection):
        put(connection, 1, 11, *range(after))
    assert (sqlstate(raised.value), constraint(raised.value)) == ("23514", "ck_small")
    with connection.begin():
        assert count(connection) == 0


def test_what_was_to_be_prepared_after_a_fault(connection: Connection) -> None:
    """A statement that the driver would have prepared behind a failing one is prepared when it returns."""
    for _ in range(5):  # the sixth time the driver prepares it
        with connection.begin():
            assert count(connection) == 0
    with pytest.raises(DBAPIError), connection.begin(), direct.together(connection):
        put_and_count(connection, 11)
    for number in range(1, 8):
        with connection.begin(), direct.together(connection):
            assert put_and_count(connection, number) == number


def count(connection: Connection) -> int:
    """How many numbers above 0 there are."""
    (found,) = direct.rows(connection, COUNT, {"above": 0}, Count)
    return found.numbers


def put(connection: Connection, *numbers: int) -> None:
    """Put some numbers, a statement each."""
    for number in numbers:
        direct.carry_out(connection, PUT, {"number": number})


def put_and_count(connection: Connection, number: int) -> int:
    """Put a number and count all, without waiting in between."""
    put(connection, number)
    return count(connection)
