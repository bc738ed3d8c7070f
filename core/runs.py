"""The life of an import's row: begun, kept up to date, asked to stop, ended, or found dead.

Counters are written in each batch's own transaction, so that they cannot disagree with the data.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import Connection, text

from core import direct
from core.database import IMPORT_LOCK_HELD, try_lock_for_transaction
from core.errors import ImportRunningError


class Mode(StrEnum):
    """How much an import reads."""

    FULL = "full"
    INCREMENTAL = "incremental"


class Trigger(StrEnum):
    """What set an import going."""

    STARTUP = "startup"
    SCHEDULER = "scheduler"
    RECONCILE = "reconcile"
    MANUAL = "manual"


class Status(StrEnum):
    """How an import ended, or that it has not (spec, section 3)."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class LastSuccess:
    """What the newest succeeded import left to build on."""

    import_id: int
    watermark: datetime
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Begin:
    """What a run's row holds from its start."""

    trigger: Trigger
    triggered_by: str
    mode: Mode
    started_at: datetime
    notes: str | None
    fingerprint: str
    allow_mass_delete: bool
    only_rejected: bool


class Stand(NamedTuple):
    """Where a run's row stands, as far as the run itself must know."""

    batches: int
    cancelled_by: str | None


READ_SOURCE = text("SELECT identity FROM data_source")

RECORD_SOURCE = text("""
    INSERT INTO data_source (identity, recorded_at) VALUES (:identity, :now) ON CONFLICT DO NOTHING
""")

READ_LAST_SUCCESS = text("""
    SELECT id, watermark, fingerprint FROM import_logs
    WHERE status = 'succeeded' ORDER BY id DESC LIMIT 1
""")

READ_RUNNING = text("SELECT id FROM import_logs WHERE status = 'running'")

# Rows that say `running` while nobody holds the lock: their process died (spec, section 3).
TELL_DEAD = """
    UPDATE import_logs
    SET status = 'interrupted', completed_at = :now, progress = NULL,
        errors = errors || CAST(:errors AS jsonb)
    WHERE status = 'running'
"""
TELL_OTHERS_DEAD = text(f"{TELL_DEAD} RETURNING id")
TELL_LOCKLESS_DEAD = text(f"{TELL_DEAD} AND NOT {IMPORT_LOCK_HELD} RETURNING id")

READ_LOCKLESS = text(f"SELECT id FROM import_logs WHERE status = 'running' AND NOT {IMPORT_LOCK_HELD}")  # noqa: S608 (a constant of core.database)

BEGIN = text("""
    INSERT INTO import_logs (trigger, triggered_by, mode, status, started_at, notes, fingerprint,
                             allow_mass_delete, only_rejected, heartbeat_at, progress)
    VALUES (:trigger, :triggered_by, :mode, 'running', :started_at, :notes, :fingerprint,
            :allow_mass_delete, :only_rejected, :started_at, CAST(:progress AS jsonb))
    RETURNING id
""")

ADD_BATCH = text("""
    UPDATE import_logs
    SET batches = batches + 1, pages = :pages, retries = :retries,
        processed = processed + :processed, created = created + :created, updated = updated + :updated,
        unchanged = unchanged + :unchanged, rejected = rejected + :rejected, deleted = deleted + :deleted,
        changed_data = changed_data OR :changed_data, progress = CAST(:progress AS jsonb),
        heartbeat_at = :now
    WHERE id = :id AND status = 'running'
    RETURNING batches, cancel_requested_by
""")

REFRESH = text("""
    UPDATE import_logs
    SET pages = :pages, retries = :retries, progress = CAST(:progress AS jsonb), heartbeat_at = :now
    WHERE id = :id AND status = 'running'
    RETURNING batches, cancel_requested_by
""")

READ_STAND = text(
    "SELECT batches, cancel_requested_by FROM import_logs WHERE id = :id AND status = 'running'"
)

END = text("""
    UPDATE import_logs
    SET status = :status, completed_at = :now, progress = NULL, heartbeat_at = :now,
        errors = errors || CAST(:errors AS jsonb), retries = :retries, pages = :pages, missed = :missed,
        records_per_second = processed / greatest(extract(epoch FROM :now - started_at), 0.001),
        source_started_at = :source_started_at, watermark = :watermark,
        refused_deletions = CAST(:refused AS bigint[])
    WHERE id = :id AND status = 'running'
    RETURNING id
""")

KEEP_TOTALS = text("""
    UPDATE import_logs
    SET conversations = :conversations, bookings = :bookings, leads = :leads, engaged = :engaged,
        inconsistencies = CAST(:inconsistencies AS jsonb)
    WHERE id = :id AND status = 'running'
""")

