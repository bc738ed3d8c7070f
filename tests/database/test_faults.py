"""Airtable's faults on the wire: whatever goes wrong, nothing is lost or doubled, and the run says so.

Every case begins with 250 imported conversations, then edits, then an import into which the faults fall,
and ends with one good full import after which the database equals the source.
"""

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import pytest

from core.airtable import Reader, ReadingState
from core.demo.table import Table
from core.errors import RetryableSourceError
from core.importer import Ended
from core.listings import MOST_READERS, Source, everything
from core.pacer import Pacer
from core.runs import Mode, Status
from tests.support import standin as faults
from tests.support.comparison import differences
from tests.support.imports import CLOCK, COLUMNS, IMPATIENT, Importing, counters, importing
from tests.support.postgres import Postgres
from tests.support.standin import Fault, Seen, StandIn, conversations, is_page

RECORDS = 250
PLACES = {"first": 1, "middle": 2, "last": 3}
"""On which of the import's requests for its three pages a fault falls."""

Make = Callable[[], Fault]

PASSING: dict[str, Make] = {
    "500": faults.server_error,
    "502 HTML": faults.bad_gateway,
    "503": faults.unavailable,
    "503 Retry-After": lambda: faults.status(503, {}, Retry_After="0.1"),
    "429 rate": faults.rate_limit,
    "reset": faults.reset,
    "silence": faults.silence,
    "cut short": faults.cut_short,
    "not JSON": faults.not_json,
    "HTML as 200": lambda: faults.html(200),
    "{}": faults.empty_object,
    "no records": faults.page_without_records,
    "records null": lambda: faults.changed_page(lambda page: page | {"records": None}),
}
RESTARTING: dict[str, Make] = {
    "expired iterator": faults.expired_iterator,
    "repeated offset": faults.repeated_offset,
}
PERMANENT: dict[str, tuple[Make, str]] = {
    "401": (faults.unauthorized, "authentication_failed"),
    "403": (faults.forbidden, "access_denied"),
    "404": (faults.not_found, "not_found"),
    "422 column": (lambda: faults.typed(422, "UNKNOWN_FIELD_NAME"), "unknown_column"),
    "422 formula": (lambda: faults.typed(422, "INVALID_FILTER_BY_FORMULA"), "request_refused"),
    "422 view": (lambda: faults.typed(422, "VIEW_NAME_NOT_FOUND"), "request_refused"),
    "422 other": (lambda: faults.listed(422, "INVALID_REQUEST"), "request_refused"),
    "429 billing": (faults.billing_limit, "billing_limit"),
}
LASTING: dict[str, tuple[Make, str]] = {
    "503": (faults.unavailable, "source_unavailable"),
    "reset": (faults.reset, "source_unavailable"),
    "{}": (faults.empty_object, "malformed_answer"),
    "cut short": (faults.cut_short, "malformed_answer"),
    "expired iterator": (faults.expired_iterator, "listing_expired"),
    "repeated offset": (faults.repeated_offset, "listing_expired"),
    "429 rate": (faults.rate_limit, "rate_limited"),
}
MALFORMED: list[object] = [
    *(None, 7, "rec", [], {}, {"id": 5, "fields": {}}, {"id": "recNoFields00000"}),
    {"id": "recNoMoment00000", "fields": {}},
    {"id": "recBadMoment0000", "createdTime": "yesterday", "fields": {}},
    {"id": "recBadFields0000", "createdTime": "2026-01-01T00:00:00.000Z", "fields": []},
]


@pytest.fixture(scope="module")
def imported(postgres: Postgres, template_database: str) -> Iterator[str]:
    """The name of a database with 250 imported conversations: clone it, never connect to it."""
    name = postgres.create(template_database)
    try:
        with StandIn(conversations(RECORDS)) as standin, importing(standin, postgres.url(name)) as product:
            assert product.full().status is Status.SUCCEEDED
        yield name
    finally:
        postgres.drop(name)


