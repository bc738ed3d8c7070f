"""One import run: gather pages, decide each record, apply each batch; then delete what is gone, reckon.

The only module that catches everything: a run always ends with a row that says how.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import islice
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from core import listings, queries, runs, slots, store
from core.airtable import PATIENCE, Page, Patience, Reader, ReadingState
from core.batches import Batches
from core.clock import Clock
from core.control import Control, EndingError
from core.database import explanation
from core.errors import (
    ImportRunningError,
    LostRunError,
    ProductError,
    SlotLostError,
    SourceMismatchError,
    StoppingError,
)
from core.fingerprint import changed, fingerprint
from core.hold import PATIENCE_SECONDS, Hold
from core.listings import Listing, Source
from core.log import Log
from core.pacer import Pacer
from core.progress import Progress
from core.reading import Reading
from core.records import Decision, Outcome
from core.rules import SEEDED_AUTOMATIONS, Ruleset, decide, name_key, quarantined
from core.runs import LastSuccess, Mode, Status, Trigger
from core.seen import Seen
from core.timetable import OVERLAP

BATCH = 100
REFRESH_SECONDS = 1.0
MASS_DELETION_ROWS = 10
# So many record ids are held at once; each is asked for by id in a page of a hundred.
PORTION = 5000
# Between two imports the lock is held a moment after the row has ended, and free a moment before one is made.
HANDOVER_TRIES = 40
HANDOVER_PAUSE_SECONDS = 0.05

log = Log("import")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody wants imported."""

    mode: Mode
    trigger: Trigger
    triggered_by: str
    notes: str | None = None
    allow_mass_delete: bool = False
    only_rejected: bool = False
    """Read the open rejected records alone; where a full import is due, that reads them too."""
    slot_at: datetime | None = None
    """The slot that this import does; one that was told as missed meanwhile is not done any more."""


@dataclass(frozen=True, slots=True)
class Plant:
    """What every import of a process works with."""

    engine: Engine
    conninfo: str
    source: Source
    identity: str
    ruleset: Ruleset
    max_delete_percent: float
    pacer: Pacer
    clock: Clock
    patience: Patience = PATIENCE
    database_patience_seconds: float = PATIENCE_SECONDS
    """How long PostgreSQL may be away before the run gives up."""
    committed: Callable[[int], None] = lambda _: None
    """Called after each commit with the batch's number; tests end the process in it."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended."""

    import_id: int
    status: Status
    errors: list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class _Decided:
    """A page's records, each once, with what the rules make of them; by external id."""

    sent_at: datetime
    decisions: Mapping[str, Decision]
    raw: Mapping[str, object]


