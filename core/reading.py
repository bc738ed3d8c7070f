"""Reading apart from writing: threads fetch pages into a bounded queue, the importer takes them out."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Self

from core.airtable import Listing, Page, Reader, ReadingState
from core.errors import StoppedError

QUEUED_PAGES = 8


class Reading:
    """Some listings being read, by one thread each reader; use as a context manager."""

    def __init__(
        self,
        listings: Iterable[Listing],
        state: ReadingState,
        readers: int,
        open_reader: Callable[[], Reader],
    ) -> None:
        """Start reading at once; `state` is shared with whoever may stop it."""
        self._state = state
        self._listings = deque(listings)
        self._pages: queue.Queue[Page | Exception | None] = queue.Queue(QUEUED_PAGES)
        self._working = max(1, min(readers, len(self._listings)))
        self.started_at: datetime | None = None
        """When the source sent its first page, by its own clock."""
        for number in range(self._working):
            threading.Thread(
                target=self._read, args=(open_reader,), name=f"reader-{number}", daemon=True
            ).start()

    @property
    def finished(self) -> bool:
        """Whether every listing was read to its end and every page taken."""
        return self._working == 0

    def take(self, timeout: float) -> Page | None:
        """The next page; null where none came within `timeout` seconds, or none is left.

        Raises:
            SourceError: why reading ended before.
        """
        while not self.finished:
            try:
                item = self._pages.get(timeout=timeout)
            except queue.Empty:
                return None
            if isinstance(item, Exception):
                raise item
            if item is not None:
                return self._seen(item)
            self._working -= 1
        return None

    def _seen(self, page: Page) -> Page:
        self.started_at = self.started_at or page.sent_at
        return page

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Let threads end that were not read to their end: they wait for a place in the queue, or a turn."""
        if not self.finished:
            self._state.stop.set()

    def _read(self, open_reader: Callable[[], Reader]) -> None:
        """One thread's work; whatever ends it is handed to the taker."""
        try:
            reader = open_reader()
            while (listing := self._next()) is not None:
                for page in reader.pages(listing):
                    self._put(page)
            self._put(None)
        except StoppedError:
            return
        except Exception as error:  # noqa: BLE001 (raised again where the pages are taken)
            self._put_last(error)

    def _next(self) -> Listing | None:
        try:
            return self._listings.popleft()
        except IndexError:
            return None

    def _put(self, item: Page | Exception | None) -> None:
        while True:
            if self._state.stop.is_set():
                raise StoppedError
            try:
                return self._pages.put(item, timeout=0.2)
            except queue.Full:
                continue

    def _put_last(self, error: Exception) -> None:
        """Hand the error over; the other readers send nothing more."""
        try:
            self._put(error)
        except StoppedError:
            return
