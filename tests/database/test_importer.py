"""The import engine over real HTTP and a real PostgreSQL: what one run does, and how it ends."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, TextClause

from core import direct, importer, queries, store
from core.control import Control
from core.database import IMPORT_LOCK, OWNER
from core.errors import ImportRunningError, SourceMismatchError, StoppingError
from core.importer import Import, Order
from core.reading import Reading
from core.records import Column, Outcome
from core.rules import Ruleset
from core.runs import Mode, Status, Trigger
from core.seen import Seen
from tests.support.comparison import COMPARED, LEFT_OUT, differences
from tests.support.imports import COLUMNS, ZONE, Importing, counters, importing
from tests.support.postgres import Postgres
from tests.support.standin import START, StandIn, conversations, is_page, unauthorized
from tests.support.waiting import cut_connections, full_once_free, until

DATA_TABLES = (
    *("clients", "locations", "automations", "location_automations", "customers"),
    *("conversations", "bookings", "leads", "rejected_records"),
)


@pytest.fixture
def standin() -> Iterator[StandIn]:
    """An Airtable with 250 plain conversations."""
    with StandIn(conversations(250)) as running:
        yield running


@contextmanager
def holding_the_lock(url: str) -> Iterator[psycopg.Connection]:
    """Somebody's connection that holds the import's lock, with no row that says so."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s, %s)", [OWNER, IMPORT_LOCK])
        yield connection


def row_versions(product: Importing) -> dict[str, list[dict[str, Any]]]:
    """Where each row lies and which transactions wrote or locked it: a write or a row lock changes it."""
    return {
        table: product.rows(f"SELECT ctid::text, xmin::text, xmax::text FROM {table} ORDER BY ctid")  # noqa: S608 (own names)
        for table in DATA_TABLES
    }


def test_full_import_equals_the_source(product: Importing, standin: StandIn) -> None:
    """After a full import that succeeded, the live data equal the source, and the counters say so."""
    ended = product.full()
    assert ended.status is Status.SUCCEEDED
    assert differences(standin.table, product.url) == []
    row = product.row(ended.import_id)
    assert counters(row) == {"processed": 250, "created": 250}
    assert (row["conversations"], row["bookings"], row["leads"], row["engaged"]) == (250, 50, 125, 84)
    assert row["pages"] == 3
    assert row["progress"] is None


