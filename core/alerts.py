"""Alerts: one message when something needs a person, one when it is well again, over restarts.

The only importer of apprise (https://github.com/caronc/apprise/wiki), which knows how to reach a hundred
services by one URL each. What each receiver was told lies in the database.
"""

import logging
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any, TypeVar

from sqlalchemy import Connection, text

from core.clock import Clock
from core.database import ALERT_LOCK, OWNER
from core.log import Log
from core.queries import STILL_STANDS
from core.runs import Mode, Status
from core.validation import Metric

TITLE = "JointChiro Data Dashboard"
MASS_DELETION_REFUSED = "mass_deletion_refused"
SLOTS_BEFORE_ALERT = 2

T = TypeVar("T")
log = Log("server")


class Cause(StrEnum):
    """What a person is told about."""

    IMPORT = "import"
    MASS_DELETION = "mass_deletion"
    VALIDATION = "validation"
    SLOTS = "slots"


WELL: Mapping[Cause, str] = {
    Cause.IMPORT: "Well again: imports succeed.",
    Cause.MASS_DELETION: "Well again: no deletion is refused any more.",
    Cause.VALIDATION: "Well again: all totals are within their tolerance.",
    Cause.SLOTS: "Well again: scheduled imports bring new data.",
}

Causes = Mapping[Cause, str | None]
"""What is known: the message of a cause that holds, null for one that is well; one left out is unknown."""


