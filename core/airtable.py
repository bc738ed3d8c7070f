"""The one door to Airtable: pages of raw records over HTTP, through pyairtable's client.

Outside names inside: https://airtable.com/developers/web/api/list-records. Each way to fail becomes one
of `errors`' classes, which say whether to retry, restart the listing or stop.
"""

import math
import random
import re
import string
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import requests
from pyairtable import Api
from pyairtable.formulas import (
    AND,
    CREATED_TIME,
    FIND,
    IS_AFTER,
    LAST_MODIFIED_TIME,
    NOT,
    OR,
    RECORD_ID,
    RIGHT,
    Formula,
)
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, stop_any
from tenacity.stop import stop_base
from tenacity.wait import wait_base

from core.clock import Clock
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
from core.pacer import Pacer
from core.records import Column

PAGE_SIZE = 100
LEAST_RATE_WAIT_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a reader goes on trying, in seconds and times (spec, section 3: reader failures)."""

    connect_seconds: int = 10
    read_seconds: int = 30
    tries: int = 6
    request_seconds: float = 60.0
    first_pause_seconds: float = 0.5
    longest_pause_seconds: float = 16.0
    rate_wait_seconds: float = 300.0
    restarts: int = 8


PATIENCE = Patience()


@dataclass(frozen=True, slots=True)
class Source:
    """Where and what to read; `key` is never shown."""

    endpoint: str
    base: str
    table: str
    view: str | None
    columns: Mapping[Column, str]
    key: str = field(repr=False)

    @property
    def by_id(self) -> bool:
        """Whether columns are named by field id."""
        return all(name.startswith("fld") for name in self.columns.values())


@dataclass(frozen=True, slots=True)
class Listing:
    """One listing of the table: the records that `formula` keeps, with the cells of `columns`."""

    columns: tuple[str, ...]
    formula: str | None = None
    shard: bool = False
    """Whether it is a part of a larger listing, and so not to be cut again."""


def everything(source: Source) -> Listing:
    """The whole table or view, with all mapped cells."""
    return Listing(tuple(source.columns.values()))


def changed_since(source: Source, moment: datetime) -> Listing:
    """What was made or changed after `moment`, by Airtable's own modified time."""
    return Listing(tuple(source.columns.values()), str(_changed_since(moment)))


def by_id(source: Source, ids: Sequence[str]) -> list[Listing]:
    """The records with these ids where the view still shows them, a listing for each page's worth."""
    return [Listing(tuple(source.columns.values()), str(_among(chunk))) for chunk in _pages_of(ids)]


def changed_among(source: Source, ids: Sequence[str], moment: datetime) -> list[Listing]:
    """Which of these records were made or changed after `moment`: their ids, with one cell alone."""
    columns = (source.columns[Column.CLINIC],)
    return [Listing(columns, str(AND(_among(chunk), _changed_since(moment)))) for chunk in _pages_of(ids)]


def _changed_since(moment: datetime) -> Formula:
    return OR(IS_AFTER(LAST_MODIFIED_TIME(), moment), IS_AFTER(CREATED_TIME(), moment))


def _among(ids: Sequence[str]) -> Formula:
    return OR(*(RECORD_ID().eq(record_id) for record_id in ids))


def _pages_of(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + PAGE_SIZE] for start in range(0, len(ids), PAGE_SIZE))


# Record ids end in one of these, evenly spread.
LAST_CHARACTERS = string.ascii_uppercase + string.ascii_lowercase + string.digits
MOST_READERS = 21
# Readers beyond the bare need, for answers that take longer than the first ones.
SPARE = 1.15
# More than PostgreSQL is written to: reading faster would only fill the queue.
MOST_PAGES_PER_SECOND = 50.0


