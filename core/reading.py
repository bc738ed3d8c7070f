"""Reading apart from writing: threads fetch pages into a bounded queue, the importer takes them out.

One reader begins. Where its first pages show that one cannot keep the pace, the listing is cut into shards
and more readers join; the records of those first pages are then read, and counted, once more.
"""

import queue
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Generic, Self, TypeVar

from core.airtable import Page, Reader, ReadingState
from core.errors import StoppedError
from core.listings import Listing, readers_needed, sharded

QUEUED_PAGES = 8
# Until a thread that computes lets another go on; by Python's own 5 ms a page is read, decided and in the way
# of PostgreSQL's answers, most of which come within one.
TURN_SECONDS = 0.0002
# The first answer also makes the connection, so the second tells the latency; unless the first was so slow
# that several readers are needed whatever the connection cost.
MEASURED_PAGES = 2
PLAINLY_SEVERAL = 3
# What is likely to end soon is only cut when it has not.
BRIEF_PAGES = 5

T = TypeVar("T")


class Reading(Generic[T]):
    """Some listings being read; use as a context manager."""

    def __init__(
        self,
        listings: Iterable[Listing],
        state: ReadingState,
        requests_per_second: float,
        open_reader: Callable[[], Reader],
        prepared: Callable[[Page], T],
    ) -> None:
        """Start reading at once; `state` is shared with whoever may stop it.

        What `prepared` makes of a page is taken out; the threads do that too, while PostgreSQL writes.
        """
        self._state = state
        self._pace = requests_per_second
        self._open_reader = open_reader
        self._prepared = prepared
        self._listings = deque(listings)
        self._pages: queue.SimpleQueue[T | Exception | None] = queue.SimpleQueue()
        self._room = threading.Semaphore(QUEUED_PAGES)
        self._taken = 0
        self._turns = sys.getswitchinterval()
        self._lock = threading.Lock()
        self._working = 0
        self._begin(min(self._needed(), len(self._listings)))

    @property
    def finished(self) -> bool:
        """Whether every listing was read to its end and every page taken."""
        return self._working == 0

    def take(self, timeout: float) -> T | None:
        """The next page as prepared; null where none came within `timeout` seconds, or none is left.

        Raises:
            SourceError: why reading ended before.
        """
        self.make_room()
        while not self.finished:
            try:
                item = self._pages.get(timeout=timeout)
            except queue.Empty:
                return None
            if isinstance(item, Exception):
                raise item
            if item is not None:
                self._taken += 1
                return item
            with self._lock:
                self._working -= 1
        return None

    def make_room(self) -> None:
        """Let the readers go on for the page that was taken; taking the next one does so too.

        Python runs one thread at a time: whoever calls this where a long wait for PostgreSQL begins has the
        next page read and decided meanwhile, instead of having to wait for that as well.
        """
        if self._taken:
            self._room.release(self._taken)
            self._taken = 0

    def __enter__(self) -> Self:
        sys.setswitchinterval(TURN_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        """Let threads end that were not read to their end: they wait for room, or a turn."""
        sys.setswitchinterval(self._turns)
        if not self.finished:
            self._state.stop.set()

    def _begin(self, readers: int) -> None:
        """Start more readers; each is counted before it runs, so that the end cannot be taken for reached."""
        with self._lock:
            self._working += readers
        for _ in range(readers):
            threading.Thread(target=self._read, name="reader", daemon=True).start()

    def _read(self) -> None:
        """One thread's work; whatever ends it is handed to the taker."""
        try:
            reader = self._open_reader()
            while (listing := self._next()) is not None:
                self._read_listing(reader, listing)
            self._pages.put(None)
        except StoppedError:
            return
        except Exception as error:  # noqa: BLE001 (raised again where the pages are taken)
            self._pages.put(error)

    def _read_listing(self, reader: Reader, listing: Listing) -> None:
        for number, page in enumerate(reader.pages(listing), 1):
            prepared = self._prepared(page)
            self._wait_for_room()
            self._pages.put(prepared)
            if page.more and not listing.shard and (needed := self._wanted(listing, number)) > 1:
                return self._share(listing, needed)
        return None

    def _wanted(self, listing: Listing, pages: int) -> int:
        """How many readers the rest of a listing is worth after so many pages; 1 for going on alone."""
        if listing.brief:
            return self._needed() if pages == BRIEF_PAGES else 1
        if pages == MEASURED_PAGES:
            return self._needed()
        needed = self._needed() if pages < MEASURED_PAGES else 1
        return needed if needed >= PLAINLY_SEVERAL else 1

    def _needed(self) -> int:
        return readers_needed(self._state.latency, self._pace, self._state.patience.readers)

    def _share(self, listing: Listing, readers: int) -> None:
        """Cut the rest of the work into shards; this reader goes on with one of them."""
        shards = sharded(listing, readers)
        self._listings.extend(shards)
        self._begin(len(shards) - 1)

    def _next(self) -> Listing | None:
        try:
            return self._listings.popleft()
        except IndexError:
            return None

    def _wait_for_room(self) -> None:
        while not self._room.acquire(timeout=0.2):
            if self._state.stop.is_set():
                raise StoppedError