def test_reading_goes_on_while_the_longest_statement_runs(
    product: Importing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each batch lets the reader go on just before its conversations are written."""
    steps: list[str] = []
    make_room, carry_out = Reading.make_room, direct.carry_out

    def let_read(reading: Reading[Any]) -> None:
        steps.append("room")
        make_room(reading)

    def sent(connection: Connection, statement: TextClause, values: Mapping[str, object]) -> None:
        steps.append("conversations" if statement is store.INSERT_CONVERSATIONS else "other")
        carry_out(connection, statement, values)

    monkeypatch.setattr(Reading, "make_room", let_read)
    monkeypatch.setattr(direct, "carry_out", sent)
    product.full()
    written = [index for index, step in enumerate(steps) if step == "conversations"]
    assert len(written) == 3
    assert [steps[index - 1] for index in written] == ["room"] * 3


def test_unchanged_import_writes_nothing(product: Importing) -> None:
    """An import that finds nothing changed writes no row and takes no row lock in any data table."""
    product.full()
    before = row_versions(product)
    again, incremental = product.full(), product.incremental()
    assert counters(product.row(again.import_id)) == {"processed": 250, "unchanged": 250}
    assert incremental.status is Status.SUCCEEDED
    assert row_versions(product) == before
    assert not product.row(again.import_id)["changed_data"]


def test_the_server_counts_no_write_either(product: Importing) -> None:
    """PostgreSQL's own statistics show no write in any data table for an import that changed nothing."""

    def written() -> dict[str, int]:
        """Writes by table; a session's own are there once it has left."""
        others = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        until(lambda: not product.rows(others), "the import's session leaves")
        rows = product.rows(
            "SELECT relname, n_tup_ins + n_tup_upd + n_tup_del AS writes FROM pg_stat_user_tables"
            " WHERE relname = ANY(%s)",
            list(DATA_TABLES),
        )
        return {row["relname"]: row["writes"] for row in rows}

    product.full()
    before = written()
    assert before["conversations"] >= 250
    product.full()
    assert written() == before


def test_incremental_equals_after_edits_of_every_kind(
    product: Importing, standin: StandIn, postgres: Postgres, template_database: str
) -> None:
    """One incremental import after edits of every kind equals a fresh full import of the same source."""
    product.full()
    table, at = standin.table, standin.advance(3600)
    ids = [record.id for record in table.records()]
    edits: list[dict[str, object]] = [
        {"Booking": None},
        {"Booking": "March 14, 2025"},
        {"Booking": "January 8, 2026 9:00 AM"},
        {"Booking": "2025 - call back"},
        {"Lead Created": False},
        {"Lead Created": "Yes"},
        {"Engaged": "no"},
        {"Clinic": "Another  Clinic"},
        {"Clinic": "another clinic "},
        {"Automation": "Something New"},
        {"Automation": None},
        {"User ID": "user-1"},
        {"User ID": None},
        {"Clinic": None},
        {"Name": "Renamed", "Email": None, "Phone": 5550100.0},
        {"Conversation Date": "3/14/2025 2:30 PM"},
        {"Conversation Date": "soon"},
        {"Conversation Date": None},
        {"Clinic": "x" * 501},
    ]
    for record_id, cells in zip(ids, edits, strict=False):
        table.update(record_id, cells, at=at)
    table.create({"Clinic": "Late Clinic", "User ID": "late"}, at=at)
    ended = product.incremental()
    assert ended.status is Status.SUCCEEDED
    assert product.row(ended.import_id)["mode"] == "incremental"
    assert counters(product.row(ended.import_id)) == {
        "processed": 20,
        "created": 1,
        "updated": 15,
        "unchanged": 1,
        "rejected": 3,
    }
    assert differences(table, product.url) == []
    with postgres.database(template_database) as other, importing(standin, other) as fresh:
        assert fresh.full().status is Status.SUCCEEDED
        assert differences(table, other) == []


def test_an_incremental_import_that_fits_a_page_costs_one_request(
    product: Importing, standin: StandIn
) -> None:
    """An incremental import asks only for what changed since the watermark, with the mapped columns alone."""
    product.full()
    sent = len(standin.seen)
    standin.table.update(standin.table.records()[0].id, {"Name": "New"}, at=standin.advance(60))
    product.incremental()
    requests = standin.seen[sent:]
    assert len(requests) == 1
    assert sorted(requests[0].params["fields[]"]) == sorted(COLUMNS.values())
    assert "LAST_MODIFIED_TIME()" in requests[0].params["filterByFormula"]


def test_a_record_that_returns_is_live_again(product: Importing, standin: StandIn) -> None:
    """What vanished is deleted by the next full import; what returns is live again and counts as updated."""
    product.full()
    gone = standin.table.delete(standin.table.records()[7].id)
    ended = product.full()
    assert counters(product.row(ended.import_id)) == {"processed": 249, "unchanged": 249, "deleted": 1}
    assert differences(standin.table, product.url) == []
    standin.table.create(gone.cells, at=standin.advance(600), record_id=gone.id)
    ended = product.incremental()
    assert counters(product.row(ended.import_id)) == {"processed": 1, "updated": 1}
    assert differences(standin.table, product.url) == []


def test_absent_records_are_asked_for_again(product: Importing, standin: StandIn) -> None:
    """A record that a listing skipped, but that is there when asked for by id, is not deleted."""
    product.full()
    hidden = standin.table.records()[3]
    shown = standin.table.delete(hidden.id)
    standin.after_page(
        len(standin.pages()) + 3,
        lambda table: table.create(shown.cells, at=START, record_id=shown.id),
    )
    ended = product.full()
    assert counters(product.row(ended.import_id)) == {"processed": 250, "unchanged": 250}
    asked = standin.pages()[-1].params["filterByFormula"]
    assert hidden.id in asked
    assert differences(standin.table, product.url) == []


def test_mass_deletion_is_refused_until_a_person_allows_it(product: Importing, standin: StandIn) -> None:
    """More than MAX_DELETE_PERCENT and more than 10 rows are not deleted, unless a person allows it."""
    product.full()
    records = standin.table.records()
    for record in records[:51]:
        standin.table.delete(record.id)
    standin.table.update(records[-1].id, {"Name": "Changed"}, at=standin.advance(60))
    ended = product.full()
    row = product.row(ended.import_id)
    assert ended.status is Status.PARTIAL
    assert [error["code"] for error in ended.errors] == ["mass_deletion_refused"]
    assert counters(row) == {"processed": 199, "updated": 1, "unchanged": 198}
    assert len(row["refused_deletions"]) == 51
    assert row["watermark"] is None
    allowed = product.full(allow_mass_delete=True)
    assert allowed.status is Status.SUCCEEDED
    assert product.row(allowed.import_id)["deleted"] == 51
    assert differences(standin.table, product.url) == []


@pytest.mark.parametrize(("gone", "status"), [(10, Status.SUCCEEDED), (11, Status.PARTIAL)])
def test_few_rows_may_always_go(gone: int, status: Status, database_url: str) -> None:
    """Up to 10 rows are deleted whatever share of the table they are."""
    with StandIn(conversations(20)) as standin, importing(standin, database_url) as product:
        product.full()
        for record in standin.table.records()[:gone]:
            standin.table.delete(record.id)
        assert product.full().status is status


def test_rejections_open_change_and_close(product: Importing, standin: StandIn) -> None:
    """One open row a record; an unchanged rejection writes nothing; it closes and is erased when mended."""
    product.full()
    record = standin.table.records()[0]
    standin.table.update(record.id, {"Clinic": None, "Phone": [2.0**62, 0.1]}, at=standin.advance(60))
    first = product.incremental()
    assert counters(product.row(first.import_id)) == {"processed": 1, "rejected": 1}
    assert differences(standin.table, product.url) == []
    before = row_versions(product)
    product.full()
    assert row_versions(product) == before
    standin.table.update(record.id, {"Clinic": "Mended"}, at=standin.advance(600))
    product.incremental()
    assert differences(standin.table, product.url) == []
    assert [row["cells"] for row in product.rows("SELECT cells FROM rejected_records")] == [None]


def test_a_rejected_record_that_vanishes_is_closed(product: Importing, standin: StandIn) -> None:
    """A full import that no longer finds a rejected record closes its rejection; it is no deletion."""
    record = standin.table.create({"User ID": "lost"}, at=START)
    product.full()
    standin.table.delete(record.id)
    ended = product.full()
    assert counters(product.row(ended.import_id)) == {"processed": 250, "unchanged": 250}
    assert differences(standin.table, product.url) == []


@pytest.mark.parametrize(
    ("mode", "counted"),
    [
        (Mode.INCREMENTAL, {"processed": 1, "created": 1}),
        (Mode.FULL, {"processed": 250, "created": 1, "unchanged": 249}),
    ],
)
def test_the_database_refuses_one_record(
    product: Importing, standin: StandIn, mode: Mode, counted: dict[str, int]
) -> None:
    """A record that PostgreSQL refuses (classes 22, 23, 54) is found and rejected alone, then read again.

    An incremental import does so by id, so a full one does not count the record as missed.
    """
    bad = standin.table.records()[42]
    product.execute(f"""
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.external_id = '{bad.id}' THEN RAISE EXCEPTION USING ERRCODE = '22023'; END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON conversations
        FOR EACH ROW EXECUTE FUNCTION refuse();
    """)
    ended = product.full()
    assert ended.status is Status.SUCCEEDED
    assert counters(product.row(ended.import_id)) == {"processed": 250, "created": 249, "rejected": 1}
    open_rows = product.rows("SELECT external_id, reason, cells FROM rejected_records")
    assert open_rows == [{"external_id": bad.id, "reason": "database_error", "cells": dict(bad.cells)}]
    product.execute("DROP TRIGGER refuse ON conversations")
    again = product.run(mode)
    assert counters(product.row(again.import_id)) == counted
    assert differences(standin.table, product.url) == []


@pytest.mark.parametrize("sqlstate", ["P0001", "42501", "XX000"])
def test_other_database_errors_end_the_run(product: Importing, standin: StandIn, sqlstate: str) -> None:
    """What is not a record's own fault fails the run and rejects nothing; what was committed stays."""
    bad = standin.table.records()[142]
    product.execute(f"""
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.external_id = '{bad.id}' THEN RAISE EXCEPTION 'no' USING ERRCODE = '{sqlstate}'; END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER refuse BEFORE INSERT ON conversations FOR EACH ROW EXECUTE FUNCTION refuse();
    """)
    ended = product.full()
    assert ended.status is Status.FAILED
    assert counters(product.row(ended.import_id)) == {"processed": 100, "created": 100}
    assert product.rows("SELECT * FROM rejected_records") == []
    product.execute("DROP TRIGGER refuse ON conversations")
    assert product.full().status is Status.SUCCEEDED
    assert differences(standin.table, product.url) == []


def test_the_connection_is_cut_in_the_middle(product: Importing, standin: StandIn, database_url: str) -> None:
    """A run that loses its connection takes the lock again and goes on; no batch is counted twice."""

    def cut(batch: int) -> None:
        if batch == 2:
            with psycopg.connect(database_url, autocommit=True) as other:
                other.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )

    product.plant = replace(product.plant, committed=cut)
    ended = product.full()
    assert ended.status is Status.SUCCEEDED
    assert counters(product.row(ended.import_id)) == {"processed": 250, "created": 250}
    assert differences(standin.table, product.url) == []