@pytest.fixture
def standin() -> Iterator[StandIn]:
    """The Airtable those came from, edited since: its listing still has three pages."""
    with StandIn(conversations(RECORDS)) as running:
        edit(running.table, running.advance(3600))
        yield running


@pytest.fixture
def product(standin: StandIn, postgres: Postgres, imported: str) -> Iterator[Importing]:
    """The importer between the two."""
    with postgres.database(imported) as url, importing(standin, url) as ready:
        yield ready


def edit(table: Table, at: Any) -> None:  # noqa: ANN401 (a moment, as the table takes it)
    """Delete, change and add some records on every page."""
    for place, record in enumerate(table.records()):
        if place % 83 == 5:
            table.delete(record.id)
        elif place % 9 == 0:
            table.update(record.id, {"Name": "Edited", "Booking": None, "Lead Created": place % 2}, at=at)
    for number in range(4):
        table.create({"Clinic": "New Clinic", "User ID": f"new-{number}"}, at=at)


def changed_everywhere(standin: StandIn) -> None:
    """Touch every record, so that an incremental import reads three pages too."""
    for record in standin.table.records():
        standin.table.update(record.id, {"Email": "new@example.com"}, at=standin.now())


def assert_honest(product: Importing, ended: Ended) -> dict[str, Any]:
    """The row says what the run said, and its counters say what lies in the tables."""
    row = product.row(ended.import_id)
    assert row["status"] == ended.status
    assert row["completed_at"] is not None
    assert row["processed"] == row["created"] + row["updated"] + row["unchanged"] + row["rejected"]
    assert (row["errors"] == []) is (ended.status is Status.SUCCEEDED)
    assert (row["watermark"] is not None) is (ended.status is Status.SUCCEEDED)
    made = "SELECT count(*) AS n FROM conversations WHERE first_import_id = %s"
    assert product.rows(made, ended.import_id) == [{"n": row["created"]}]
    gone = "SELECT count(*) AS n FROM conversations WHERE deleted_at IS NOT NULL AND last_import_id = %s"
    if row["rejected"] == 0:
        assert product.rows(gone, ended.import_id) == [{"n": row["deleted"]}]
    return row


def assert_ended(product: Importing, ended: Ended, status: Status, code: str) -> dict[str, Any]:
    """The run ended so for this reason, deleted nothing, and its row is honest."""
    row = assert_honest(product, ended)
    assert (ended.status, ended.errors[0]["code"]) == (status, code)
    assert row["deleted"] == 0
    return row


def assert_good_import_mends(product: Importing, standin: StandIn) -> None:
    """Airtable is well again: one full import, and the database equals the source."""
    standin.heal()
    standin.advance(600)
    ended = product.full()
    assert ended.status is Status.SUCCEEDED, ended.errors
    row = assert_honest(product, ended)
    assert row["processed"] == len(standin.table)
    assert differences(standin.table, product.url) == []


def expected_counters(standin: StandIn) -> dict[str, int]:
    """What a full import of the edited source counts."""
    edited = sum(1 for record in standin.table.records() if record.cells.get("Name") == "Edited")
    processed = len(standin.table)
    counted = {"processed": processed, "created": 4, "updated": edited, "unchanged": processed - edited - 4}
    return counted | {"deleted": 3}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("fault", PASSING)
def test_a_passing_fault_is_outlasted(product: Importing, standin: StandIn, fault: str, place: str) -> None:
    """A fault that passes costs a repetition and nothing else: the run succeeds, each record counted once."""
    standin.fail(PASSING[fault](), on=PLACES[place])
    ended = product.full()
    row = assert_honest(product, ended)
    assert ended.status is Status.SUCCEEDED, ended.errors
    assert counters(row) == expected_counters(standin)
    assert row["retries"] == 1
    assert differences(standin.table, product.url) == []


