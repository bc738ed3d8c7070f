"""*Try again*: an import of the open rejected records alone (ui: data quality)."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from core import alerts, queries, reports, slots
from core.database import engine
from core.runs import Mode, Status
from core.settings import load
from core.timetable import Job, Slot
from tests.support.comparison import differences
from tests.support.imports import CLOCK, Importing, counters, importing
from tests.support.services import NO_FILE
from tests.support.standin import START, StandIn, conversations, unauthorized


@pytest.fixture
def standin() -> Iterator[StandIn]:
    """An Airtable with 20 plain conversations and two records without a clinic."""
    table = conversations(20)
    for user in ("lost-1", "lost-2"):
        table.create({"User ID": user}, at=START - timedelta(hours=1))
    with StandIn(table) as running:
        yield running


@pytest.fixture
def product(standin: StandIn, database_url: str) -> Iterator[Importing]:
    """The importer, which has read that Airtable once."""
    with importing(standin, database_url) as ready:
        assert ready.full().status is Status.SUCCEEDED
        yield ready


def test_it_takes_what_was_mended_and_reads_nothing_else(product: Importing, standin: StandIn) -> None:
    """Both rejected records are asked for by id; one is mended, the other stays as it is."""
    mended, kept = standin.table.records()[-2:]
    standin.table.update(mended.id, {"Clinic": "Clinic 1"}, at=standin.advance(3600))
    before = len(standin.seen)
    again = product.incremental(only_rejected=True)
    assert again.status is Status.SUCCEEDED
    assert counters(product.row(again.import_id)) == {"processed": 2, "created": 1, "rejected": 1}
    (asked,) = standin.seen[before:]
    assert mended.id in asked.params["filterByFormula"]
    open_now = product.rows("SELECT external_id FROM rejected_records WHERE resolved_at IS NULL")
    assert open_now == [{"external_id": kept.id}]
    assert differences(standin.table, product.url) == []


def test_an_edit_before_it_is_still_read_by_the_next_import(product: Importing, standin: StandIn) -> None:
    """It does not move the watermark, for it did not read what changed."""
    (first,) = product.rows("SELECT watermark FROM import_logs")
    standin.table.update(standin.table.records()[0].id, {"Name": "Renamed"}, at=standin.advance(3600))
    standin.advance(3600)
    again = product.incremental(only_rejected=True)
    assert product.row(again.import_id)["watermark"] == first["watermark"]
    changes = product.incremental()
    assert counters(product.row(changes.import_id)) == {"processed": 1, "updated": 1}
    assert differences(standin.table, product.url) == []


def test_nothing_rejected_asks_nothing(product: Importing, standin: StandIn) -> None:
    """A button that is pressed twice does no harm."""
    for record in standin.table.records()[-2:]:
        standin.table.update(record.id, {"Clinic": "Clinic 1"}, at=standin.advance(3600))
    product.incremental()
    before = len(standin.seen)
    assert product.incremental(only_rejected=True).status is Status.SUCCEEDED
    assert len(standin.seen) == before


def test_it_fails_like_any_import(product: Importing, standin: StandIn) -> None:
    """With an entry for people, and without a watermark."""
    standin.fail(unauthorized(), on=lambda _: True, times=None)
    again = product.incremental(only_rejected=True)
    row = product.row(again.import_id)
    assert (row["status"], row["watermark"]) == ("failed", None)
    assert "AIRTABLE_API_KEY" in row["errors"][0]["message"]


def test_where_a_full_import_is_due_it_is_one(product: Importing, standin: StandIn) -> None:
    """That reads the rejected records too, and moves the watermark."""
    (first,) = product.rows("SELECT watermark FROM import_logs")
    product.execute("UPDATE import_logs SET fingerprint = ''")
    standin.advance(3600)
    row = product.row(product.incremental(only_rejected=True).import_id)
    assert (row["mode"], row["status"]) == (Mode.FULL, "succeeded")
    assert row["watermark"] > first["watermark"]


def told(product: Importing) -> tuple[str, str | None, str]:
    """The last import as the status line, the alerts and the health have it."""
    made = engine(product.url)
    with made.connect() as connection:
        ended, run = queries.last_ended(connection), alerts.last_run(connection)
        health = reports.health(connection, load({}, NO_FILE), CLOCK.now(), "1", 0)
    made.dispose()
    return (ended["status"] if ended else "", run.status if run else None, health.status)


def test_it_does_not_hide_that_the_import_of_all_failed(product: Importing, standin: StandIn) -> None:
    """It reads nothing else, so what failed or was partial before stands until an import of all succeeds."""
    standin.fail(unauthorized(), on=lambda _: True)
    failed = product.incremental()
    again = product.incremental(only_rejected=True)
    assert (failed.status, again.status) == (Status.FAILED, Status.SUCCEEDED)
    assert told(product) == ("failed", "failed", "degraded")
    assert product.incremental().status is Status.SUCCEEDED
    assert told(product) == ("succeeded", "succeeded", "ok")


def test_it_makes_up_for_itself(product: Importing, standin: StandIn) -> None:
    """One that failed is shown, until one succeeds."""
    standin.fail(unauthorized(), on=lambda _: True)
    assert product.incremental(only_rejected=True).status is Status.FAILED
    assert told(product) == ("failed", "failed", "degraded")
    assert product.incremental(only_rejected=True).status is Status.SUCCEEDED
    assert told(product) == ("succeeded", "succeeded", "ok")


def test_it_does_not_make_up_for_a_missed_slot(product: Importing) -> None:
    """Which an import of all does."""
    slot = Slot(CLOCK.now(), Job.IMPORT)
    made = engine(product.url)
    with made.begin() as connection:
        slots.claim(connection, slot, "missed", "one", slot.at)
    made.dispose()
    product.incremental(only_rejected=True)
    assert told(product) == ("succeeded", "succeeded", "degraded")
    product.incremental()
    assert told(product) == ("succeeded", "succeeded", "ok")
