"""Every statement that only reads, for reports, pages and the importer's own questions.

Figures read live conversations' own rows under one covering index; `bookings` and `leads` agree with
them, for both are written in one transaction.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime

from sqlalchemy import Connection, RowMapping, text

from core.database import IMPORT_LOCK_HELD, MIGRATION_LOCK, share_for_transaction


@dataclass(frozen=True, slots=True)
class Totals:
    """The four figures that everything else is measured against."""

    conversations: int
    bookings: int
    leads: int
    engaged: int

    def as_dict(self) -> dict[str, int]:
        """By the names of the API (spec, section 6)."""
        return asdict(self)


READ_ANY_LIVE = text("SELECT EXISTS (SELECT FROM conversations WHERE deleted_at IS NULL)")
READ_LIVE_COUNT = text("SELECT count(*) FROM conversations WHERE deleted_at IS NULL")

# Batches are numbered in their own transaction, so figures that are read while an import runs grow too.
READ_VERSION = text("""
    SELECT id, batches FROM import_logs WHERE changed_data ORDER BY id DESC LIMIT 1
""")

READ_TOTALS = text("""
    SELECT count(*) AS conversations, count(*) FILTER (WHERE booked) AS bookings,
           count(*) FILTER (WHERE lead_created) AS leads, count(*) FILTER (WHERE engaged) AS engaged
    FROM conversations WHERE deleted_at IS NULL AND local_date <= :until
""")

# Clinics and automations are few, and one conversation proves each; customers are counted in their own index.
# Local days lie at most a day from the moment's own, in whatever zone.
READ_EXTENT = text("""
    SELECT
        (SELECT count(*) FROM clients c WHERE EXISTS (
            SELECT FROM locations l JOIN conversations v ON v.location_id = l.id AND v.client_id = l.client_id
            WHERE l.client_id = c.id AND v.deleted_at IS NULL)) AS clients,
        (SELECT count(*) FROM locations l WHERE EXISTS (
            SELECT FROM conversations v
            WHERE v.location_id = l.id AND v.client_id = l.client_id AND v.deleted_at IS NULL)) AS locations,
        (SELECT count(DISTINCT customer_id) FROM conversations WHERE deleted_at IS NULL) AS customers,
        (SELECT count(*) FROM automations a WHERE EXISTS (
            SELECT FROM location_automations o
            JOIN conversations v ON v.location_id = o.location_id AND v.automation_id = o.automation_id
            WHERE o.automation_id = a.id AND v.deleted_at IS NULL)) AS automations,
        (SELECT min(occurred_at) FROM conversations WHERE deleted_at IS NULL AND local_date <=
            (SELECT min(local_date) + 2 FROM conversations WHERE deleted_at IS NULL)) AS first_at,
        (SELECT max(occurred_at) FROM conversations WHERE deleted_at IS NULL AND local_date >=
            (SELECT max(local_date) - 2 FROM conversations WHERE deleted_at IS NULL)) AS last_at,
        (SELECT count(*) FROM rejected_records WHERE resolved_at IS NULL) AS rejected
""")

# The four totals, and how often each thing that should not be is (spec, section 7; ui: validation): what one
# reading of the covering index tells, cut where the expected totals end,
READ_RECKONING = text("""
    SELECT
        w.conversations, w.bookings, w.leads, w.engaged,
        w.leads_without_engagement + later.leads_without_engagement AS leads_without_engagement,
        w.automations_not_seeded + later.automations_not_seeded AS automations_not_seeded,
        (SELECT count(*) FROM bookings WHERE booked_for IS NULL) AS unreadable_bookings,
        (SELECT count(*) FROM rejected_records WHERE resolved_at IS NULL) AS rejected_records,
        coalesce((SELECT abs(l.processed - l.rejected - l.conversations) FROM import_logs l
                  WHERE l.mode = 'full' AND l.status IN ('succeeded', 'partial')
                    AND l.conversations IS NOT NULL
                  ORDER BY l.id DESC LIMIT 1), 0) AS source_count
    FROM (
        SELECT count(*) AS conversations, count(*) FILTER (WHERE booked) AS bookings,
               count(*) FILTER (WHERE lead_created) AS leads, count(*) FILTER (WHERE engaged) AS engaged,
               count(*) FILTER (WHERE lead_created AND NOT engaged) AS leads_without_engagement,
               count(*) FILTER (
                   WHERE automation_id IN (SELECT id FROM automations WHERE name_key <> ALL(:seeded))
               ) AS automations_not_seeded
        FROM conversations WHERE deleted_at IS NULL AND local_date <= :until
    ) AS w, (
        SELECT count(*) FILTER (WHERE lead_created AND NOT engaged) AS leads_without_engagement,
               count(*) FILTER (
                   WHERE automation_id IN (SELECT id FROM automations WHERE name_key <> ALL(:seeded))
               ) AS automations_not_seeded
        FROM conversations WHERE deleted_at IS NULL AND local_date > :until
    ) AS later
