"""How things stand: what the version of the data changes with, and which figures are incomplete."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import cast

import pytest
from sqlalchemy import RowMapping

from core import standing
from core.reports import StatusReport
from core.settings import load
from core.standing import Standing
from tests.support.imports import Importing
from tests.support.services import NO_FILE
from tests.support.standin import StandIn, conversations

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
ROW = cast("RowMapping", {"watermark": NOW})


@pytest.fixture
def standin() -> Iterator[StandIn]:
    """An Airtable with 150 conversations, which are two batches."""
    with StandIn(conversations(150)) as running:
        yield running


def test_the_version_changes_with_every_batch_and_every_end(product: Importing) -> None:
    """Each of them may change what pages remember; an end that changes no data may change the verdict."""
    versions: list[str] = []

    def note(_: object = None) -> None:
        with product.plant.engine.connect() as connection:
            versions.append(standing.read(connection, load({}, NO_FILE), NOW).version)

    note()
    quiet, product.plant = product.plant, replace(product.plant, committed=note)
    product.full()
    note()
    product.plant = quiet
    product.full()  # it finds nothing changed
    note()
    assert len(set(versions)) == len(versions) == 5
    note()
    assert versions[-1] == versions[-2]


@pytest.mark.parametrize(
    ("running", "succeeded", "holds_data", "first_runs", "broken_off"),
    [
        (False, False, False, False, False),
        (False, False, True, False, True),
        (True, False, False, True, False),
        (True, False, True, True, False),
        (False, True, True, False, False),
        (True, True, True, False, False),
    ],
)
def test_figures_are_incomplete_until_an_import_has_succeeded(
    *, running: bool, succeeded: bool, holds_data: bool, first_runs: bool, broken_off: bool
) -> None:
    """Where there are any, and none is on its way."""
    stands = Standing(
        report=cast("StatusReport", None),
        running=ROW if running else None,
        last_ended=None,
        last_success=ROW if succeeded else None,
        holds_data=holds_data,
        beat=ROW,
        missed=0,
        version="0",
    )
    assert (stands.first_runs, stands.broken_off) == (first_runs, broken_off)