def test_one_at_a_time(product: Importing) -> None:
    """While one import holds the lock another is refused and names it; the first is not disturbed."""
    first = Import(product.plant, Order(Mode.FULL, Trigger.MANUAL, "api"), Control())
    import_id = first.begin()
    with pytest.raises(ImportRunningError, match=f"Import {import_id} is running") as refused:
        product.full()
    assert refused.value.import_id == import_id
    assert first.run().status is Status.SUCCEEDED
    assert len(product.rows("SELECT * FROM import_logs")) == 1


def test_a_lock_that_is_changing_hands_is_waited_for(product: Importing) -> None:
    """Between a row's end and its lock's end an import may be begun: it is, a moment later."""
    with holding_the_lock(product.url) as holder:
        letting_go = threading.Timer(0.2, holder.execute, ["SELECT pg_advisory_unlock_all()"])
        letting_go.start()
        assert product.full().status is Status.SUCCEEDED
        letting_go.join()


def test_a_lock_that_nobody_lets_go_is_not_waited_for_long(product: Importing) -> None:
    """Whoever holds it without a row to say so: after a moment the import is refused, and nothing written."""
    with holding_the_lock(product.url), pytest.raises(ImportRunningError, match="Another import is running"):
        product.full()
    assert product.rows("SELECT * FROM import_logs") == []


