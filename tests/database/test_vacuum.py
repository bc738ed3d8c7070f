"""The vacuum at an import's end: figures are counted in an index alone only where pages were vacuumed."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from core import store
from core.runs import Status
from tests.support.imports import Importing, importing
from tests.support.standin import START, StandIn, conversations

CHANGED = 250
VISIBLE = "SELECT relpages, relallvisible FROM pg_class WHERE relname = 'conversations'"
ANALYSED = "SELECT attname FROM pg_stats WHERE tablename = 'conversations'"


@pytest.fixture
def standin() -> Iterator[StandIn]:
    """An Airtable with plain conversations."""
    with StandIn(conversations(CHANGED)) as running:
        yield running


@pytest.fixture
def product(standin: StandIn, database_url: str) -> Iterator[Importing]:
    """The importer between that Airtable and an empty database."""
    with importing(standin, database_url) as ready:
        yield ready


def test_an_import_that_changed_much_leaves_figures_ready(
    product: Importing, standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every page of the table is known to be visible to all, after new rows and after changed ones."""
    monkeypatch.setattr(store, "WORTH_VACUUMING", CHANGED)
    for _ in range(2):
        product.full()
        [pages] = product.rows(VISIBLE)
        assert pages["relpages"] == pages["relallvisible"] > 0
        for record in standin.table.records():
            standin.table.update(record.id, {"Name": "Another"}, at=START)


def test_what_pages_filter_by_is_analysed(product: Importing, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks first after an import meets a planner that knows the columns that pages filter by."""
    monkeypatch.setattr(store, "WORTH_VACUUMING", CHANGED)
    monkeypatch.setattr(store, "ANALYSE", text("SELECT 1"))  # the first batch's
    product.full()
    known = {row["attname"] for row in product.rows(ANALYSED)}
    assert known >= {"client_id", "location_id", "automation_id", "local_date", "deleted_at"}


def test_an_import_that_changed_little_leaves_it_to_autovacuum(
    product: Importing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One row less than is worth it."""
    monkeypatch.setattr(store, "WORTH_VACUUMING", CHANGED + 1)
    product.full()
    [pages] = product.rows(VISIBLE)
    assert pages["relallvisible"] == 0


def test_a_vacuum_that_fails_leaves_the_import_as_good(
    product: Importing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is for speed alone: the import has ended before, and its row says so."""
    monkeypatch.setattr(store, "WORTH_VACUUMING", 1)
    monkeypatch.setattr(store, "VACUUM", text("VACUUM no_such_table"))
    ended = product.full()
    assert ended.status is Status.SUCCEEDED
    assert product.row(ended.import_id)["status"] == "succeeded"
