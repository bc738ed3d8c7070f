"""Decisions into committed batches: one transaction each, with its rows, rejections and counters."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from core import direct, runs, store
from core.clock import Clock
from core.database import Fault, constraint, fault, sqlstate
from core.errors import LostRunError
from core.hold import Hold
from core.log import Log
from core.progress import Progress
from core.records import Decision, Outcome, Rejection, Row
from core.seen import Seen, combined

COUNTERS = (*(outcome.value for outcome in Outcome), "deleted")
detail = Log("import.detail")


@dataclass(frozen=True, slots=True)
class Written:
    """What one transaction did, true once it is committed."""

    stand: runs.Stand
    counters: dict[str, int]
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    places: store.Places = field(default_factory=store.Places)
    rejections: list[Rejection] = field(default_factory=list)


class Batches:
    """The one writer of a run."""

    def __init__(
        self,
        *,
        import_id: int,
        hold: Hold,
        seen: Seen,
        progress: Progress,
        clock: Clock,
        quarantined: Callable[[str], Rejection],
        meanwhile: Callable[[], None],
        committed: Callable[[int], None],
    ) -> None:
        """`quarantined` rejects a record as `database_error`.

        `meanwhile` is called where a batch begins to wait for PostgreSQL for long, `committed` after each
        commit.
        """
        self._import_id = import_id
        self._hold = hold
        self._seen = seen
        self._progress = progress
        self._clock = clock
        self._meanwhile = meanwhile
        self._committed = committed
        self._quarantined = quarantined
        self._places = store.Places()

    def commit(self, batch: Sequence[Decision]) -> str | None:
        """Write a batch; where a record in it is at fault, find it by halving and reject it alone.

        Returns:
            Who asked meanwhile that the run be cancelled, if anybody.
        """
        try:
            return self._transact(partial(self._apply, batch))
        except DBAPIError as error:
            if fault(error) is not Fault.RECORD:
                raise
            if len(batch) == 1:
                return self._quarantine(batch[0], error)
        half = len(batch) // 2
        asked = [self.commit(batch[:half]), self.commit(batch[half:])]
        return asked[0] or asked[1]

    def delete(self, ids: Sequence[str]) -> str | None:
        """Take what the source no longer has out of the figures, and close its rejections."""
        return self._transact(lambda connection, _: self._delete(connection, ids))

    def refresh(self) -> str | None:
        """Show between batches that the run lives; answers who asked that it be cancelled."""

        def show(connection: Connection) -> runs.Stand:
            return _still_running(runs.refresh(connection, self._import_id, self._progress.values()))

        return self._hold.transact(show, lambda _: None).cancelled_by

    def _quarantine(self, decision: Decision, error: DBAPIError) -> str | None:
        detail.warning(
            "record_refused_by_database",
            import_id=self._import_id,
            record=decision.external_id,
            sqlstate=sqlstate(error),
            constraint=constraint(error),
        )
        rejection = self._quarantined(decision.external_id)
        return self._transact(partial(self._apply, [rejection]))

    def _apply(self, batch: Sequence[Decision], connection: Connection, again: bool) -> Written:
        """Compare with what is stored, write what differs, note what was seen."""
        rows = [decision for decision in batch if isinstance(decision, Row)]
        rejections = [decision for decision in batch if isinstance(decision, Rejection)]
        places = store.find_places(connection, rows, self._places)
        stored = store.read_stored(connection, [decision.external_id for decision in batch])
        change = store.decided(rows, rejections, stored, self._places | places)
        places |= store.place(connection, change, self._places | places)
        before = {key: Outcome(held.outcome) for key, held in stored.items() if held.outcome}
        outcomes = {
            key: combined(self._did(stored.get(key)), outcome) for key, outcome in change.outcomes.items()
        }
        counters = _counted(before, outcomes)
        # Two short statements alone are through sooner one after the other. And where a connection ends amid
        # several, the driver loses what the server said: a repetition waits for each, and can tell.
        with direct.together(connection) if change.writes and not again else nullcontext():
            if change.writes:
                now = self._clock.now()
                store.apply(connection, change, self._places | places, import_id=self._import_id, now=now)
                self._meanwhile()
            self._seen.put(connection, outcomes)
            stand = self._add(connection, counters, writes=change.writes)
        return Written(stand, counters, outcomes, places, rejections)

    def _did(self, held: store.Stored | None) -> Outcome | None:
        """What this import did to a record before: one that it made is new whatever was read in between."""
        if held is None:
            return None
        if held.first_import_id == self._import_id:
            return Outcome.CREATED
        return Outcome(held.outcome) if held.outcome else None

    def _delete(self, connection: Connection, ids: Sequence[str]) -> Written:
        now = self._clock.now()
        stored = store.read_stored(connection, ids)
        live = [row.id for row in stored.values() if row.id is not None and not row.deleted]
        customers = store.withdraw(connection, live, self._import_id, now)
        store.refresh_customers(connection, customers)
        resolved = [key for key, row in stored.items() if row.reason is not None]
        store.resolve_rejections(connection, resolved, now)
        counters = {"deleted": len(live)}
        return Written(self._add(connection, counters, writes=bool(live or resolved)), counters)

    def _transact(self, write: Callable[[Connection, bool], Written]) -> str | None:
        """One batch, one transaction, once: its number in the run's row tells a lost answer.

        `write` is told whether it is tried again.
        """
        written: list[Written] = []
        again = False

        def work(connection: Connection) -> runs.Stand:
            written[:] = [write(connection, again)]
            return written[0].stand

        def done_already(connection: Connection) -> runs.Stand | None:
            nonlocal again
            again = True
            stand = _still_running(runs.stand(connection, self._import_id))
            if stand.batches <= self._progress.batches or not written:
                return None
            self._seen.put(connection, written[0].outcomes)  # a new connection's table lacks them
            return stand

        stand = self._hold.transact(work, done_already)
        self._settle(written[0], stand)
        return stand.cancelled_by

    def _add(self, connection: Connection, counted: dict[str, int], *, writes: bool) -> runs.Stand:
        """Add a batch to the run's row; `writes` says whether a data table changed."""
        counters = dict.fromkeys(COUNTERS, 0) | counted
        processed = sum(counters[outcome] for outcome in Outcome)
        values = self._progress.values(self._progress.records + processed)
        values |= counters | {"processed": processed, "changed_data": writes}
        return _still_running(runs.add_batch(connection, self._import_id, values))

    def _settle(self, written: Written, stand: runs.Stand) -> None:
        """The transaction is committed: remember what it found, and tell."""
        self._progress.batches = stand.batches
        self._progress.records += sum(written.counters.get(outcome, 0) for outcome in Outcome)
        self._places |= written.places
        self._seen.committed(written.outcomes)
        counted = {name: count for name, count in written.counters.items() if count}
        detail.info("batch_committed", import_id=self._import_id, batch=stand.batches, **counted)
        for rejection in written.rejections:
            detail.warning(
                "record_rejected",
                import_id=self._import_id,
                record=rejection.external_id,
                reason=rejection.reason.value,
            )
        self._committed(stand.batches)


def _still_running(stand: runs.Stand | None) -> runs.Stand:
    if stand is None:
        raise LostRunError
    return stand


def _counted(before: Mapping[str, Outcome], after: Mapping[str, Outcome]) -> dict[str, int]:
    """What a batch adds to each counter; a record that was read before moves, it does not count again."""
    counters = dict.fromkeys((outcome.value for outcome in Outcome), 0)
    for external_id, outcome in after.items():
        counters[outcome] += 1
        if external_id in before:
            counters[before[external_id]] -= 1
    return counters