""")
# and what only the odd conversations themselves do, which have an index of their own.
READ_ODD_TEXTS = text("""
    SELECT count(other_booking_text) AS bookings_of_other_years,
           count(*) FILTER (WHERE other_booking_text ~ :later_years) AS bookings_of_a_new_year,
           count(*) FILTER (WHERE date_status = 'unreadable') AS unreadable_dates
    FROM conversations
    WHERE deleted_at IS NULL AND (other_booking_text IS NOT NULL OR date_status = 'unreadable')
""")

READ_DATABASE_ERRORS = text("""
    SELECT external_id FROM rejected_records
    WHERE resolved_at IS NULL AND reason = 'database_error' ORDER BY external_id
""")

READ_OPEN_REJECTED = text("""
    SELECT external_id FROM rejected_records WHERE resolved_at IS NULL ORDER BY external_id
""")

READ_HISTORY = text("SELECT * FROM import_logs ORDER BY id DESC LIMIT :limit")
READ_RUN = text("SELECT * FROM import_logs WHERE id = :id")
READ_LAST_COMPLETED = text("SELECT * FROM import_logs WHERE status = 'succeeded' ORDER BY id DESC LIMIT 1")

# Trying rejected records again reads nothing else, so a success of it makes up for such tries alone: how
# the import of all the others ended still stands.
STILL_STANDS = """
    NOT (only_rejected AND id <= coalesce(
        (SELECT max(id) FROM import_logs WHERE only_rejected AND status = 'succeeded'), 0))
"""
READ_LAST_ENDED = text(f"""
    SELECT * FROM import_logs WHERE status <> 'running' AND {STILL_STANDS} ORDER BY id DESC LIMIT 1
""")  # noqa: S608 (a constant above)

# A row that says `running` runs only while somebody holds the lock.
READ_RUNNING = text(f"""
    SELECT l.* FROM import_logs l WHERE l.status = 'running' AND {IMPORT_LOCK_HELD}
""")  # noqa: S608 (a constant of core.database)

READ_LOCK = text(f"SELECT {IMPORT_LOCK_HELD} AS held")

READ_HAS_IMPORTS = text("SELECT EXISTS (SELECT FROM import_logs)")
READ_HAS_TABLES = text("SELECT to_regclass('import_logs') IS NOT NULL")

# The newest file in migrations/versions.
REVISION = "0005"
READ_HAS_REVISION = text("SELECT to_regclass('alembic_version') IS NOT NULL")
READ_REVISION = text("SELECT version_num FROM alembic_version")

READ_OTHER_TABLES = text("""
    SELECT EXISTS (
        SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
          AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
          AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
    )
""")

# A heartbeat without jobs is the last word of a server that has stopped.
READ_SCHEDULER = text("""
    SELECT s.paused, s.changed_by, s.changed_at, h.seen_at, h.timezone, h.jobs
    FROM (SELECT) AS one
    LEFT JOIN scheduler_state s ON true
    LEFT JOIN LATERAL (
        SELECT * FROM scheduler_heartbeats
        WHERE seen_at > :alive_since AND jobs <> '[]' ORDER BY seen_at DESC LIMIT 1
    ) h ON true
""")


LAST_READING = """
    SELECT started_at FROM import_logs WHERE status = 'succeeded' AND NOT only_rejected
    ORDER BY id DESC LIMIT 1
"""
READ_LAST_READING = text(LAST_READING)
READ_SLOT_MISSED = text(f"""
    SELECT EXISTS (
        SELECT FROM scheduler_slots
        WHERE state = 'missed' AND slot_at > coalesce(({LAST_READING}), '-infinity')
    )