REQUEST_CANCEL = text(f"""
    UPDATE import_logs SET cancel_requested_at = :now, cancel_requested_by = :by
    WHERE status = 'running' AND {IMPORT_LOCK_HELD}
    RETURNING id
""")  # noqa: S608 (a constant of core.database)


def error_entry(code: str, message: str) -> dict[str, str]:
    """One entry of a run's `errors`."""
    return {"code": code, "message": message}


DIED = error_entry(
    "process_died", "The import's process was stopped or died before its end. Run the import again."
)


def source_held(connection: Connection) -> str | None:
    """Which source this database holds; null before the first import."""
    identity: str | None = connection.scalar(READ_SOURCE)
    return identity


def record_source(connection: Connection, identity: str, now: datetime) -> None:
    """Bind the database to its first source."""
    connection.execute(RECORD_SOURCE, {"identity": identity, "now": now})


def last_success(connection: Connection) -> LastSuccess | None:
    """The newest succeeded import, from which the next one goes on."""
    row = connection.execute(READ_LAST_SUCCESS).first()
    return LastSuccess(row.id, row.watermark, row.fingerprint) if row else None


def running_id(connection: Connection) -> int | None:
    """The import whose row says `running`."""
    import_id: int | None = connection.scalar(READ_RUNNING)
    return import_id


def begin(connection: Connection, what: Begin, progress: Mapping[str, object]) -> int:
    """Make the run's row; the caller holds the lock, so rows that still say `running` are dead runs."""
    dead = {"now": what.started_at, "errors": json.dumps([DIED])}
    connection.execute(TELL_OTHERS_DEAD, dead)
    values = {
        "trigger": what.trigger,
        "triggered_by": what.triggered_by,
        "mode": what.mode,
        "started_at": what.started_at,
        "notes": what.notes,
        "fingerprint": what.fingerprint,
        "allow_mass_delete": what.allow_mass_delete,
        "only_rejected": what.only_rejected,
        "progress": json.dumps(progress),
    }
    return int(connection.execute(BEGIN, values).scalar_one())


def tell_dead(connection: Connection, now: datetime) -> list[int]:
    """Mark runs whose process died as interrupted; answers which."""
    values = {"now": now, "errors": json.dumps([DIED])}
    return list(connection.execute(TELL_LOCKLESS_DEAD, values).scalars())


def lockless_id(connection: Connection) -> int | None:
    """The import whose row says `running` while nobody holds the lock: dead, or regaining its connection."""
    import_id: int | None = connection.scalar(READ_LOCKLESS)
    return import_id


def add_batch(connection: Connection, import_id: int, values: Mapping[str, object]) -> Stand | None:
    """Add a batch's counters within its transaction; null where the run was declared ended meanwhile."""
    return next(iter(direct.rows(connection, ADD_BATCH, {"id": import_id, **values}, Stand)), None)


def refresh(connection: Connection, import_id: int, values: Mapping[str, object]) -> Stand | None:
    """Show between batches that the run lives; null where it was declared ended meanwhile."""
    return _stand(connection.execute(REFRESH, {"id": import_id, **values}).first())


def stand(connection: Connection, import_id: int) -> Stand | None:
    """How many batches the row holds; null where it no longer says `running`."""
    return _stand(connection.execute(READ_STAND, {"id": import_id}).first())


def end(connection: Connection, import_id: int, values: Mapping[str, object]) -> bool:
    """Write how the run ended; false where it was declared ended before."""
    return connection.execute(END, {"id": import_id, **values}).first() is not None


def keep_totals(connection: Connection, import_id: int, totals: Mapping[str, object]) -> None:
    """Keep the four totals and the inconsistency counts as the run left them."""
    connection.execute(KEEP_TOTALS, {"id": import_id, **totals})


def request_cancel(connection: Connection, by: str, now: datetime) -> int | None:
    """Ask the running import of whatever process to stop; null where none runs."""
    import_id: int | None = connection.scalar(REQUEST_CANCEL, {"by": by, "now": now})
    return import_id


def _stand(row: Sequence[object] | None) -> Stand | None:
    return Stand(*row) if row is not None else None  # type: ignore[arg-type]  # the statement's own columns


RESET = text("""
    TRUNCATE data_source, conversations, bookings, leads, customers, location_automations, locations, clients,
             automations, rejected_records, import_logs, scheduler_slots
""")


def reset(connection: Connection) -> None:
    """Empty the database within the caller's transaction.

    Raises:
        ImportRunningError: an import is running.
    """
    if not try_lock_for_transaction(connection):
        running = running_id(connection)
        raise ImportRunningError("An import is running. Cancel it, or wait for its end.", running)
    connection.execute(RESET)