def test_an_import_that_waits_to_begin_can_be_stopped(product: Importing) -> None:
    """It then never begins."""
    control = Control()
    control.interrupt()
    with holding_the_lock(product.url), pytest.raises(StoppingError):
        product.run(Mode.FULL, control)
    assert product.rows("SELECT * FROM import_logs") == []


def test_another_source_is_refused_before_anything_is_written(product: Importing) -> None:
    """A database holds one source: an import from another one names both and the cure, and writes nothing."""
    product.full()
    held = product.plant.identity
    product.plant = replace(product.plant, identity="base appOther")
    with pytest.raises(SourceMismatchError) as refused:
        product.full()
    assert all(part in refused.value.message for part in (held, "base appOther", "reset-data --yes"))
    assert len(product.rows("SELECT * FROM import_logs")) == 1


def test_a_source_that_never_answered_binds_nothing(product: Importing) -> None:
    """A first import with a mistyped base fails; once the setting is mended, the next one goes ahead."""
    right = product.plant
    wrong = replace(right.source, base="appMistyped")
    product.plant = replace(right, source=wrong, identity="base appMistyped")
    assert product.full().status is Status.FAILED
    product.plant = right
    assert product.full().status is Status.SUCCEEDED
    assert product.rows("SELECT identity FROM data_source") == [{"identity": right.identity}]