""")  # noqa: S608 (a constant above)


def data_version(connection: Connection) -> str:
    """Another one with every batch that may have changed a figure."""
    newest = connection.execute(READ_VERSION).first()
    return f"{newest.id}.{newest.batches}" if newest else "0"


def any_live(connection: Connection) -> bool:
    """Whether there is a live conversation."""
    return bool(connection.scalar(READ_ANY_LIVE))


def live_count(connection: Connection) -> int:
    """How many conversations are live."""
    return int(connection.scalar(READ_LIVE_COUNT) or 0)


def totals(connection: Connection, until: date | None = None) -> Totals:
    """The four totals of live conversations, up to a local day where one is given."""
    row = connection.execute(READ_TOTALS, {"until": until or date.max}).one()
    return Totals(row.conversations, row.bookings, row.leads, row.engaged)


def extent(connection: Connection) -> RowMapping:
    """How many clinics, customers and automations live conversations lead to, and from when to when."""
    return connection.execute(READ_EXTENT).mappings().one()


def reckoning(
    connection: Connection, booking_years: Sequence[str], seeded: Collection[str], until: date | None = None
) -> tuple[Totals, dict[str, int]]:
    """The four totals, up to a local day where one is given, and how often each inconsistency is, by code.

    `seeded` are automations' keys. Both come together because both look at each conversation.
    """
    values = {"seeded": list(seeded), "until": until or date.max}
    counts = {**connection.execute(READ_RECKONING, values).mappings().one()}
    totals = Totals(**{name: counts.pop(name) for name in Totals.__match_args__})
    texts = connection.execute(READ_ODD_TEXTS, {"later_years": later_years(booking_years)}).mappings().one()
    return totals, counts | {**texts}


def database_error_ids(connection: Connection) -> list[str]:
    """The records that PostgreSQL refused and that are still open."""
    return list(connection.execute(READ_DATABASE_ERRORS).scalars())


def open_rejected_ids(connection: Connection) -> list[str]:
    """The records that are rejected for whatever reason and still open."""
    return list(connection.execute(READ_OPEN_REJECTED).scalars())


def history(connection: Connection, limit: int) -> list[RowMapping]:
    """The newest imports, newest first."""
    return list(connection.execute(READ_HISTORY, {"limit": limit}).mappings())


def run(connection: Connection, import_id: int) -> RowMapping | None:
    """One import's row."""
    return connection.execute(READ_RUN, {"id": import_id}).mappings().first()


def last_completed(connection: Connection) -> RowMapping | None:
    """The newest import that succeeded."""
    return connection.execute(READ_LAST_COMPLETED).mappings().first()


def last_ended(connection: Connection) -> RowMapping | None:
    """The newest import that ended in whatever way and that no later one has made up for."""
    return connection.execute(READ_LAST_ENDED).mappings().first()


def running(connection: Connection) -> RowMapping | None:
    """The import that runs now, of whatever process."""
    return connection.execute(READ_RUNNING).mappings().first()


def import_lock_held(connection: Connection) -> bool:
    """Whether any process holds the import's lock."""
    return bool(connection.scalar(READ_LOCK))


def has_tables(connection: Connection) -> bool:
    """Whether the product's tables are made here."""
    return bool(connection.scalar(READ_HAS_TABLES))


def has_newest_tables(connection: Connection) -> bool:
    """Whether the product's tables are as this release declares them; waits for whoever is changing them."""
    share_for_transaction(connection, MIGRATION_LOCK)
    told = has_tables(connection) and connection.scalar(READ_HAS_REVISION)
    return bool(told) and connection.scalar(READ_REVISION) == REVISION


def holds_other_tables(connection: Connection) -> bool:
    """Whether a database without the product's tables holds any other; an extension's own do not count."""
    return bool(connection.scalar(READ_OTHER_TABLES))


def has_imports(connection: Connection) -> bool:
    """Whether any import has ever begun here; false also where the tables are not made yet."""
    return has_tables(connection) and bool(connection.scalar(READ_HAS_IMPORTS))


def scheduler(connection: Connection, alive_since: datetime) -> RowMapping:
    """Whether the schedule is paused and by whom, and the newest heartbeat since a moment."""
    return connection.execute(READ_SCHEDULER, {"alive_since": alive_since}).mappings().one()


def last_reading(connection: Connection) -> datetime | None:
    """When the newest import that read all there was to read, and succeeded, began."""
    began: datetime | None = connection.scalar(READ_LAST_READING)
    return began


def slot_missed(connection: Connection) -> bool:
    """Whether a slot was missed that no import since has made up for."""
    return bool(connection.scalar(READ_SLOT_MISSED))


def later_years(booking_years: Sequence[str]) -> str:
    """A pattern of the ten years after the last counted one, as `~` reads it."""
    last = max(int(year) for year in booking_years)
    # With \m and \M it would take three times as long.
    return rf"(^|\W)({'|'.join(str(last + ahead) for ahead in range(1, 11))})($|\W)"