@pytest.mark.parametrize("place", ["middle", "last"])
@pytest.mark.parametrize("fault", RESTARTING)
def test_a_dropped_listing_begins_again(product: Importing, standin: StandIn, fault: str, place: str) -> None:
    """A listing that begins again counts no record twice."""
    if fault == "repeated offset":
        repeated = RESTARTING[fault]()
        for page in range(1, PLACES[place] + 1):
            standin.fail(repeated, on=page)
    else:
        standin.fail(RESTARTING[fault](), on=PLACES[place])
    ended = product.full()
    row = assert_honest(product, ended)
    assert ended.status is Status.SUCCEEDED, ended.errors
    assert counters(row) == expected_counters(standin)
    assert row["retries"] == 1
    assert differences(standin.table, product.url) == []


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("fault", PERMANENT)
def test_a_permanent_fault_stops_at_once(
    product: Importing, standin: StandIn, fault: str, place: str
) -> None:
    """What no repetition mends fails the run with its code after one request, and deletes nothing."""
    make, code = PERMANENT[fault]
    standin.fail(make(), on=lambda seen: seen.number >= PLACES[place], times=None)
    row = assert_ended(product, product.full(), Status.FAILED, code)
    assert len(standin.seen) == PLACES[place]
    assert row["processed"] == sum(100 for page in range(1, PLACES[place]))
    assert_good_import_mends(product, standin)


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("fault", LASTING)
def test_a_fault_that_lasts_fails_the_run(
    product: Importing, standin: StandIn, fault: str, mode: Mode
) -> None:
    """What does not pass within its tries fails the run; what was committed stays, nothing is deleted."""
    changed_everywhere(standin)
    make, code = LASTING[fault]
    standin.fail(make(), on=lambda seen: faults.is_next_page(seen) or seen.number > 2, times=None)
    patience = replace(product.plant.patience, rate_wait_seconds=0.3)
    product.plant = replace(product.plant, patience=patience)
    row = assert_ended(product, product.run(mode), Status.FAILED, code)
    assert row["processed"] in {100, 200}
    standin.heal()
    standin.advance(24 * 3600)
    assert product.incremental().status is Status.SUCCEEDED  # from the watermark before the failed run
    assert [line for line in differences(standin.table, product.url) if "not in the source" not in line] == []
    assert_good_import_mends(product, standin)


@pytest.mark.parametrize("place", PLACES)
def test_malformed_records_are_rejected_alone(product: Importing, standin: StandIn, place: str) -> None:
    """A record that is none is rejected, the others of its page are loaded; the next import closes it."""
    standin.fail(faults.with_records(*MALFORMED), on=PLACES[place])
    ended = product.full()
    row = assert_honest(product, ended)
    assert ended.status is Status.SUCCEEDED, ended.errors
    assert row["rejected"] == len(MALFORMED)
    assert row["processed"] == len(standin.table) + len(MALFORMED)
    held = product.rows("SELECT count(*) AS n FROM conversations WHERE deleted_at IS NULL")
    assert held == [{"n": len(standin.table)}]
    assert_good_import_mends(product, standin)


def test_a_record_that_comes_malformed_returns(product: Importing, standin: StandIn) -> None:
    """A stored record that comes malformed is rejected, not deleted, and live again when it comes whole."""
    record = standin.table.records()[1]

    def spoilt(page: dict[str, Any]) -> dict[str, Any]:
        return page | {
            "records": [raw if raw["id"] != record.id else {"id": record.id} for raw in page["records"]]
        }

    standin.fail(faults.changed_page(spoilt), on=1)
    row = assert_honest(product, product.full())
    assert (row["rejected"], row["deleted"]) == (1, 3)
    assert_good_import_mends(product, standin)