def test_changed_rules_make_the_next_import_a_full_one(product: Importing, standin: StandIn) -> None:
    """Where BOOKING_YEARS differ, the next import reads everything and its row says why.

    What the rules changed no incremental import could have seen: it does not count as missed.
    """
    long_ago = START - timedelta(hours=1)
    standin.table.update(standin.table.records()[0].id, {"Booking": "January 8, 2026 9:00 AM"}, at=long_ago)
    product.full()
    years = ("2025", "2026")
    product.plant = replace(product.plant, ruleset=Ruleset(COLUMNS, years, ZONE))
    ended = product.incremental(notes="by hand")
    row = product.row(ended.import_id)
    assert row["mode"] == "full"
    assert "by hand" in row["notes"]
    assert "BOOKING_YEARS" in row["notes"]
    assert counters(row) == {"processed": 250, "updated": 1, "unchanged": 249}
    assert differences(standin.table, product.url, years) == []


def test_a_table_without_a_column(product: Importing, standin: StandIn) -> None:
    """A column that is switched off is neither asked for nor missed."""
    columns: dict[Column, str] = {**COLUMNS}
    del columns[Column.PHONE]
    plant = product.plant
    source = replace(plant.source, columns=columns)
    product.plant = replace(plant, source=source, ruleset=Ruleset(columns, ("2025",), ZONE))
    assert product.full().status is Status.SUCCEEDED
    assert "Phone" not in standin.seen[0].params["fields[]"]
    assert product.rows("SELECT DISTINCT phone FROM customers") == [{"phone": None}]


def test_cancelled_by_another_process(product: Importing, database_url: str) -> None:
    """A wish in the run's row stops it at the next batch; its counters stay, the watermark does not move."""

    def ask(batch: int) -> None:
        if batch == 1:
            with psycopg.connect(database_url) as other:
                other.execute(
                    "UPDATE import_logs SET cancel_requested_at = now(), cancel_requested_by = 'Ann'"
                )

    product.plant = replace(product.plant, committed=ask)
    ended = product.full()
    row = product.row(ended.import_id)
    assert ended.status is Status.CANCELLED
    assert row["errors"] == [{"code": "cancelled", "message": "Cancelled by Ann."}]
    assert 100 <= row["processed"] < 250
    assert row["watermark"] is None


