"""The reader against a real HTTP server: pages, pace, and each way in which Airtable fails."""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace

import pytest

from core.airtable import LEAST_RATE_WAIT_SECONDS, Patience, Reader, ReadingState
from core.demo.protocol import Response
from core.errors import (
    AccessDeniedError,
    BillingLimitError,
    ListingExpiredError,
    MalformedAnswerError,
    NotFoundError,
    RateLimitError,
    RequestRefusedError,
    RetryableSourceError,
    SourceError,
    StoppedError,
    TokenRefusedError,
    UnknownColumnError,
)
from core.listings import LAST_CHARACTERS, Listing, Source, by_id, everything, readers_needed, sharded
from core.pacer import Pacer
from core.records import Column
from tests.support import standin as faults
from tests.support.imports import CLOCK, COLUMNS, IMPATIENT
from tests.support.pacing import GAP, Waiting, clock_at, paced
from tests.support.standin import Fault, StandIn, conversations, is_page


@pytest.fixture
def standin() -> Iterator[StandIn]:
    """An Airtable with 250 plain conversations: three pages."""
    with StandIn(conversations(250)) as running:
        yield running


def source_of(standin: StandIn) -> Source:
    """The stand-in as a source."""
    return Source(standin.url, standin.base_id, standin.table.name, None, COLUMNS, standin.token)


def read(
    standin: StandIn,
    source: Source | None = None,
    listing: Listing | None = None,
    patience: Patience = IMPATIENT,
) -> tuple[list[str], ReadingState]:
    """The record ids of a listing, in the order in which they came."""
    source = source or source_of(standin)
    state = ReadingState(CLOCK, patience)
    reader = Reader(source, Pacer(10_000, 0.05, CLOCK), CLOCK, state)
    pages = list(reader.pages(listing or everything(source)))
    return [raw["id"] for page in pages for raw in page.records if isinstance(raw, dict)], state


def ids(standin: StandIn) -> list[str]:
    """The ids of all records of the stand-in."""
    return [record.id for record in standin.table.records()]


def test_reads_every_page_once(standin: StandIn) -> None:
    """A listing is read to its end, 100 records a page, with the mapped columns alone."""
    assert read(standin)[0] == ids(standin)
    assert len(standin.seen) == 3
    assert {seen.params["pageSize"] for seen in standin.seen} == {"100"}
    assert all(sorted(seen.params["fields[]"]) == sorted(COLUMNS.values()) for seen in standin.seen)
    assert standin.seen[0].headers["authorization"] == f"Bearer {standin.token}"


PERMANENT: list[tuple[Fault, type[SourceError], str]] = [
    (faults.unauthorized(), TokenRefusedError, "AIRTABLE_API_KEY"),
    (faults.forbidden(), AccessDeniedError, "AIRTABLE_BASE_ID"),
    (faults.not_found(), NotFoundError, "AIRTABLE_TABLE_NAME"),
    (faults.billing_limit(), BillingLimitError, "month"),
    (faults.typed(422, "INVALID_FILTER_BY_FORMULA"), RequestRefusedError, "INVALID_FILTER_BY_FORMULA"),
    (faults.typed(422, "VIEW_NAME_NOT_FOUND"), RequestRefusedError, "AIRTABLE_VIEW"),
    (faults.listed(422, "INVALID_REQUEST"), RequestRefusedError, "INVALID_REQUEST"),
    (faults.typed(413, "REQUEST_TOO_LARGE"), RequestRefusedError, "413"),
    (
        faults.typed(422, "UNKNOWN_FIELD_NAME", 'Unknown field name: "Phone"'),
        UnknownColumnError,
        "AIRTABLE_FIELD_PHONE",
    ),
]


@pytest.mark.parametrize(
    ("fault", "expected", "named"), PERMANENT, ids=lambda value: getattr(value, "__name__", "")
)
def test_permanent_errors_stop_at_once(
    standin: StandIn, fault: Fault, expected: type[SourceError], named: str
) -> None:
    """What no repetition mends sends one request, and its message names what to mend; no secret is in it."""
    standin.fail(fault, on=is_page, times=None)
    with pytest.raises(expected) as raised:
        read(standin)
    assert named in raised.value.message
    assert standin.token not in raised.value.message
    assert len(standin.seen) == 1


PASSING: list[tuple[Fault, type[SourceError]]] = [
    (faults.server_error(), RetryableSourceError),
    (faults.bad_gateway(), RetryableSourceError),
    (faults.unavailable(), RetryableSourceError),
    (faults.html(503), RetryableSourceError),
    (faults.reset(), RetryableSourceError),
    (faults.cut_short(), RetryableSourceError),
    (faults.not_json(), MalformedAnswerError),
    (faults.empty_object(), MalformedAnswerError),
    (faults.page_without_records(), MalformedAnswerError),
    (faults.raw(b"[]"), MalformedAnswerError),
    (faults.raw(b"\xff\xfe"), MalformedAnswerError),
    (faults.raw(b'{"records": ' + b"[" * 100_000), MalformedAnswerError),
    (faults.html(200), MalformedAnswerError),
    (faults.no_gzip(), MalformedAnswerError),
]