def test_retry_after_is_bounded(standin: StandIn) -> None:
    """However long a 503 asks to be left alone, a request takes no more than its time."""
    slept: list[float] = []

    class Recording(ReadingState):
        def sleep(self, seconds: float) -> None:
            slept.append(seconds)

    standin.fail(faults.status(503, {}, Retry_After="9000"), on=is_page, times=None)
    source = Source(standin.url, standin.base_id, standin.table.name, None, COLUMNS, standin.token)
    reader = Reader(source, Pacer(10_000, 0.05, CLOCK), CLOCK, Recording(CLOCK, IMPATIENT))
    with pytest.raises(RetryableSourceError):
        list(reader.pages(everything(source)))
    assert len(slept) == IMPATIENT.tries - 1
    assert max(slept) <= IMPATIENT.request_seconds


# Edits while it reads


def stir(standin: StandIn, generator: random.Random) -> None:
    """Delete, change and add a record, whichever comes."""
    at = standin.advance(1)
    doomed, changed = generator.sample(standin.table.records(), 2)
    standin.table.delete(doomed.id)
    standin.table.update(changed.id, {"Name": f"Stirred {generator.random()}"}, at=at)
    standin.table.create({"Clinic": "Late", "User ID": f"late-{generator.random()}"}, at=at)


@pytest.mark.parametrize("seed", range(3))
def test_edits_between_pages(product: Importing, standin: StandIn, seed: int) -> None:
    """What changes while an import reads is read by it or by the next incremental one, deletions apart."""
    generator = random.Random(seed)  # noqa: S311 (a test's dice)
    for page in (1, 2, 3):
        standin.after_page(page, lambda _: stir(standin, generator))
    ended = product.full()
    assert_honest(product, ended)
    assert ended.status is Status.SUCCEEDED, ended.errors
    standin.advance(600)
    assert product.incremental().status is Status.SUCCEEDED
    assert [line for line in differences(standin.table, product.url) if "not in the source" not in line] == []
    assert_good_import_mends(product, standin)


# Several readers


SEVERAL = replace(IMPATIENT, readers=MOST_READERS)


def shards(standin: StandIn) -> set[str]:
    """The formulas of the shards that were asked for."""
    return {seen.params["filterByFormula"] for seen in standin.seen if is_shard(seen)}


def is_shard(seen: Seen) -> bool:
    """A request for a page of one shard."""
    return is_page(seen) and "RIGHT" in str(seen.params.get("filterByFormula"))


@pytest.fixture
def several(product: Importing, standin: StandIn) -> Importing:
    """The same, where answers take so long that one reader cannot keep the pace."""
    standin.latency_seconds = 0.05
    product.plant = replace(product.plant, pacer=Pacer(1000, 0.05, CLOCK), patience=SEVERAL)
    return product


@pytest.mark.parametrize("seed", range(3))
def test_edits_between_shards(several: Importing, standin: StandIn, seed: int) -> None:
    """Several readers miss nothing that changes between their shards, and count each record once."""
    generator = random.Random(seed)  # noqa: S311 (a test's dice)
    for page in (1, 2, 3, 4):
        standin.after_page(page, lambda _: stir(standin, generator))
    ended = several.full()
    assert_honest(several, ended)
    assert ended.status is Status.SUCCEEDED, ended.errors
    assert len(shards(standin)) > 2
    standin.advance(600)
    assert several.incremental().status is Status.SUCCEEDED
    assert [line for line in differences(standin.table, several.url) if "not in the source" not in line] == []
    assert_good_import_mends(several, standin)


@pytest.mark.parametrize(("records", "cut"), [(0, False), (700, True)])
def test_what_changed_is_cut_where_it_is_long(
    several: Importing, standin: StandIn, records: int, cut: bool
) -> None:
    """An incremental import of a few pages asks for those alone; one of many is read by several readers."""
    several.full()
    for number in range(len(standin.table), records):
        standin.table.create({"Clinic": "More", "User ID": f"more {number}"}, at=standin.now())
    changed_everywhere(standin)
    asked = len(standin.seen)
    ended = several.incremental()
    assert several.row(ended.import_id)["processed"] == len(standin.table) >= records
    assert any(is_shard(seen) for seen in standin.seen[asked:]) is cut
    assert cut or len(standin.seen) - asked == math.ceil(len(standin.table) / 100)
    assert_good_import_mends(several, standin)


