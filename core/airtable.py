"""The one door to Airtable: pages of raw records over HTTP, through pyairtable's client."""

import math
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, stop_any
from tenacity.stop import stop_base
from tenacity.wait import wait_base
from urllib3.exceptions import DecodeError, ProtocolError
from urllib3.response import HTTPResponse

from core.answers import broken, checked, page_token, retry_after, sorted_fault
from core.client import Api
from core.clock import Clock
from core.errors import ListingExpiredError, RateLimitError, RetryableSourceError, StoppedError
from core.listings import MOST_READERS, PAGE_SIZE, Listing, Source
from core.pacer import Pacer

LEAST_RATE_WAIT_SECONDS = 0.2
PIECE_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Patience:
    """How far readers go, in seconds, times and numbers (spec, section 3: reader failures)."""

    connect_seconds: int = 10
    read_seconds: int = 30
    tries: int = 6
    request_seconds: float = 60.0
    first_pause_seconds: float = 0.5
    longest_pause_seconds: float = 16.0
    rate_wait_seconds: float = 300.0
    restarts: int = 8
    readers: int = MOST_READERS
    """How many may read at once."""


PATIENCE = Patience()


@dataclass(frozen=True, slots=True)
class Page:
    """One answer: raw records, and when the source sent it by its own clock."""

    records: list[object]
    sent_at: datetime
    more: bool


class ReadingState:
    """What the readers of one run share: the wish to stop, and what they have been through."""

    def __init__(self, clock: Clock, patience: Patience) -> None:
        """Nothing has happened yet."""
        self.patience = patience
        self.stop = threading.Event()
        self.retries = 0
        self.rate_waited = 0.0
        self.latency = 0.0
        """Seconds from request to answer, of the last good page."""
        self._clock = clock
        self._lock = threading.Lock()
        self._waits: list[datetime] = []

    @property
    def waiting_until(self) -> datetime | None:
        """When the last of the readers that wait now goes on; None where none waits."""
        with self._lock:
            return max(self._waits, default=None)

    def count_retry(self) -> None:
        """One more request or listing had to be repeated."""
        with self._lock:
            self.retries += 1

    def sleep(self, seconds: float) -> None:
        """Wait; the moment until which stands in the run's progress meanwhile.

        Raises:
            StoppedError: the run was asked to stop meanwhile.
        """
        until = self._clock.now() + timedelta(seconds=seconds)
        with self._lock:
            self._waits.append(until)
        stopped = self.stop.wait(seconds)
        with self._lock:
            self._waits.remove(until)
        if stopped:
            raise StoppedError

    def wait_for_rate(self, penalty: float) -> None:
        """Wait as long as a rate 429 asks, within the run's budget.

        Raises:
            RateLimitError: the budget of the whole run is used up.
            StoppedError: the run was asked to stop meanwhile.
        """
        with self._lock:
            self.retries += 1
            self.rate_waited += max(penalty, LEAST_RATE_WAIT_SECONDS)
            over = self.rate_waited > self.patience.rate_wait_seconds
        if over:
            raise RateLimitError(
                "Airtable's rate limit was met again and again: another program is using up this base's "
                "requests. Stop it, or ask for less a second (AIRTABLE_REQUESTS_PER_SECOND)."
            )
        self.sleep(penalty)


class _Patience(stop_base):
    """A request's time is up; waiting for rate limits has a budget of its own."""

    def __init__(self, state: ReadingState, clock: Clock) -> None:
        self._state, self._clock = state, clock
        self._began, self._waited = clock.monotonic(), state.rate_waited

    def __call__(self, retry_state: RetryCallState) -> bool:  # noqa: ARG002 (tenacity's signature)
        return self.left() == 0

    def left(self) -> float:
        """How many seconds the request may still take."""
        spent = self._clock.monotonic() - self._began - (self._state.rate_waited - self._waited)
        return max(self._state.patience.request_seconds - spent, 0.0)


class _Pause(wait_base):
    """The wait before the next try: exponential with jitter, at least what `Retry-After` asked for.

    However long that is, the request's time bounds it.
    """

    def __init__(self, patience: Patience, request: _Patience) -> None:
        self._patience, self._request = patience, request

    def __call__(self, retry_state: RetryCallState) -> float:
        error = retry_state.outcome.exception() if retry_state.outcome else None
        asked = error.retry_after if isinstance(error, RetryableSourceError) else 0.0
        backoff = self._patience.first_pause_seconds * math.pow(2, retry_state.attempt_number - 1)
        jitter = random.uniform(0.5, 1.0)  # noqa: S311 (not a secret)
        wanted = max(asked, min(backoff, self._patience.longest_pause_seconds) * jitter)
        return min(wanted, self._request.left())