@pytest.mark.parametrize(("fault", "expected"), PASSING)
def test_passing_faults_are_tried_again(standin: StandIn, fault: Fault, expected: type[SourceError]) -> None:
    """An outage, a broken connection or an answer that is no page is asked for again, six times at most."""
    standin.fail(fault, on=2, times=1)
    assert read(standin)[0] == ids(standin)
    standin.fail(fault, on=is_page, times=None)
    sent = len(standin.seen)
    with pytest.raises(expected):
        read(standin)
    assert len(standin.seen) - sent == 6


@pytest.mark.parametrize("date", ["soon", ""])
def test_an_answer_without_its_moment_counts_from_now(standin: StandIn, date: str) -> None:
    """The watermark then rests on this machine's clock."""
    standin.fail(lambda answer: replace(answer, headers={"Date": date}), on=is_page, times=None)
    reader = Reader(source_of(standin), Pacer(10_000, 0.05, CLOCK), CLOCK, ReadingState(CLOCK, IMPATIENT))
    before = CLOCK.now()
    page = next(reader.pages(everything(source_of(standin))))
    assert before <= page.sent_at <= CLOCK.now()


@pytest.mark.parametrize("way", [faults.gzipped, faults.chunked])
def test_a_body_may_come_in_any_way(standin: StandIn, way: Callable[[], Fault]) -> None:
    """Compressed or in chunks it is the same page, and its connection serves the next one."""
    standin.fail(way(), on=is_page, times=None)
    found, state = read(standin)
    assert (found, state.retries) == (ids(standin), 0)
    assert len({seen.connection for seen in standin.seen}) == 1


@pytest.mark.parametrize("fault", [faults.silence, faults.trickle])
def test_silence_ends_in_a_timeout(standin: StandIn, fault: Callable[[], Fault]) -> None:
    """A server that says nothing, or never comes to an end, is left after the time-out and asked again."""
    standin.fail(fault(), on=2)
    found, state = read(standin)
    assert found == ids(standin)
    assert state.retries == 1


def test_an_unreachable_host_is_named(standin: StandIn) -> None:
    """A host that cannot be reached fails after its tries with one line that names the address."""
    source = replace(source_of(standin), endpoint="http://127.0.0.1:9")
    with pytest.raises(RetryableSourceError, match=r"http://127\.0\.0\.1:9 cannot be reached"):
        read(standin, source)


@pytest.mark.parametrize("fault", [faults.expired_iterator, faults.repeated_offset])
def test_an_expired_listing_begins_again(standin: StandIn, fault: Callable[[], Fault]) -> None:
    """An expired iterator or a repeated page token restarts the listing from its first page."""
    repeated = fault is faults.repeated_offset
    standin.fail(fault(), on=is_page if repeated else 2, times=2 if repeated else 1)
    found, state = read(standin)
    assert set(found) == set(ids(standin))
    assert found[-250:] == ids(standin)
    assert state.retries == 1


@pytest.mark.parametrize("fault", [faults.expired_iterator, faults.repeated_offset])
def test_a_listing_that_always_expires_ends(standin: StandIn, fault: Callable[[], Fault]) -> None:
    """A listing that never reaches its end is given up after a bounded number of restarts."""
    repeated = fault is faults.repeated_offset
    standin.fail(fault(), on=is_page if repeated else faults.is_next_page, times=None)
    with pytest.raises(ListingExpiredError):
        read(standin)
    assert len(standin.seen) <= 3 * IMPATIENT.restarts


def test_a_rate_limit_is_waited_for(standin: StandIn) -> None:
    """After a rate 429 the reader keeps silent for the penalty, then goes on where it was."""
    standin.fail(faults.rate_limit(), on=2)
    found, state = read(standin)
    assert found == ids(standin)
    assert standin.seen[2].at - standin.seen[1].at >= 0.05
    assert state.rate_waited > 0


def test_waiting_for_rate_limits_has_a_budget(standin: StandIn) -> None:
    """A rate limit that never ends fails the run once its budget of waiting is used up."""
    standin.fail(faults.rate_limit(), on=is_page, times=None)
    with pytest.raises(RateLimitError, match="AIRTABLE_REQUESTS_PER_SECOND"):
        read(standin, patience=replace(IMPATIENT, rate_wait_seconds=0.5))


def test_retry_after_is_obeyed(standin: StandIn) -> None:
    """A 503 that says how long to wait is not asked again before."""
    standin.fail(faults.unavailable(1), on=1)
    assert read(standin)[0] == ids(standin)
    assert standin.seen[1].at - standin.seen[0].at >= 1


def test_each_request_waits_for_its_turn() -> None:
    """However fast answers come, pages are asked for at the pace, the first at once."""
    now, sent = [0.0], list[float]()

    def noted(answer: Response) -> Response:
        sent.append(now[0])
        return answer

    with StandIn(conversations(500)) as standin:
        standin.fail(noted, on=is_page, times=None)
        state = ReadingState(clock_at(now), IMPATIENT)
        state.stop = Waiting(now=now)
        reader = Reader(source_of(standin), paced(now), clock_at(now), state)
        assert sum(len(page.records) for page in reader.pages(everything(source_of(standin)))) == 500
    assert sent == pytest.approx([number * GAP for number in range(5)])


