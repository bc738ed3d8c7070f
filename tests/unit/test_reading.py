"""How far readers go ahead of whoever takes the pages."""

import sys
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from types import FrameType
from typing import cast

import pytest

from core.airtable import PATIENCE, Page, Reader, ReadingState
from core.listings import Listing
from core.reading import QUEUED_PAGES, Reading
from tests.support.imports import CLOCK
from tests.support.waiting import until

PAGES = 4 * QUEUED_PAGES


class Endless:
    """A reader of many pages that come at once."""

    def pages(self, _: Listing) -> Iterator[Page]:
        """As `Reader.pages`."""
        for number in range(1, PAGES + 1):
            yield Page([number], datetime.now(UTC), more=number < PAGES)


class Ahead:
    """One reading, and how many pages its reader has made ready."""

    def __init__(self, state: ReadingState) -> None:
        """Begin to read."""
        self.ready = 0
        listing = Listing((), shard=True)
        self.reading = Reading([listing], state, 5.0, lambda: cast("Reader", Endless()), self._prepare)

    def _prepare(self, page: Page) -> Page:
        self.ready += 1
        return page

    def settled(self) -> int:
        """How many pages are ready once the reader waits for room."""
        until(self._waits, "the reader waits", seconds=10)
        return self.ready

    def _waits(self) -> bool:
        (reader,) = [thread for thread in threading.enumerate() if thread.name == "reader"]
        frame: FrameType | None = sys._current_frames().get(reader.ident or 0)  # noqa: SLF001 (nothing else tells)
        calls = set()
        while frame is not None:
            calls.add(frame.f_code.co_name)
            frame = frame.f_back
        return {"_wait_for_room", "wait"} <= calls  # whoever finds room passes through without waiting


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """For how many pages each call made room."""
    calls: list[int] = []

    class Counted(threading.Semaphore):
        def release(self, n: int = 1) -> None:
            calls.append(n)
            super().release(n)

    monkeypatch.setattr("core.reading.threading.Semaphore", Counted)
    return calls


@pytest.fixture
def ahead() -> Iterator[Ahead]:
    """A reading whose pages nobody has taken yet."""
    state = ReadingState(CLOCK, PATIENCE)
    made = Ahead(state)
    yield made
    state.stop.set()
    until(lambda: all(thread.name != "reader" for thread in threading.enumerate()), "the reader ends")


def test_readers_do_not_run_away(ahead: Ahead) -> None:
    """So many pages wait, and one in the reader's hand: memory does not grow with the table."""
    assert ahead.settled() == QUEUED_PAGES + 1


def test_a_page_that_is_worked_on_leaves_room_when_its_taker_says_so(
    counted: list[int], ahead: Ahead
) -> None:
    """Not before, for the reader would compute just when PostgreSQL's short answers come; and once a page."""
    assert ahead.reading.take(1.0) is not None
    assert sum(counted) == 0
    for _ in range(2):
        ahead.reading.make_room()
        assert sum(counted) == 1
    assert ahead.reading.take(1.0) is not None
    assert sum(counted) == 1
    until(lambda: ahead.ready == QUEUED_PAGES + 2, "the page that there is room for")


def test_who_takes_the_next_page_leaves_room_for_the_one_before(ahead: Ahead) -> None:
    """Whoever never says so gets every page all the same."""
    taken: list[object] = []

    def all_taken() -> bool:
        page = ahead.reading.take(0.2)
        taken.extend(page.records if page is not None else ())
        return ahead.reading.finished

    with ahead.reading:
        until(all_taken, "the last page", seconds=10)
    assert taken == list(range(1, PAGES + 1))


def test_who_leaves_early_leaves_nothing_behind() -> None:
    """The readers end, and Python's threads take turns as before."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(2 * usual)
    reading = Ahead(ReadingState(CLOCK, PATIENCE)).reading
    with reading:
        assert reading.take(1.0) is not None
    left = sys.getswitchinterval()
    sys.setswitchinterval(usual)
    assert left == pytest.approx(2 * usual)
    until(lambda: all(thread.name != "reader" for thread in threading.enumerate()), "the reader ends")


SLOW, SLOWER, QUICK = 0.3, 0.5, 0.1
"""Seconds for an answer: at five requests a second two readers keep the pace, three, or one."""


class Measured:
    """What readers read of a source that answers so slowly, by the listing's formula."""

    def __init__(self, latency: float, pages: int) -> None:
        """Every listing has so many pages."""
        self.state = ReadingState(CLOCK, PATIENCE)
        self.readers = 0
        self.read: Counter[str | None] = Counter()
        self._latency, self._pages = latency, pages

    def open(self) -> Reader:
        """One more reader."""
        self.readers += 1
        return cast("Reader", self)

    def pages(self, listing: Listing) -> Iterator[Page]:
        """As `Reader.pages`."""
        for number in range(1, self._pages + 1):
            self.state.latency = self._latency
            self.read[listing.formula] += 1
            yield Page([number], datetime.now(UTC), more=number < self._pages)

    def all_of(self, *listings: Listing) -> None:
        """Read these to their end."""
        with Reading(listings, self.state, 5.0, self.open, lambda page: page) as reading:
            until(lambda: reading.take(0.2) is None and reading.finished, "the last page", seconds=10)


@pytest.mark.parametrize(
    ("listing", "latency", "pages", "cut_after", "readers"),
    [
        (Listing(()), QUICK, 9, 9, 1),
        (Listing(()), SLOW, 9, 2, 2),
        (Listing(()), SLOWER, 9, 1, 3),
        (Listing((), brief=True), SLOWER, 9, 5, 3),
        (Listing((), brief=True), SLOWER, 5, 5, 1),
        (Listing((), shard=True), SLOWER, 9, 9, 1),
        (Listing(()), SLOWER, 1, 1, 1),
    ],
)
def test_a_listing_is_cut_as_soon_as_that_is_worth_it(
    listing: Listing, latency: float, pages: int, cut_after: int, readers: int
) -> None:
    """After the second answer, the first where that is slow enough, a brief one after five; its end never.

    What was read before is read once more, so cutting late or twice costs requests.
    """
    measured = Measured(latency, pages)
    measured.all_of(listing)
    shards = {} if readers == 1 else {formula: pages for formula in measured.read if formula is not None}
    assert measured.read == {None: cut_after} | shards
    assert len(measured.read) == (1 if readers == 1 else 1 + readers)
    assert measured.readers == readers


def test_several_listings_have_several_readers_at_once() -> None:
    """Once it is known how slow answers are; never more readers than listings."""
    measured = Measured(SLOWER, 1)
    measured.all_of(Listing((), "A"))
    assert measured.readers == 1
    measured.all_of(Listing((), "B"), Listing((), "C"))
    assert measured.readers == 3