class Reader:
    """One connection's worth of reading; not shared between threads."""

    def __init__(self, source: Source, pacer: Pacer, clock: Clock, state: "ReadingState") -> None:
        """Open no connection yet."""
        self._source = source
        self._pacer = pacer
        self._clock = clock
        self._state = state
        self._api = Api(
            source.key,
            timeout=(state.patience.connect_seconds, state.patience.read_seconds),
            retry_strategy=None,
            endpoint_url=source.endpoint,
        )
        # A local stand-in is never behind a proxy, and looking for one costs time on each request.
        self._api.session.trust_env = urlsplit(source.endpoint).hostname not in {"127.0.0.1", "localhost"}
        self._api.session.hooks["response"].append(self._keep)
        self._table = self._api.table(source.base, source.table)
        self._answer: requests.Response | None = None

    def pages(self, listing: Listing) -> Iterator[Page]:
        """All pages of a listing; from its first page again where its iterator expires.

        A restarted listing yields records that it has yielded before: who counts, counts distinct ids.

        Raises:
            SourceError: nothing that trying again mends, or tried often enough.
            StoppedError: the run was asked to stop.
        """
        for _ in range(self._state.patience.restarts):
            try:
                yield from self._from_first_page(listing)
            except ListingExpiredError:
                self._state.count_retry()
            else:
                return
        raise ListingExpiredError(
            f"Airtable dropped the listing {self._state.patience.restarts} times before its end was read. "
            "Run the import again at a quieter time."
        )

    def _from_first_page(self, listing: Listing) -> Iterator[Page]:
        offset: str | None = None
        seen: set[str] = set()
        while True:
            answer = self._page(listing, offset)
            offset = page_token(answer)
            if offset in seen:
                raise ListingExpiredError("Airtable gave the same page token twice.")
            if offset is not None:
                seen.add(offset)
            yield Page(answer["records"], self._sent_at(), more=offset is not None)
            if offset is None:
                return

    def _page(self, listing: Listing, offset: str | None) -> dict[str, Any]:
        options: dict[str, Any] = {"page_size": PAGE_SIZE, "fields": list(listing.columns)}
        optional = {"formula": listing.formula, "view": self._source.view, "offset": offset}
        options |= {name: value for name, value in optional.items() if value is not None}
        if self._source.by_id:
            options["use_field_ids"] = True
        urls = self._table.urls
        return self._tried(
            lambda: self._api.request(
                "GET", urls.records, fallback=("POST", urls.records_post), options=options
            )
        )

    def _tried(self, request: Callable[[], Any]) -> dict[str, Any]:
        """One request with its tries: 6, or 60 s (spec, section 3)."""
        patience = self._state.patience
        time = _Patience(self._state, self._clock)
        for attempt in Retrying(
            retry=retry_if_exception_type(RetryableSourceError),
            stop=stop_any(stop_after_attempt(patience.tries), time),
            wait=_Pause(patience, time),
            sleep=self._state.sleep,
            before_sleep=lambda _: self._state.count_retry(),
            reraise=True,
        ):
            with attempt:
                return self._once(request)
        raise AssertionError("unreachable: the last attempt raises")  # pragma: no cover

    def _once(self, request: Callable[[], Any]) -> dict[str, Any]:
        """Send when it is this reader's turn, again after each rate 429, and check that a page came back."""
        while True:
            self._pacer.wait_for_turn(self._state.stop)
            sent = self._clock.monotonic()
            try:
                page = checked(request())
            except requests.HTTPError as error:
                fault = sorted_fault(error.response, self._source)
                if not isinstance(fault, RateLimitError):
                    raise fault from None
                self._state.wait_for_rate(self._pacer.penalise(retry_after(error.response)))
            except (requests.RequestException, ValueError, RecursionError) as error:
                raise broken(error, self._source.endpoint) from None
            else:
                self._state.latency = self._clock.monotonic() - sent
                return page

    def _keep(self, response: requests.Response, **_options: object) -> None:
        """Read the body here, where all of it has a time: `timeout` bounds the wait for each piece alone."""
        response.encoding = "utf-8"  # JSON is UTF-8; guessing an encoding costs more than reading the page
        self._answer = response
        until = self._clock.monotonic() + self._state.patience.read_seconds
        response.raw = BytesIO(b"".join(self._pieces(response.raw, until)))

    def _pieces(self, raw: HTTPResponse, until: float) -> Iterator[bytes]:
        """The body as it comes; raises as requests does where it is cut short, garbled or late."""
        try:
            while piece := raw.read1(PIECE_BYTES, decode_content=True):
                yield piece
                if self._clock.monotonic() > until:
                    raise requests.ReadTimeout
        except DecodeError as error:
            raise requests.exceptions.ContentDecodingError from error
        except ProtocolError as error:
            raise requests.exceptions.ChunkedEncodingError from error
        except urllib3.exceptions.HTTPError as error:
            raise requests.ReadTimeout from error
        finally:
            raw.close()  # one that was read to its end has given its connection back

    def _sent_at(self) -> datetime:
        """The answer's `Date`, on which the watermark rests; this machine's clock where there is none."""
        header = self._answer.headers.get("Date") if self._answer is not None else None
        try:
            moment = parsedate_to_datetime(header or "")
        except ValueError:
            return self._clock.now()
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
