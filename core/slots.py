"""The scheduler's own statements: slots taken, missed or paused; who paused it; who is alive."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from core.timetable import Job, Slot

KEEP_HEARTBEATS = timedelta(days=1)

# The primary key decides which process has the slot; one that comes due while paused is nobody's. A process
# that lost the answer to its claim finds it again.
CLAIM = text("""
    INSERT INTO scheduler_slots (slot_at, job, state, recorded_at, process)
    SELECT :at, :job,
           CASE WHEN EXISTS (SELECT FROM scheduler_state WHERE paused AND changed_at <= :at)
                THEN 'paused' ELSE :state END,
           :now, :process
    ON CONFLICT (slot_at) DO UPDATE SET process = excluded.process
    WHERE scheduler_slots.process = excluded.process AND scheduler_slots.import_id IS NULL
    RETURNING state
""")

# Once: what was told as missed is nobody's to do, and what an import has done stays done by it. Nor is it
# done by one that reads less: the weekly slot is there for the deletions that only a full import sees.
DO = text("""
    UPDATE scheduler_slots s SET import_id = :import_id
    WHERE slot_at = :at AND state = 'taken' AND import_id IS NULL AND EXISTS (
        SELECT FROM import_logs l
        WHERE l.id = :import_id AND NOT l.only_rejected AND (l.mode = 'full' OR s.job <> 'reconcile'))
""")

GIVE_UP = text("""
    UPDATE scheduler_slots SET state = 'missed'
    WHERE slot_at = :at AND state = 'taken' AND import_id IS NULL
""")

TELL_ABANDONED = text("""
    UPDATE scheduler_slots s SET state = 'missed'
    WHERE state = 'taken' AND import_id IS NULL AND NOT EXISTS (
        SELECT FROM scheduler_heartbeats h
        WHERE h.process = s.process AND h.seen_at > :alive_since AND h.jobs <> '[]')
    RETURNING slot_at, job
""")

SET_PAUSED = text("""
    INSERT INTO scheduler_state (paused, changed_by, changed_at) VALUES (:paused, :by, :now)
    ON CONFLICT (id) DO UPDATE SET paused = excluded.paused, changed_by = excluded.changed_by,
                                   changed_at = excluded.changed_at
    WHERE scheduler_state.paused <> excluded.paused
""")

BEAT = text("""
    INSERT INTO scheduler_heartbeats (process, seen_at, timezone, jobs)
    VALUES (:process, :now, :timezone, CAST(:jobs AS jsonb))
    ON CONFLICT (process) DO UPDATE SET seen_at = excluded.seen_at, timezone = excluded.timezone,
                                        jobs = excluded.jobs
""")

# Only a living server forgets others, so the newest one stays: it tells since when no server has run.
FORGET_OLD = text("DELETE FROM scheduler_heartbeats WHERE seen_at < :before")

READ_LAST_SEEN = text("SELECT max(seen_at) FROM scheduler_heartbeats")


def claim(connection: Connection, slot: Slot, state: str, process: str, now: datetime) -> str | None:
    """Record the slot as `taken` or `missed`, or as `paused` where the schedule was when it came due.

    Answers as what this process has recorded it; null where another one was first.
    """
    values = {"at": slot.at, "job": slot.job.value, "state": state, "process": process, "now": now}
    recorded: str | None = connection.scalar(CLAIM, values)
    return recorded


def done_by(connection: Connection, slot_at: datetime, import_id: int | None) -> bool:
    """Say which import does a slot that was taken; false where it is done with, or this one reads less."""
    return connection.execute(DO, {"at": slot_at, "import_id": import_id}).rowcount > 0


def not_done(connection: Connection, slot: Slot) -> None:
    """Own up that the import of a slot that was taken could not begin."""
    connection.execute(GIVE_UP, {"at": slot.at})


def tell_abandoned(connection: Connection, alive_since: datetime) -> list[Slot]:
    """Tell as missed what was taken by a process that died, or stopped, before its import began; in order."""
    found = connection.execute(TELL_ABANDONED, {"alive_since": alive_since})
    return sorted(Slot(row.slot_at, Job(row.job)) for row in found)


def set_paused(connection: Connection, by: str, now: datetime, *, paused: bool) -> bool:
    """Pause or resume for every process; whether that changed anything. Who did it first stays on record."""
    values = {"paused": paused, "by": by, "now": now}
    return connection.execute(SET_PAUSED, values).rowcount > 0


def beat(
    connection: Connection, process: str, now: datetime, timezone: str, jobs: Sequence[Mapping[str, object]]
) -> None:
    """Show that a server lives and what it will do when; one without jobs is a server that has stopped."""
    values = {"process": process, "now": now, "timezone": timezone, "jobs": json.dumps(jobs)}
    connection.execute(BEAT, values)
    connection.execute(FORGET_OLD, {"before": now - KEEP_HEARTBEATS})


def last_seen(connection: Connection) -> datetime | None:
    """When a server last showed itself; null where none ever did."""
    moment: datetime | None = connection.scalar(READ_LAST_SEEN)
    return moment