@dataclass(frozen=True, slots=True)
class LastRun:
    """The newest run that ended with a verdict: a cancelled or interrupted one says nothing of the data."""

    import_id: int
    mode: str
    status: str
    errors: Sequence[Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Due:
    """One message for one receiver: the cause's own, or null where it is to hear that all is well."""

    cause: Cause
    receiver: str
    message: str | None


READ_LAST_RUN = text(f"""
    SELECT id, mode, status, errors FROM import_logs
    WHERE status IN ('succeeded', 'partial', 'failed') AND {STILL_STANDS} ORDER BY id DESC LIMIT 1
""")  # noqa: S608 (a constant of core.queries)

# One process at a time tells; another one leaves it to that one.
TRY_LOCK = text("SELECT pg_try_advisory_xact_lock(:owner, :key)")

READ_TOLD = text("SELECT cause, receiver FROM alerts")

KEEP_TOLD = text("""
    INSERT INTO alerts (cause, receiver, told_at) VALUES (:cause, :receiver, :now) ON CONFLICT DO NOTHING
""")

FORGET_TOLD = text("DELETE FROM alerts WHERE cause = :cause AND receiver = :receiver")

FORGET_RECEIVERS = text("DELETE FROM alerts WHERE receiver <> ALL(CAST(:receivers AS text[]))")


def last_run(connection: Connection) -> LastRun | None:
    """The newest run that succeeded, was partial or failed."""
    row = connection.execute(READ_LAST_RUN).first()
    return LastRun(row.id, row.mode, row.status, row.errors) if row else None


def causes(
    run: LastRun | None, metrics: Sequence[Metric] | None, missed_slots: int | None
) -> dict[Cause, str | None]:
    """What there is to tell; pure.

    `metrics` are the totals against their expectations, null where an import runs or none has succeeded, for
    then they say nothing. `missed_slots` are the slots passed since the data's moment, null where the
    schedule rests or no import has succeeded.
    """
    found = _of_run(run) if run else {}
    if metrics is not None:
        found[Cause.VALIDATION] = _off(metrics)
    if missed_slots is not None:
        found[Cause.SLOTS] = _late(missed_slots)
    return found


def _late(missed_slots: int) -> str | None:
    if missed_slots < SLOTS_BEFORE_ALERT:
        return None
    return f"{missed_slots} scheduled imports brought no data. Check that the server and its schedule run."


def _of_run(run: LastRun) -> dict[Cause, str | None]:
    """What the last verdict says: a refused deletion is told as that alone."""
    if run.status == Status.SUCCEEDED:
        # An incremental import sees no deletion, so it cannot say that none is refused any more.
        deletions: Causes = {Cause.MASS_DELETION: None} if run.mode == Mode.FULL else {}
        return {Cause.IMPORT: None, **deletions}
    said = " ".join(entry["message"] for entry in run.errors)
    if MASS_DELETION_REFUSED in {entry["code"] for entry in run.errors}:
        return {Cause.MASS_DELETION: f"Import {run.import_id} deleted nothing. {said}"}
    how = "is partial" if run.status == Status.PARTIAL else "failed"
    return {Cause.IMPORT: f"Import {run.import_id} {how}. {said}"}


def _off(metrics: Sequence[Metric]) -> str | None:
    off = [f"{one.metric} {one.actual:,} (expected {one.expected:,})" for one in metrics if not one.ok]
    return f"Totals left their tolerance: {', '.join(off)}." if off else None


def due(known: Causes, told: Collection[tuple[str, str]], receivers: Collection[str]) -> list[Due]:
    """Who is to be told what; `told` are pairs of cause and receiver. Pure."""
    return [
        Due(cause, receiver, message)
        for cause, message in known.items()
        for receiver in receivers
        if (message is not None) != ((cause.value, receiver) in told)
    ]


def addresses(urls: str) -> tuple[str, ...]:
    """The URLs of `ALERT_URLS`, which commas or white space separate; a URL may hold commas of its own."""
    parts = re.split(r"[,\s]+(?=[A-Za-z0-9]+://)", urls.strip(" \t\r\n,"))
    return tuple(dict.fromkeys(part for part in parts if part))


def unreadable(urls: Sequence[str]) -> list[int]:
    """Which of these URLs, by their places from 1, name no service that messages can be sent to."""
    return [place for place, url in enumerate(urls, 1) if not _service([url])]


class Alerts:
    """Tells the receivers; may be asked from any thread and any process, as often as one likes."""

    def __init__(
        self, write: Callable[[Callable[[Connection], T]], T], urls: Sequence[str], clock: Clock
    ) -> None:
        """`write` makes a change in a transaction of its own; nothing is sent yet."""
        self._write: Callable[[Callable[[Connection], Any]], Any] = write
        self._clock = clock
        self._urls = {sha256(url.encode()).hexdigest()[:16]: url for url in urls}

    def check(self, known: Causes) -> None:
        """Tell what is new and what is over; what cannot be sent is logged, and tried again next time.

        Raises:
            DatabaseError: as `write` does.
        """
        if self._urls:
            self._write(lambda connection: self._tell(connection, known))

    def _tell(self, connection: Connection, known: Causes) -> None:
        if not connection.scalar(TRY_LOCK, {"owner": OWNER, "key": ALERT_LOCK}):
            return
        connection.execute(FORGET_RECEIVERS, {"receivers": list(self._urls)})
        told = {(row.cause, row.receiver) for row in connection.execute(READ_TOLD)}
        for one in self._sent(due(known, told, self._urls)):
            which = {"cause": one.cause.value, "receiver": one.receiver}
            if one.message is None:
                connection.execute(FORGET_TOLD, which)
            else:
                connection.execute(KEEP_TOLD, which | {"now": self._clock.now()})

    def _sent(self, messages: Sequence[Due]) -> Iterator[Due]:
        """Send the messages; those that arrived."""
        for one in messages:
            arrived = _service([self._urls[one.receiver]]).notify(one.message or WELL[one.cause], TITLE)
            event = "alert_sent" if arrived else "alert_not_sent"
            (log.info if arrived else log.warning)(
                event, cause=one.cause.value, well=one.message is None, receiver=one.receiver
            )
            if arrived:
                yield one


def _service(urls: Sequence[str]) -> Any:  # noqa: ANN401 (apprise's object, false where it knows no URL)
    """What sends to these addresses; the library is read when first needed, which takes a while."""
    import apprise  # noqa: PLC0415 (a second's work, and most installations set no ALERT_URLS)

    # Its own words may quote an address, and addresses hold secrets.
    logging.getLogger("apprise").disabled = True
    service = apprise.Apprise()
    for url in urls:
        service.add(url)
    return service