def test_interrupted_while_waiting(
    product: Importing, standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is stopped ends its run as interrupted, also while it waits for Airtable."""
    monkeypatch.setattr(importer, "REFRESH_SECONDS", 0.05)
    control = Control()

    def interrupt() -> None:
        until(lambda: standin.seen, "the first request")
        control.interrupt()

    stopping = threading.Thread(target=interrupt)
    with standin.held():
        stopping.start()
        ended = product.run(Mode.FULL, control)
        stopping.join()
    assert ended.status is Status.INTERRUPTED
    assert product.row(ended.import_id)["errors"][0]["code"] == "process_stopped"
    assert product.row(ended.import_id)["processed"] == 0


def test_an_incremental_import_says_nothing_of_the_sources_count(product: Importing) -> None:
    """It reads only what changed: how many records the source holds the last full one knows."""
    product.full()
    product.incremental()
    with product.plant.engine.connect() as connection:
        _, odd = queries.reckoning(connection, ("2025",), ())
    assert odd["source_count"] == 0


def test_a_failed_run_does_not_move_the_watermark(product: Importing, standin: StandIn) -> None:
    """Only a run that succeeded moves the watermark: what a failed one missed is read by the next."""
    product.full()
    standin.table.update(standin.table.records()[0].id, {"Name": "New"}, at=standin.advance(3600))
    standin.fail(unauthorized(), on=is_page)
    assert product.incremental().status is Status.FAILED
    standin.advance(24 * 3600)
    assert product.incremental().status is Status.SUCCEEDED
    assert differences(standin.table, product.url) == []


def test_the_watermark_is_the_sources_time_less_five_minutes(product: Importing, standin: StandIn) -> None:
    """The watermark is the run's start by the source's clock, less five minutes for edits in flight."""
    standin.after_page(2, lambda _: standin.advance(60))
    ended = product.full()
    row = product.row(ended.import_id)
    assert row["source_started_at"] == START
    assert row["watermark"] == START - timedelta(minutes=5)
    standin.table.update(standin.table.records()[0].id, {"Name": "Late"}, at=START - timedelta(minutes=1))
    product.incremental()
    assert differences(standin.table, product.url) == []


def test_a_dead_run_is_told(product: Importing) -> None:
    """A row that says `running` while nobody holds the lock is marked interrupted at the next start.

    Where the run was only cut off, it finds that out and leaves the row and the data alone.
    """
    dead = Import(product.plant, Order(Mode.FULL, Trigger.MANUAL, "api"), Control())
    import_id = dead.begin()
    product.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    assert product.full().status is Status.SUCCEEDED
    row = product.row(import_id)
    assert row["status"] == "interrupted"
    assert row["errors"][0]["code"] == "process_died"
    dead.run()
    assert product.row(import_id) == row


def test_a_full_import_counts_what_incremental_ones_missed(product: Importing, standin: StandIn) -> None:
    """What a full import changes though Airtable's modified time does not show it counts as missed."""
    product.full()
    first, second, third = (record.id for record in standin.table.records()[:3])
    standin.table.update(first, {"Name": "Computed"}, at=None)
    standin.table.update(second, {"Name": "Edited"}, at=standin.advance(3600))
    assert product.incremental().status is Status.SUCCEEDED
    standin.table.update(third, {"Name": "Edited later"}, at=standin.advance(3600))
    standin.advance(600)
    row = product.row(product.full().import_id)
    assert counters(row) == {"processed": 250, "updated": 2, "unchanged": 248, "missed": 1}
    assert differences(standin.table, product.url) == []


def test_every_column_is_compared_or_left_out_with_a_reason(product: Importing) -> None:
    """No column of a data table escapes the comparison unnoticed."""
    columns = product.rows(
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND table_name = ANY(%s)",
        list(DATA_TABLES),
    )
    known = {f"{table}.{column}" for table, compared in COMPARED.items() for column in compared} | set(
        LEFT_OUT
    )
    assert {f"{row['table_name']}.{row['column_name']}" for row in columns} == known


# What nobody foresaw


def test_an_unforeseen_fault_fails_the_run_without_its_words(
    product: Importing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row says that it failed, and of what kind; an error's own words may quote a cell."""

    def fail(*_: object) -> None:
        raise LookupError("person0@example.com")

    monkeypatch.setattr(importer, "decide", fail)
    ended = product.full()
    (error,) = product.row(ended.import_id)["errors"]
    assert (ended.status, error["code"]) == (Status.FAILED, "unexpected")
    assert "LookupError" in error["message"]
    assert "person0" not in error["message"]


def test_what_was_read_and_what_was_counted_must_agree(
    product: Importing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record too many among those that were read is no success."""

    def one_more(_: Seen, __: object) -> dict[Outcome, int]:
        return {Outcome.CREATED: 251}

    monkeypatch.setattr(Seen, "counts", one_more)
    ended = product.full()
    assert (ended.status, ended.errors[0]["code"]) == (Status.PARTIAL, "count_mismatch")
    assert ended.errors[0]["message"].startswith("251 records were read and 250 counted; ")


def test_a_lock_that_stays_lost_ends_the_run(product: Importing, standin: StandIn) -> None:
    """Where another import takes the lock of one that was cut off, and keeps it, the first gives up."""
    with ExitStack() as other:

        def overtake(batch: int) -> None:
            if batch == 1:
                cut_connections(product.url)
                other.enter_context(holding_the_lock(product.url))

        product.plant = replace(product.plant, committed=overtake, database_patience_seconds=0.2)
        ended = product.full()
    assert (ended.status, ended.errors[0]["code"]) == (Status.FAILED, "lost_run")
    product.plant = replace(product.plant, committed=lambda _: None)
    assert full_once_free(product).status is Status.SUCCEEDED
    assert differences(standin.table, product.url) == []