def readers_needed(latency: float, requests_per_second: float) -> int:
    """How many readers keep a pace of requests busy at this latency (seconds); 1 where one suffices.

    Among the numbers that suffice, one that cuts the 62 last characters into even shards.
    """
    at_once = latency * min(requests_per_second, MOST_PAGES_PER_SECOND)
    if at_once <= 1:
        return 1
    least = math.ceil(at_once * SPARE)
    enough = range(min(least, MOST_READERS), MOST_READERS + 1)
    return min(enough, key=lambda number: (number - least) // 3 + _largest_shard(number) * number)


def sharded(listing: Listing, number: int) -> list[Listing]:
    """The listing cut into `number` even parts by the record id's last character.

    The last part is the complement of the others: together they are the listing, whatever ids look like.
    """
    size = _largest_shard(number)
    parts = [LAST_CHARACTERS[start : start + size] for start in range(0, len(LAST_CHARACTERS), size)]
    last = RIGHT(RECORD_ID(), 1)
    conditions = [FIND(last, part) for part in parts[:-1]]
    rest = NOT(FIND(last, "".join(parts[:-1])))
    base = [Formula(listing.formula)] if listing.formula else []
    formulas = [AND(*base, condition) if base else condition for condition in (*conditions, rest)]
    return [Listing(listing.columns, str(formula), shard=True) for formula in formulas]


def _largest_shard(number: int) -> int:
    return math.ceil(len(LAST_CHARACTERS) / number)


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
        self.waiting_until: datetime | None = None
        self.latency = 0.0
        """Seconds from request to answer, of the last good page."""
        self._clock = clock
        self._lock = threading.Lock()

    def count_retry(self) -> None:
        """One more request or listing had to be repeated."""
        with self._lock:
            self.retries += 1

    def sleep(self, seconds: float) -> None:
        """Wait; the moment until which stands in the run's progress meanwhile.

        Raises:
            StoppedError: the run was asked to stop meanwhile.
        """
        self.waiting_until = self._clock.now() + timedelta(seconds=seconds)
        stopped = self.stop.wait(seconds)
        self.waiting_until = None
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
                "requests. Stop it, or lower AIRTABLE_REQUESTS_PER_SECOND."
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
            offset = _offset(answer)
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
                page = _checked(request())
            except requests.HTTPError as error:
                fault = sorted_fault(error.response, self._source)
                if not isinstance(fault, RateLimitError):
                    raise fault from None
                self._state.wait_for_rate(self._pacer.penalise(_retry_after(error.response)))
            except (requests.RequestException, ValueError, RecursionError) as error:
                raise _broken(error, self._source.endpoint) from None
            else:
                self._state.latency = self._clock.monotonic() - sent
                return page

    def _keep(self, response: requests.Response, **_: object) -> None:
        response.encoding = "utf-8"  # JSON is UTF-8; guessing an encoding costs more than reading the page
        self._answer = response

    def _sent_at(self) -> datetime:
        """The answer's `Date`, on which the watermark rests; this machine's clock where there is none."""
        header = self._answer.headers.get("Date") if self._answer is not None else None
        try:
            moment = parsedate_to_datetime(header or "")
        except ValueError:
            return self._clock.now()
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


# What no repetition mends: https://airtable.com/developers/web/api/errors
PERMANENT: dict[int, tuple[type[SourceError], str]] = {
    401: (TokenRefusedError, "Airtable refuses the token. Check AIRTABLE_API_KEY."),
    403: (
        AccessDeniedError,
        (
            "Airtable denies access to base {base}, table {table}. Check AIRTABLE_BASE_ID, "
            "AIRTABLE_TABLE_NAME and that AIRTABLE_API_KEY's token has the scope data.records:read for it."
        ),
    ),
    404: (
        NotFoundError,
        (
            "Airtable knows no base {base} with a table {table}. Check AIRTABLE_BASE_ID, AIRTABLE_TABLE_NAME "
            "and AIRTABLE_ENDPOINT_URL."
        ),
    ),
}


def sorted_fault(response: requests.Response, source: Source) -> SourceError:
    """What an answer above 399 means: its class says what to do, its message what to mend."""
    kind, detail = _error_body(response)
    status = response.status_code
    if status in PERMANENT:
        fault, message = PERMANENT[status]
        return fault(message.format(base=source.base, table=source.table))
    if status == requests.codes.unprocessable:
        return _refused(kind, detail, source)
    if status == requests.codes.too_many and kind == "PUBLIC_API_BILLING_LIMIT_EXCEEDED":
        return BillingLimitError(
            "This month's Airtable API calls are used up (PUBLIC_API_BILLING_LIMIT_EXCEEDED). Waiting does "
            "not help: raise the workspace's plan, or import again next month."
        )
    if status == requests.codes.too_many:
        return RateLimitError("Airtable's rate limit was met.")
    if status >= requests.codes.server_error:
        return RetryableSourceError(
            f"Airtable answers {status}: it has an outage. The next import will make up for it.",
            retry_after=_retry_after(response),
        )
    return RequestRefusedError(f"Airtable refuses the request with status {status}{_named(kind)}.")


def _refused(kind: str, detail: str, source: Source) -> SourceError:
    """The kinds of 422; only an expired listing can be mended by asking again."""
    if kind == "LIST_RECORDS_ITERATOR_NOT_AVAILABLE":
        return ListingExpiredError("Airtable dropped the listing.")
    if kind == "UNKNOWN_FIELD_NAME":
        return UnknownColumnError(_unknown_column(detail, source))
    if "VIEW" in kind:
        return RequestRefusedError(f"Airtable knows no view {source.view}. Check AIRTABLE_VIEW.")
    return RequestRefusedError(f"Airtable refuses the request{_named(kind)}.")


def _unknown_column(detail: str, source: Source) -> str:
    """Name the variable of the column that Airtable names; all of them where it names none of ours."""
    quoted = set(re.findall(r'"([^"]*)"', detail))
    unknown = [column for column, name in source.columns.items() if name in quoted]
    variables = ", ".join(f"AIRTABLE_FIELD_{column.name}" for column in unknown) or "the AIRTABLE_FIELD_… set"
    names = ", ".join(source.columns[column] for column in unknown) or "asked for"
    return (
        f"Table {source.table} has no column {names}. Check {variables}: give the column's name, "
        "or none where the table has no such column."
    )


def _error_body(response: requests.Response) -> tuple[str, str]:
    """Type and message of an error in any of Airtable's three JSON shapes; blank for anything else."""
    try:
        body = response.json()
    except (ValueError, RecursionError):
        return "", ""
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(body, dict) and error is None and isinstance(body.get("errors"), list):
        error = next(iter(body["errors"]), None)
    if isinstance(error, str):
        return error, ""
    if not isinstance(error, dict):
        return "", ""
    kind = error.get("type", error.get("error", ""))
    return str(kind), str(error.get("message", ""))


def _named(kind: str) -> str:
    return f" ({kind})" if re.fullmatch(r"[A-Z_]{3,60}", kind) else ""


def _checked(answer: object) -> dict[str, Any]:
    """A page has a list of records; a 200 of `{}` would otherwise read as an empty table."""
    if not isinstance(answer, dict) or not isinstance(answer.get("records"), list):
        raise MalformedAnswerError(
            "An answer came that is no page of records. Check AIRTABLE_ENDPOINT_URL, or try again later."
        )
    return answer


def _offset(answer: Mapping[str, Any]) -> str | None:
    offset = answer.get("offset")
    return str(offset) if offset else None


def _broken(error: Exception, endpoint: str) -> RetryableSourceError:
    """A fault of the network, or a body that is cut short or not JSON."""
    if isinstance(error, requests.exceptions.ChunkedEncodingError | requests.exceptions.ContentDecodingError):
        return MalformedAnswerError(
            "Airtable's answers are cut short. Check the network, or try again later."
        )
    if isinstance(error, requests.Timeout):
        return RetryableSourceError(
            f"{endpoint} does not answer in time. Check the network, or try again later."
        )
    if isinstance(error, requests.ConnectionError):
        return RetryableSourceError(
            f"{endpoint} cannot be reached. Check the network and AIRTABLE_ENDPOINT_URL."
        )
    if isinstance(error, requests.exceptions.JSONDecodeError | ValueError | RecursionError):
        return MalformedAnswerError(
            "An answer came that is not JSON. Check AIRTABLE_ENDPOINT_URL, or try again later."
        )
    return RetryableSourceError(f"The request to {endpoint} failed ({type(error).__name__}).")


def _retry_after(response: requests.Response) -> float:
    """`Retry-After` in seconds, 0 without one; a date there is rare and not worth reading."""
    text = response.headers.get("Retry-After", "")
    return float(text) if re.fullmatch(r"[0-9]{1,4}(\.[0-9]+)?", text) else 0.0
