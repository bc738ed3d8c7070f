"""Whatever the source holds and however it changes, the next good import makes the database equal to it."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from core.demo.table import Table
from core.runs import Mode, Status
from tests.support.comparison import DATES, differences
from tests.support.imports import Importing, importing
from tests.support.postgres import Postgres
from tests.support.standin import START, StandIn, conversations

RUBBISH: list[object] = [
    *(None, "", "   ", "\0", "\ud800", "NaN\0", True, False, 0, 2025.0, 1e22, -1, 7.5),
    *([], [None], ["", "Yes"], ["Spine", "Center"], {"error": "#ERROR!"}, {"specialValue": "NaN"}),
    *("x" * 501, "x" * 1_000_000, "Ünïcode ß", "\u200b"),
]
CLINICS = st.sampled_from(
    ["Spine Center", " spine  CENTER ", "Straße", "STRASSE", ["", "Back Office"], *RUBBISH]
)
PEOPLE = st.sampled_from(["u1", "u2", "U1", 2025.0, "2025", *RUBBISH])
WORDS = st.sampled_from(["Ann", "Bob", "ann@example.com", "(555) 555-0100", *RUBBISH])
DATE_CELLS: st.SearchStrategy[object] = st.sampled_from(
    [*DATES, None, "", "\0", False, {"error": "#ERROR!"}, []]
)
YES = st.sampled_from(["Yes", "yes ", "YES", "no", True, False, ["Yes"], None, {"error": "#ERROR!"}, 1])
CELLS: dict[str, st.SearchStrategy[object]] = {
    "Clinic": CLINICS,
    "User ID": PEOPLE,
    "Name": WORDS,
    "Email": WORDS,
    "Phone": WORDS,
    "Automation": st.sampled_from(["Website Chatbot", "website  chatbot", "New One", None, True, "y" * 501]),
    "Conversation Date": DATE_CELLS,
    "Engaged": YES,
    "Lead Created": YES,
    "Booking": DATE_CELLS,
}
RECORD = st.fixed_dictionaries({}, optional=CELLS)
NEEDED = ("Clinic", "User ID")
GOOD = st.fixed_dictionaries(
    {name: CELLS[name] for name in NEEDED},
    optional={name: cell for name, cell in CELLS.items() if name not in NEEDED},
)
EDIT = st.one_of(
    st.tuples(st.just("create"), GOOD | RECORD),
    st.tuples(st.just("update"), st.integers(0, 40), RECORD),
    st.tuples(st.just("delete"), st.integers(0, 40)),
    st.tuples(st.just("return"), st.integers(0, 40)),
)
STEP = st.tuples(st.sampled_from(list(Mode)), st.lists(EDIT, max_size=8))


class Story:
    """A source that is edited between imports; what was deleted may return."""

    def __init__(self, standin: StandIn) -> None:
        """Nothing was deleted yet."""
        self.table: Table = standin.table
        self.standin = standin
        self.gone: list[tuple[str, dict[str, object]]] = []
        self.deleted = False

    def tell(self, edit: tuple[Any, ...]) -> None:
        """Carry out one edit, where there is something to edit."""
        kind, *rest = edit
        at = self.standin.advance(30)
        records = self.table.records()
        if kind == "create":
            self.table.create(rest[0], at=at)
        elif kind == "return" and self.gone:
            record_id, cells = self.gone.pop(rest[0] % len(self.gone))
            self.table.create(cells, at=at, record_id=record_id)
        elif kind == "update" and records:
            self.table.update(records[rest[0] % len(records)].id, rest[1], at=at)
        elif kind == "delete" and records:
            record = self.table.delete(records[rest[0] % len(records)].id)
            self.gone.append((record.id, dict(record.cells)))
            self.deleted = True


# Without shrinking: each example runs several imports, and the first failing one tells enough.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)


@settings(max_examples=30, phases=PHASES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=st.lists(GOOD | RECORD, max_size=25), steps=st.lists(STEP, max_size=4))
def test_the_database_equals_the_source(
    postgres: Postgres,
    template_database: str,
    first: list[dict[str, object]],
    steps: list[tuple[Mode, list[tuple[Any, ...]]]],
) -> None:
    """After any edits: equal after a full import, and after an incremental one in all but deletions."""
    with (
        StandIn(conversations(0, cells=first)) as standin,
        postgres.database(template_database) as url,
        importing(standin, url) as product,
    ):
        story = Story(standin)
        imported(product, Mode.FULL)
        assert differences(standin.table, url) == []
        for mode, edits in steps:
            for edit in edits:
                story.tell(edit)
            standin.advance(600)
            imported(product, mode)
            if mode is Mode.FULL:
                story.deleted = False
            if not story.deleted:
                assert differences(standin.table, url) == []
        imported(product, Mode.FULL)
        assert differences(standin.table, url) == []


def imported(product: Importing, mode: Mode) -> None:
    """Run an import that must succeed and whose counters must add up."""
    ended = product.run(mode, allow_mass_delete=True)
    assert ended.status is Status.SUCCEEDED, ended.errors
    row = product.row(ended.import_id)
    assert row["processed"] == row["created"] + row["updated"] + row["unchanged"] + row["rejected"]


@pytest.mark.parametrize("years", [1, 9999])
def test_the_ends_of_time(years: int, database_url: str) -> None:
    """Moments in the years 1 and 9999 end as rows; the import goes on."""
    cells = {"Clinic": "Old", "User ID": "u", "Conversation Date": f"{years:04}-12-31T23:59:00.000Z"}
    with StandIn(conversations(3, cells=[cells])) as standin, importing(standin, database_url) as product:
        assert product.full().status is Status.SUCCEEDED
        assert product.rows("SELECT count(*) AS n FROM conversations") == [{"n": 4}]


def test_an_edit_just_before_the_watermark_is_not_missed(database_url: str) -> None:
    """Edits that carry a time up to five minutes before the last import's start are read by the next one."""
    with StandIn(conversations(5)) as standin, importing(standin, database_url) as product:
        product.full()
        record = standin.table.records()[0]
        standin.table.update(record.id, {"Name": "Late"}, at=START - timedelta(minutes=4, seconds=59))
        product.incremental()
        assert differences(standin.table, database_url) == []