@pytest.mark.parametrize("fault", ["401", "422 formula", "429 billing"])
def test_a_permanent_fault_stops_all_readers(several: Importing, standin: StandIn, fault: str) -> None:
    """With several readers a permanent error sends at most one request for each of them."""
    make, code = PERMANENT[fault]
    standin.fail(make(), on=is_shard, times=None)
    assert_ended(several, several.full(), Status.FAILED, code)
    asked = [seen.params["filterByFormula"] for seen in standin.seen if is_shard(seen)]
    assert len(asked) == len(set(asked)) > 0
    assert_good_import_mends(several, standin)


@pytest.mark.parametrize("fault", ["503", "429 rate", "cut short", "{}"])
def test_a_passing_fault_in_every_shard(several: Importing, standin: StandIn, fault: str) -> None:
    """A fault that meets several readers at once is outlasted by all of them."""
    standin.fail(PASSING[fault](), on=is_shard, times=3)
    ended = several.full()
    assert ended.status is Status.SUCCEEDED, ended.errors
    row = assert_honest(several, ended)
    assert counters(row) == expected_counters(standin)
    assert row["retries"] >= 3
    assert differences(standin.table, several.url) == []


# Mixtures

SINGLE: list[Make] = [
    *(make for name, make in PASSING.items() if name != "silence"),
    *RESTARTING.values(),
    *(make for make, _ in PERMANENT.values()),
]


class Storm:
    """Faults and edits that fall on an import; none of them comes after its end."""

    def __init__(self, standin: StandIn, generator: random.Random) -> None:
        """Plan them for the next import."""
        self.over = False
        shown = sum(1 for seen in standin.pages() if seen.status == HTTPStatus.OK)
        for _ in range(generator.randint(1, 4)):
            standin.fail(generator.choice(SINGLE)(), on=len(standin.seen) + generator.randint(1, 6))
        for _ in range(generator.randint(0, 2)):
            standin.after_page(
                shown + generator.randint(1, 3), lambda _: None if self.over else stir(standin, generator)
            )


@pytest.mark.parametrize("seed", range(9))
def test_seeded_mixtures(product: Importing, standin: StandIn, seed: int) -> None:
    """Any mixture of faults and edits over three imports ends, after a good one, with exactly the source."""
    generator = random.Random(seed)  # noqa: S311 (a test's dice)
    if seed % 3 == 0:
        standin.latency_seconds = 0.03
        product.plant = replace(product.plant, pacer=Pacer(1000, 0.05, CLOCK), patience=SEVERAL)
    for _ in range(3):
        storm = Storm(standin, generator)
        ended = product.run(generator.choice(list(Mode)))
        storm.over = True
        assert ended.status in {Status.SUCCEEDED, Status.FAILED}
        assert_honest(product, ended)
        standin.heal()
        standin.advance(60)
    assert_good_import_mends(product, standin)


# Deletions


def is_by_id(seen: Seen) -> bool:
    """A request that asks for absent records by id."""
    return is_page(seen) and "RECORD_ID()" in str(seen.params.get("filterByFormula")) and not is_shard(seen)


def emptied() -> Fault:
    """A page that is well-formed and holds nothing."""
    return faults.changed_page(lambda _: {"records": []})


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (emptied, Status.PARTIAL, "mass_deletion_refused"),
        (faults.empty_object, Status.FAILED, "malformed_answer"),
        (faults.page_without_records, Status.FAILED, "malformed_answer"),
        (lambda: faults.html(200), Status.FAILED, "malformed_answer"),
    ],
    ids=["records empty", "{}", "no records", "HTML as 200"],
)
def test_empty_answers_never_delete(
    product: Importing, standin: StandIn, fault: Make, status: Status, code: str
) -> None:
    """A source that suddenly shows nothing deletes nothing, whichever way it is empty."""
    standin.fail(fault(), on=is_page, times=None)
    assert_ended(product, product.full(), status, code)
    assert_good_import_mends(product, standin)


