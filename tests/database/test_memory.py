"""An import's memory does not grow with the table: what must be known of all records lies in the database."""

import pytest

from core.importer import BATCH
from core.migration import migrate
from tests.support.postgres import Postgres
from tests.support.standin import StandIn, conversations
from tests.support.weighed import weighed

FEW, MANY = 500, 2500
# A list of the record ids alone takes 74, with what became of them twice as much.
BYTES_A_RECORD = 60
KINDS = ("all new", "all gone")


def held(url: str, records: int) -> dict[str, int]:
    """The bytes held when so many records are read, and when the last of them are taken away."""
    table = conversations(records)
    with StandIn(table) as standin, weighed(url, standin) as held_at:
        new = held_at(0)
        for record in table.records():
            table.delete(record.id)
        return dict(zip(KINDS, (new, held_at(records // BATCH)), strict=True))


@pytest.fixture(scope="module")
def growth(postgres: Postgres) -> dict[str, int]:
    """How many bytes more an import holds of many records than of few."""
    found = []
    for records in (FEW, MANY):
        with postgres.database() as url:
            migrate(url)
            found.append(held(url, records))
    few, many = found
    return {kind: many[kind] - few[kind] for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_memory_stays_flat(growth: dict[str, int], kind: str) -> None:
    """Four times the records, the same memory: read, and taken away."""
    assert growth[kind] < BYTES_A_RECORD * (MANY - FEW)
