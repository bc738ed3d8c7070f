"""Any sequence of edits, faults, deaths and imports that ends with a good full import gives the source."""

from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from core.control import Control
from core.runs import Mode, Status
from tests.support import standin as faults
from tests.support.comparison import differences
from tests.support.imports import Importing, importing
from tests.support.postgres import Postgres
from tests.support.standin import Fault, StandIn, conversations, is_page
from tests.support.waiting import cut_connections

FAULTS: dict[str, Fault] = {
    "401": faults.unauthorized(),
    "422": faults.typed(422, "INVALID_FILTER_BY_FORMULA"),
    "expired": faults.expired_iterator(),
    "rate": faults.rate_limit(),
    "503": faults.unavailable(),
    "reset": faults.reset(),
    "cut short": faults.cut_short(),
    "not JSON": faults.not_json(),
    "{}": faults.empty_object(),
    "empty page": faults.changed_page(lambda _: {"records": []}),
    "malformed records": faults.with_records({"id": "recMalformed0000"}, None),
}
CELLS = st.fixed_dictionaries(
    {},
    optional={
        "Clinic": st.sampled_from(["Spine Center", "spine  center", "Back Office", None]),
        "User ID": st.sampled_from(["user-1", "user-2", "new", None]),
        "Name": st.sampled_from(["Ann", "Bob", None]),
        "Lead Created": st.booleans(),
        "Booking": st.sampled_from(["March 14, 2025", "2025 - call back", "soon", None]),
        "Conversation Date": st.sampled_from(["3/14/2025 2:30 PM", "soon", None]),
    },
)
PLACE = st.integers(0, 1_000)
BATCH = st.integers(1, 5)
MODE = st.sampled_from(list(Mode))  # Without shrinking: the first failing story tells enough.
SETTINGS = settings(
    max_examples=10,
    stateful_step_count=14,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=list(HealthCheck),
)


class DiedError(BaseException):
    """The process ends here, as far as the run can tell: nothing more of it is carried out."""


class Story(RuleBasedStateMachine):
    """A source, a database, and whatever happens to both."""

    def __init__(self, postgres: Postgres, template: str) -> None:
        super().__init__()
        self._open = ExitStack()
        self._gone: list[tuple[str, dict[str, object]]] = []
        self.standin = self._open.enter_context(StandIn(conversations(230)))
        url = self._open.enter_context(postgres.database(template))
        self.product: Importing = self._open.enter_context(importing(self.standin, url))
        self._plant = self.product.plant
        self._control = Control()

    @initialize(first=st.booleans())
    def maybe_imported(self, *, first: bool) -> None:
        """Some stories begin with an empty database."""
        if first:
            assert self.product.full().status is Status.SUCCEEDED

    # The source changes

    @rule(cells=CELLS)
    def create(self, cells: dict[str, object]) -> None:
        """A record comes."""
        self.standin.table.create(cells, at=self.standin.advance(30))

    @rule(cells=CELLS, place=PLACE)
    def update(self, cells: dict[str, object], place: int) -> None:
        """A record changes."""
        self.standin.table.update(self._record(place), cells, at=self.standin.advance(30))

    @rule(place=PLACE, number=st.sampled_from([1, 5, 60]))
    def delete(self, place: int, number: int) -> None:
        """Records go."""
        for _ in range(min(number, len(self.standin.table) - 1)):
            record = self.standin.table.delete(self._record(place))
            self._gone.append((record.id, dict(record.cells)))

    @precondition(lambda self: self._gone)
    @rule()
    def bring_back(self) -> None:
        """A record that went returns."""
        record_id, cells = self._gone.pop()
        self.standin.table.create(cells, at=self.standin.advance(30), record_id=record_id)

    # The next import is in for something

    @rule(fault=st.sampled_from(sorted(FAULTS)), ahead=st.integers(1, 4), times=st.sampled_from([1, 2, 9]))
    def plan_fault(self, fault: str, ahead: int, times: int) -> None:
        """Requests will fail."""
        first = len(self.standin.seen) + ahead
        self.standin.fail(FAULTS[fault], on=lambda seen: is_page(seen) and seen.number >= first, times=times)

    @rule(batch=BATCH)
    def plan_cut(self, batch: int) -> None:
        """The connection will be lost."""
        self._plan(batch, self._cut)

    @rule(batch=BATCH)
    def plan_death(self, batch: int) -> None:
        """The process will die."""
        self._plan(batch, self._die)

    @rule(batch=BATCH)
    def plan_stop(self, batch: int) -> None:
        """The process will be asked to stop."""
        self._plan(batch, self._control.interrupt)

    # Imports

    @rule(mode=MODE, allow=st.booleans())
    def run_import(self, mode: Mode, *, allow: bool) -> None:
        """An import runs, and however it ends its row says so."""
        self.standin.advance(60)
        try:
            ended = self.product.run(mode, self._control, allow_mass_delete=allow)
        except DiedError:
            return
        finally:
            self.product.plant, self._control = self._plant, Control()
        row = self.product.row(ended.import_id)
        assert row["status"] == ended.status
        assert row["processed"] == row["created"] + row["updated"] + row["unchanged"] + row["rejected"]
        assert (row["watermark"] is not None) is (ended.status is Status.SUCCEEDED)
        assert (row["errors"] == []) is (ended.status is Status.SUCCEEDED)

    @rule()
    def good_import(self) -> None:
        """Nothing is wrong any more: a full import, and the database equals the source."""
        self.standin.heal()
        self.product.plant = self._plant
        self.standin.advance(600)
        ended = self.product.full(allow_mass_delete=True)
        assert ended.status is Status.SUCCEEDED, ended.errors
        assert self.product.row(ended.import_id)["processed"] == len(self.standin.table)
        assert differences(self.standin.table, self.product.url) == []
        unfinished = "SELECT 1 FROM import_logs WHERE status = 'running'"
        assert self.product.rows(unfinished) == []

    def teardown(self) -> None:
        """Every story ends well."""
        with self._open:
            self.good_import()

    def _record(self, place: int) -> str:
        records = self.standin.table.records()
        return records[place % len(records)].id

    def _plan(self, batch: int, event: Any) -> None:  # noqa: ANN401 (a callable)
        def committed(number: int) -> None:
            if number == batch:
                event()

        self.product.plant = replace(self._plant, committed=committed)

    def _cut(self) -> None:
        cut_connections(self.product.url)

    def _die(self) -> None:
        self._cut()  # the lock goes with the process, and its row is left as it stands
        raise DiedError


def test_every_story_ends_with_the_source(postgres: Postgres, template_database: str) -> None:
    """Whatever happens, after the next good full import the database equals the source."""

    class Here(Story):
        def __init__(self) -> None:
            super().__init__(postgres, template_database)

    run_state_machine_as_test(Here, settings=SETTINGS)