def test_an_empty_listing_is_contradicted_by_id(product: Importing, standin: StandIn) -> None:
    """Where only the listing is empty, the records answer when asked for by id, and none is deleted."""
    standin.fail(emptied(), on=1)
    ended = product.full()
    row = assert_honest(product, ended)
    assert ended.status is Status.SUCCEEDED, ended.errors
    assert row["processed"] == RECORDS - 3
    assert row["deleted"] == 3
    assert_good_import_mends(product, standin)


@pytest.mark.parametrize("fault", ["401", "404", "422 formula"])
def test_no_deletion_without_having_asked(product: Importing, standin: StandIn, fault: str) -> None:
    """Where absent records cannot be asked for by id, the run fails and none of them is deleted."""
    make, code = PERMANENT[fault]
    standin.fail(make(), on=is_by_id, times=None)
    assert_ended(product, product.full(), Status.FAILED, code)
    assert_good_import_mends(product, standin)


@pytest.mark.parametrize("fault", ["503", "{}", "cut short", "not JSON"])
def test_asking_by_id_outlasts_faults(product: Importing, standin: StandIn, fault: str) -> None:
    """What answers by id after a fault is as good as at once: only what is still absent is deleted."""
    standin.fail(PASSING[fault](), on=is_by_id, times=2)
    ended = product.full()
    assert ended.status is Status.SUCCEEDED, ended.errors
    assert counters(assert_honest(product, ended)) == expected_counters(standin)
    assert differences(standin.table, product.url) == []


def test_an_incremental_import_never_deletes(product: Importing, standin: StandIn) -> None:
    """What an incremental import does not see is not absent."""
    row = assert_honest(product, product.incremental())
    assert (row["deleted"], row["mode"]) == (0, "incremental")
    assert_good_import_mends(product, standin)


# Reconciliation

GHOST = """
    INSERT INTO conversations (external_id, client_id, location_id, automation_id, customer_id, occurred_at,
        date_status, local_date, local_hour, engaged, lead_created, booked, first_import_id, last_import_id)
    SELECT 'recGhost', client_id, location_id, automation_id, customer_id, occurred_at, date_status,
        local_date, local_hour, engaged, lead_created, false, first_import_id, last_import_id
    FROM conversations WHERE NOT booked LIMIT 1
"""
VANISHED = """
    UPDATE conversations
    SET deleted_at = now(), contact_name = NULL, contact_email = NULL, contact_phone = NULL
    WHERE external_id = (SELECT min(external_id) FROM conversations
                         WHERE deleted_at IS NULL AND NOT booked AND NOT lead_created)
"""


@pytest.mark.parametrize("statement", [GHOST, VANISHED], ids=["one row more", "one row less"])
def test_counts_that_do_not_add_up_make_the_run_partial(
    product: Importing, standin: StandIn, statement: str
) -> None:
    """A full import that leaves other rows than it read is partial, says both numbers, and is made up for."""

    def meddle(batch: int) -> None:
        if batch == 4:  # three pages, then the deletions
            product.execute(statement)

    plant = product.plant
    product.plant = replace(plant, committed=meddle)
    ended = product.full()
    row = product.row(ended.import_id)
    assert (ended.status, ended.errors[0]["code"]) == (Status.PARTIAL, "count_mismatch")
    said = ended.errors[0]["message"]
    assert f"{len(standin.table):,}" in said
    assert said.endswith(". Run a full import; where it stays so, somebody else writes to the tables.")
    assert (row["status"], row["watermark"]) == (Status.PARTIAL, None)
    product.plant = plant
    assert_good_import_mends(product, standin)