class Import:
    """One run: `begin` takes the lock and makes the row, `run` does the work and writes the end."""

    def __init__(self, plant: Plant, order: Order, control: Control) -> None:
        """Nothing is read or written yet."""
        self.import_id = 0
        self.mode = order.mode
        self._plant = plant
        self._order = order
        self._control = control
        self._reading = ReadingState(plant.clock, plant.patience)
        self._progress = Progress(plant.clock, self._reading, plant.clock.monotonic())
        self._seen = Seen()
        self._hold = Hold(
            plant.engine, plant.clock, control.pause, self._seen.open, plant.database_patience_seconds
        )
        self._raw: Mapping[str, object] = {}
        self._since: datetime | None = None
        self._source_started_at: datetime | None = None
        self._bound = False
        self._refused: list[int] | None = None
        self._before: LastSuccess | None = None
        self._missed = 0
        self._make_room: Callable[[], None] = lambda: None

    def begin(self) -> int:
        """Take the lock, check the source and make the run's row; answers the import's id.

        Raises:
            ImportRunningError: another import holds the lock.
            SourceMismatchError: the database holds another source; nothing was written.
            SlotLostError: the order's slot was told as missed; nothing was written.
            StoppingError: somebody stopped it before it could begin.
            DatabaseError: PostgreSQL refuses or cannot be reached.
        """
        try:
            self._take_over()
        except DBAPIError as error:
            self._let_go()
            raise explanation(error, self._plant.conninfo) from error
        except EndingError as ending:
            self._let_go()
            raise StoppingError from ending
        except BaseException:
            self._let_go()
            raise
        self._batches = Batches(
            import_id=self.import_id,
            hold=self._hold,
            seen=self._seen,
            progress=self._progress,
            clock=self._plant.clock,
            quarantined=lambda external_id: quarantined(self._raw[external_id], self._plant.ruleset),
            meanwhile=self._let_read,
            committed=self._plant.committed,
        )
        log.info(
            "import_started",
            import_id=self.import_id,
            mode=self.mode.value,
            trigger=self._order.trigger.value,
        )
        return self.import_id

    def _take_over(self) -> None:
        """Take the lock, trying again while it is held and nobody's row says so: it is changing hands."""
        for tries_left in reversed(range(HANDOVER_TRIES)):
            try:
                self._hold.take(self._make_row)
            except ImportRunningError as error:
                if error.import_id is not None or not tries_left:
                    raise
                self._control.pause(HANDOVER_PAUSE_SECONDS)
            else:
                return

    def progress(self) -> dict[str, object]:
        """How far this run is (spec, section 3); may be asked from any thread."""
        return self._progress.as_json()

    def run(self) -> Ended:
        """Read, write and reckon; whatever happens, the row says how it ended."""
        try:
            status, errors = self._outcome()
            ended = self._end(status, errors)
        finally:
            self._reading.stop.set()
            self._let_go()
        if status in {Status.SUCCEEDED, Status.PARTIAL}:
            self._vacuum()
        return ended

    def _vacuum(self) -> None:
        """Leave the table ready for figures; where that fails they are slower, and the import as good."""
        try:
            with self._plant.engine.connect() as connection:
                connection.execution_options(isolation_level="AUTOCOMMIT")
                connection.detach()  # an ended import leaves no session behind
                row = queries.run(connection, self.import_id)
                store.vacuum(connection, row["created"] + row["updated"] + row["deleted"] if row else 0)
        except DBAPIError as error:
            log.failure("vacuum_failed", error, import_id=self.import_id)

    def _make_row(self, connection: Connection) -> None:
        """Settle source and mode, and make the row: in the transaction that takes the lock."""
        now = self._plant.clock.now()
        held = runs.source_held(connection)
        check_source(held, self._plant.identity)
        self._bound = held is not None
        marks = fingerprint(self._plant.identity, self._plant.ruleset)
        last = runs.last_success(connection)
        self.mode, reason = settled_mode(self._order.mode, last, marks)
        if self.mode is Mode.INCREMENTAL and last is not None:
            self._since = last.watermark
        else:
            self._progress.expected = queries.live_count(connection)
            self._before = last if last and last.fingerprint == marks else None
        begin = runs.Begin(
            trigger=self._order.trigger,
            triggered_by=self._order.triggered_by,
            mode=self.mode,
            started_at=now,
            notes=" ".join(part for part in (self._order.notes, reason) if part) or None,
            fingerprint=marks,
            allow_mass_delete=self._order.allow_mass_delete,
            only_rejected=self._only_rejected,
        )
        self.import_id = runs.begin(connection, begin, self._progress.as_json())
        slot_at = self._order.slot_at
        if slot_at is not None and not slots.done_by(connection, slot_at, self.import_id):
            raise SlotLostError

    @property
    def _only_rejected(self) -> bool:
        """Whether it reads nothing else; where a full import is due, it does."""
        return self._order.only_rejected and self._since is not None

    def _outcome(self) -> tuple[Status, list[dict[str, str]]]:
        """Do the work; what ends it early becomes a status and an entry for people."""
        try:
            errors = self._work()
        except EndingError as ending:
            return ending.status, [ending.entry]
        except ProductError as error:
            return self._failed(error, error.code, error.message)
        except DBAPIError as error:
            told = explanation(error, self._plant.conninfo)
            return self._failed(error, told.code, told.message)
        except Exception as error:  # noqa: BLE001 (the row must say that it failed; the log has the rest)
            message = f"An unexpected error ended the import ({type(error).__name__}); error.log has more."
            return self._failed(error, "unexpected", message)
        return (Status.PARTIAL if errors else Status.SUCCEEDED), errors

    def _failed(self, error: Exception, code: str, message: str) -> tuple[Status, list[dict[str, str]]]:
        log.failure("import_error", error, import_id=self.import_id, code=code)
        return Status.FAILED, [runs.error_entry(code, message)]

    def _work(self) -> list[dict[str, str]]:
        """Gather, decide, apply; then what is gone; then whether the counts add up."""
        source = self._plant.source
        if self._since is None:
            reread = set(self._asked(queries.database_error_ids))
            self._read([listings.everything(source)], "reading", "Reading all records.")
            errors = self._delete_absent()
            self._count_missed(reread)
        else:
            self._read(self._listings(self._since), "reading", "Reading what changed.")
            errors = []
        self._tell("reckoning", "Checking that the counts add up.")
        return errors + self._miscounts()

    # Gather and decide

    def _listings(self, since: datetime) -> list[Listing]:
        """What an incremental import reads: what changed, and records that were rejected, by id."""
        source = self._plant.source
        if self._only_rejected:
            return listings.by_id(source, self._asked(queries.open_rejected_ids))
        again = listings.by_id(source, self._asked(queries.database_error_ids))
        return [listings.changed_since(source, since), *again]

    def _read(self, wanted: Sequence[Listing], phase: str, message: str) -> None:
        """Take every page of these listings as decided, and commit it as a batch."""
        self._tell(phase, message)
        for page in self._taken(wanted, self._decided):
            self._source_started_at = self._source_started_at or page.sent_at
            self._bind()
            self._take(page)

    def _decided(self, page: Page) -> _Decided:
        """What the rules make of a page; asked by the readers' threads."""
        decided = [(decide(raw, self._plant.ruleset), raw) for raw in page.records]
        decisions = {decision.external_id: decision for decision, _ in decided}
        return _Decided(page.sent_at, decisions, {decision.external_id: raw for decision, raw in decided})

    def _bind(self) -> None:
        """Bind the database to its first source, once that has answered: a mistyped one never does."""
        if not self._bound:
            now, identity = self._plant.clock.now(), self._plant.identity
            self._asked(lambda connection: runs.record_source(connection, identity, now))
            self._bound = True

    def _taken(self, wanted: Sequence[Listing], prepared: Callable[[Page], T]) -> Iterator[T]:
        """The pages, prepared, as they come; while none comes, the row shows that the run lives."""
        with Reading(wanted, self._reading, self._plant.pacer.rate, self._open_reader, prepared) as reading:
            self._make_room = reading.make_room
            while not reading.finished:
                page = reading.take(REFRESH_SECONDS)
                self._control.check()
                if page is not None:
                    yield page
                elif not reading.finished:
                    self._obey(self._batches.refresh())

    def _let_read(self) -> None:
        """A long wait for PostgreSQL begins: whatever is being read may go on."""
        self._make_room()

    def _open_reader(self) -> Reader:
        return Reader(self._plant.source, self._plant.pacer, self._plant.clock, self._reading)

    def _take(self, page: _Decided) -> None:
        self._progress.pages += 1
        self._raw = page.raw
        for batch in _chunks(page.decisions.values()):
            self._obey(self._batches.commit(batch))
            self._control.check()
            if self._progress.batches == 1 and self._progress.expected == 0:
                self._asked(store.analyse)

    def _tell(self, phase: str, message: str) -> None:
        self._progress.phase, self._progress.message = phase, message
        self._obey(self._batches.refresh())
        self._control.check()

    def _obey(self, cancelled_by: str | None) -> None:
        """Somebody may have asked in the run's row that it stop."""
        if cancelled_by is not None:
            self._control.cancel(cancelled_by)
            self._control.check()

    def _asked(self, question: Callable[[Connection], T]) -> T:
        """One question on the run's own connection."""
        return self._hold.transact(question, lambda _: None)

    # Delete

    def _delete_absent(self) -> list[dict[str, str]]:
        """Mark what the source no longer has; what was not read is first asked for by id."""
        asked = sum(self._asked(self._seen.unseen_counts))
        if not asked:
            return []
        for ids in self._portions(self._seen.unseen):
            again = listings.by_id(self._plant.source, ids)
            self._read(again, "checking", f"Asking Airtable again for {asked:,} absent records.")
        absent, _ = self._asked(self._seen.unseen_counts)
        live = self._asked(queries.live_count)
        if self._is_mass(absent, live) and not self._order.allow_mass_delete:
            self._refused = self._asked(self._seen.unseen_live)
            return [self._refusal(absent, live)]
        self._tell("deleting", f"Removing {absent:,} records that Airtable no longer has.")
        for ids in self._portions(self._seen.unseen):
            for chunk in _chunks(ids):
                self._obey(self._batches.delete(chunk))
                self._control.check()
        return []

    def _portions(self, of: Callable[..., list[str]]) -> Iterator[list[str]]:
        """All record ids that a question answers, some at a time: a list of all grows with the table."""
        after = ""
        while ids := self._asked(partial(of, after=after, limit=PORTION)):
            yield ids
            after = ids[-1]

    def _is_mass(self, absent: int, live: int) -> bool:
        return absent > MASS_DELETION_ROWS and absent * 100 > self._plant.max_delete_percent * live

    def _refusal(self, absent: int, live: int) -> dict[str, str]:
        log.warning("mass_deletion_refused", import_id=self.import_id, absent=absent, live=live)
        return runs.error_entry(
            "mass_deletion_refused",
            f"Airtable no longer shows {absent:,} of {live:,} records. That is more than the "
            f"{self._plant.max_delete_percent:g} % that an import may delete (MAX_DELETE_PERCENT), so none "
            "was deleted. Check that the table and its view (AIRTABLE_VIEW) show all records. If they are "
            "really gone, run a full import that allows the mass deletion.",
        )

    def _count_missed(self, reread: Collection[str]) -> None:
        """How many changes the incremental imports since the last success would never have seen.

        What a full import changes, but Airtable's modified time does not show since the watermark, was
        missed; `reread` are records that incremental imports ask for by id.
        """
        if self._before is None:
            return
        for ids in self._portions(self._seen.changed):
            self._tell("counting", "Counting what incremental imports would have missed.")
            changed = [name for name in ids if name not in reread]
            self._missed += len(changed) - self._count_shown(changed, self._before.watermark)

    def _count_shown(self, ids: Sequence[str], since: datetime) -> int:
        """How many of these records Airtable's modified time shows as changed since."""
        shown: set[str] = set()
        asked = listings.changed_among(self._plant.source, ids, since)
        for records in self._taken(asked, lambda page: page.records):
            shown |= {raw["id"] for raw in records if isinstance(raw, dict) and "id" in raw}
        return len(shown.intersection(ids))

    # Reckon

    def _miscounts(self) -> list[dict[str, str]]:
        """Whether what was read, what was counted and what lies in the tables agree."""

        def counts(connection: Connection) -> tuple[int, int, int]:
            seen = self._seen.counts(connection)
            return sum(seen.values()), seen.get(Outcome.REJECTED, 0), queries.live_count(connection)

        read, rejected, live = self._asked(counts)
        faults = []
        if read != self._progress.records:
            faults.append(f"{read:,} records were read and {self._progress.records:,} counted")
        if self.mode is Mode.FULL and self._refused is None and live != read - rejected:
            faults.append(f"{read - rejected:,} records were loaded and {live:,} are in the tables")
        message = (
            "; ".join(faults) + ". Run a full import; where it stays so, somebody else writes to the tables."
        )
        return [runs.error_entry("count_mismatch", message)] if faults else []

    # End

    def _end(self, status: Status, errors: list[dict[str, str]]) -> Ended:
        """Write how the run ended, with the totals it leaves; on a new connection if need be."""
        values = self._progress.values() | {
            "status": status.value,
            "errors": json.dumps(errors),
            "source_started_at": self._source_started_at,
            "watermark": self._reached() if status is Status.SUCCEEDED else None,
            "refused": self._refused,
            "missed": self._missed,
        }

        def write(connection: Connection) -> bool:
            runs.keep_totals(connection, self.import_id, self._totals(connection))
            return runs.end(connection, self.import_id, values)

        try:
            ended = self._hold.transact(write, lambda _: None)
        except (DBAPIError, LostRunError, EndingError) as error:
            log.failure("import_end_not_written", error, import_id=self.import_id, status=status.value)
        else:
            if ended:
                log.info("import_ended", import_id=self.import_id, status=status.value)
        return Ended(self.import_id, status, errors)

    def _reached(self) -> datetime | None:
        """The watermark that a success leaves; one that did not read what changed keeps the one before."""
        if self._only_rejected:
            return self._since
        return self._source_started_at and self._source_started_at - OVERLAP

    def _totals(self, connection: Connection) -> dict[str, object]:
        seeded = [name_key(name) for name in SEEDED_AUTOMATIONS]
        totals, counts = queries.reckoning(connection, self._plant.ruleset.booking_years, seeded)
        return totals.as_dict() | {"inconsistencies": json.dumps(counts)}

    def _let_go(self) -> None:
        self._hold.release()
        self._seen.close()


def check_source(held: str | None, wanted: str) -> None:
    """Refuse to mix two sources in one database (spec, section 1).

    Raises:
        SourceMismatchError: the database holds another source than `wanted`.
    """
    if held is not None and held != wanted:
        raise SourceMismatchError(
            f"This database holds {held}, and the settings name {wanted}. Either empty it with "
            "`python -m core reset-data --yes`, or name another database (DATABASE_URL)."
        )


def settled_mode(wanted: Mode, last: LastSuccess | None, marks: str) -> tuple[Mode, str | None]:
    """The mode in which an import really runs, and why where that is not what was wanted."""
    if last is None:
        reason = "Runs as a full import: none had succeeded before." if wanted is Mode.INCREMENTAL else None
        return Mode.FULL, reason
    differing = changed(last.fingerprint, marks)
    if differing:
        return (
            Mode.FULL,
            f"Runs as a full import: {', '.join(differing)} changed since import {last.import_id}.",
        )
    return wanted, None


def _chunks(items: Iterable[T]) -> Iterator[list[T]]:
    remaining = iter(items)
    while chunk := list(islice(remaining, BATCH)):
        yield chunk
