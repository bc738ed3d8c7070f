"""The scheduler's own statements: slots taken, missed or paused; who paused it; who is alive."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from core.timetable import Slot

KEEP_HEARTBEATS = timedelta(days=1)

# The primary key decides which process has the slot; one that comes due while paused is nobody's.
CLAIM = text("""
    INSERT INTO scheduler_slots (slot_at, job, state, recorded_at)
    SELECT :at, :job,
           CASE WHEN EXISTS (SELECT FROM scheduler_state WHERE paused AND changed_at <= :at)
                THEN 'paused' ELSE :state END,
           :now
    ON CONFLICT (slot_at) DO NOTHING
    RETURNING state
""")

SETTLE = text("UPDATE scheduler_slots SET state = :state, import_id = :import_id WHERE slot_at = :at")

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


def claim(connection: Connection, slot: Slot, state: str, now: datetime) -> str | None:
    """Record the slot as `taken` or `missed`, or as `paused` where the schedule was when it came due.

    Answers as what it was recorded; null where another process has recorded it before.
    """
    values = {"at": slot.at, "job": slot.job.value, "state": state, "now": now}
    recorded: str | None = connection.scalar(CLAIM, values)
    return recorded


def done_by(connection: Connection, slot: Slot, import_id: int | None) -> None:
    """Say which import did a slot that was taken."""
    connection.execute(SETTLE, {"at": slot.at, "state": "taken", "import_id": import_id})


def not_done(connection: Connection, slot: Slot) -> None:
    """Own up that the import of a slot that was taken could not begin."""
    connection.execute(SETTLE, {"at": slot.at, "state": "missed", "import_id": None})


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