def timeless(standin: StandIn, patience: Patience) -> list[float]:
    """Read everything while all waits pass by themselves; the clock afterwards."""
    now = [0.0]
    state = ReadingState(clock_at(now), patience)
    state.stop = Waiting(now=now)
    reader = Reader(source_of(standin), paced(now), clock_at(now), state)
    with suppress(RetryableSourceError):
        list(reader.pages(everything(source_of(standin))))
    return now


def test_waiting_for_rate_limits_takes_none_of_a_requests_time(standin: StandIn) -> None:
    """An outage right after a long silence has its tries all the same."""
    standin.fail(faults.rate_limit(), on=1)
    standin.fail(faults.unavailable(), on=2)
    timeless(standin, replace(IMPATIENT, request_seconds=20.0, rate_wait_seconds=60.0))
    assert [seen.status for seen in standin.seen] == [429, 503, 200, 200, 200]


def test_a_request_is_given_up_when_its_time_is_over(standin: StandIn) -> None:
    """However many tries were left."""
    standin.fail(faults.unavailable(), on=is_page, times=None)
    timeless(standin, replace(IMPATIENT, tries=1000, request_seconds=2.0))
    assert len(standin.seen) == pytest.approx(2.0 / GAP, abs=2)


def test_a_rate_limit_that_asks_for_no_wait_uses_up_the_budget_too() -> None:
    """Or readers that meet the others' silence would ask for ever."""
    state = ReadingState(CLOCK, replace(IMPATIENT, rate_wait_seconds=2.5 * LEAST_RATE_WAIT_SECONDS))
    for _ in range(2):
        state.wait_for_rate(0.0)
    with pytest.raises(RateLimitError):
        state.wait_for_rate(0.0)


def test_a_source_on_this_machine_is_behind_no_proxy(
    standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The demo is read where a company's proxy is set, and no look for one is paid at each request."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert read(standin)[0] == ids(standin)


def test_stopping_ends_a_wait(standin: StandIn) -> None:
    """Whoever waits for a turn or a retry stops as soon as the run is asked to."""
    standin.fail(faults.unavailable(60), on=1)
    state = ReadingState(CLOCK, IMPATIENT)
    reader = Reader(source_of(standin), Pacer(10_000, 0.05, CLOCK), CLOCK, state)
    timer = threading.Timer(0.1, state.stop.set)
    timer.start()
    with pytest.raises(StoppedError):
        list(reader.pages(everything(source_of(standin))))
    timer.join()


@pytest.mark.parametrize("number", [2, 3, 7, 13, 21])
def test_shards_are_the_whole_table(standin: StandIn, number: int) -> None:
    """Shards share no record, and together they are the table, whatever its ids look like."""
    standin.table.create({"Clinic": "Odd"}, at=standin.now(), record_id="rec-odd-id-with-dash-")
    listing = everything(source_of(standin))
    found = [name for part in sharded(listing, number) for name in read(standin, listing=part)[0]]
    assert sorted(found) == sorted(ids(standin))


@pytest.mark.parametrize("latency", [0.0, 0.05, 0.2, 0.21, 0.3, 0.5, 1.0, 2.0, 4.0])
def test_readers_keep_the_pace_busy(latency: float) -> None:
    """As many readers as latency times rate asks for, one while one suffices."""
    readers = readers_needed(latency, 4.8)
    assert readers >= latency * 4.8 or readers == 1
    assert readers == 1 or latency * 4.8 > 1
    assert readers <= len(LAST_CHARACTERS)


def test_records_are_asked_for_by_id(standin: StandIn) -> None:
    """Listings by id give those of the records that are there, a page's worth each, under the URL's limit."""
    wanted = [*ids(standin)[:150], "recNotThereAtAll0"]
    listings = by_id(source_of(standin), wanted)
    found = [name for listing in listings for name in read(standin, listing=listing)[0]]
    assert sorted(found) == sorted(wanted[:-1])
    assert len(listings) == 2


def test_columns_by_field_id(standin: StandIn) -> None:
    """Where columns are named by field id, Airtable is asked to answer by id too."""
    columns = {column: next(f.id for f in standin.table.fields if f.name == column) for column in Column}
    source = replace(source_of(standin), columns=columns)
    reader = Reader(source, Pacer(10_000, 0.05, CLOCK), CLOCK, ReadingState(CLOCK, IMPATIENT))
    first = next(reader.pages(everything(source))).records[0]
    assert isinstance(first, dict)
    assert columns[Column.CLINIC] in first["fields"]


def test_a_view_and_an_odd_table_name(standin: StandIn) -> None:
    """The view is part of every listing, and a table's name may hold any character."""
    some = set(ids(standin)[::2])
    standin.table.add_view("Every other", lambda record: record.id in some)
    standin.table.name = "Gespräche / 2025?"
    assert set(read(standin, replace(source_of(standin), view="Every other"))[0]) == some
