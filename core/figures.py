"""What the pages ask the database: frames with fixed columns, counted over the filters of the sidebar.

Figures count live conversations on their day in `TIMEZONE`, with their booking and lead (spec, section 10).
They read the columns of the covering index alone; clinics are filtered by their locations, which it holds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import pandas as pd
from sqlalchemy import Connection, TextClause, text

from core import queries
from core.periods import ALL_TIME, Period, Unit, bucket, buckets
from core.queries import Totals
from core.timetable import Slot

COUNTS = ("conversations", "engaged", "leads", "bookings")
CLINICS_IN_MULTIPLES = 12

_COUNTED = """
    count(*) AS conversations, count(*) FILTER (WHERE engaged) AS engaged,
    count(*) FILTER (WHERE lead_created) AS leads, count(*) FILTER (WHERE booked) AS bookings
"""
_FILTERED = """
    deleted_at IS NULL AND local_date BETWEEN :first AND :last
    AND (CAST(:client AS bigint) IS NULL
         OR location_id = ANY (ARRAY(SELECT id FROM locations WHERE client_id = :client)))
    AND (CAST(:automation AS bigint) IS NULL OR automation_id = :automation)
"""
# The same counts under conversations' own names, for a statement that has grouped them by location.
_SUMMED = ", ".join(f"CAST(sum(f.{name}) AS bigint) AS {name}" for name in COUNTS)
_ENDS = "min(local_date) AS first, max(local_date) AS last"
# Newest first; by their day before all, as the covering index has them: its newest end alone is read.
_NEWEST = "v.local_date DESC, v.occurred_at DESC, v.id DESC"


def _statement(words: str) -> TextClause:
    """A statement with this module's own parts in it; values come as parameters."""
    parts = {"counted": _COUNTED, "ends": _ENDS, "filtered": _FILTERED, "summed": _SUMMED}
    return text(words.format(newest=_NEWEST, **parts))


READ_TOTALS = _statement("SELECT {counted} FROM conversations WHERE {filtered}")

READ_DAYS = _statement("""
    SELECT local_date AS start, {counted} FROM conversations WHERE {filtered} GROUP BY 1 ORDER BY 1
""")

READ_CLINICS = _statement("""
    SELECT c.id, c.name, {summed}, min(f.first) AS first, max(f.last) AS last
    FROM (SELECT location_id, {counted}, {ends} FROM conversations WHERE {filtered} GROUP BY 1) f
    JOIN locations l ON l.id = f.location_id JOIN clients c ON c.id = l.client_id
    GROUP BY c.id, c.name ORDER BY conversations DESC, c.name
""")

READ_AUTOMATIONS = _statement("""
    SELECT a.id, a.name, {summed}, min(f.first) AS first, max(f.last) AS last
    FROM (SELECT automation_id, {counted}, {ends} FROM conversations WHERE {filtered} GROUP BY 1) f
    JOIN automations a ON a.id = f.automation_id
    GROUP BY a.id, a.name ORDER BY conversations DESC, a.name
""")

# The days that hold conversations are looked up one after the other in the covering index, and each bucket's
# stretch of that index is then counted by location: no conversation's own week or month is computed.
READ_CLINIC_SERIES = _statement("""
    WITH RECURSIVE days AS (
        SELECT min(local_date) AS day FROM conversations
        WHERE deleted_at IS NULL AND local_date BETWEEN :first AND :last
        UNION ALL
        SELECT (SELECT min(local_date) FROM conversations
                WHERE deleted_at IS NULL AND local_date > d.day AND local_date <= :last)
        FROM days d WHERE d.day IS NOT NULL
    ), buckets AS MATERIALIZED (
        SELECT CAST(date_trunc(:unit, CAST(day AS timestamp)) AS date) AS start,
               min(day) AS first, max(day) AS last
        FROM days WHERE day IS NOT NULL GROUP BY 1
    )
    SELECT c.id, c.name, b.start, {summed}
    FROM buckets b CROSS JOIN LATERAL (
        SELECT location_id, {counted} FROM conversations
        WHERE {filtered} AND local_date BETWEEN b.first AND b.last
          AND (CAST(:clients AS bigint[]) IS NULL
               OR location_id = ANY (ARRAY(SELECT id FROM locations WHERE client_id = ANY (:clients))))
        GROUP BY 1
    ) f
    JOIN locations l ON l.id = f.location_id JOIN clients c ON c.id = l.client_id
    GROUP BY c.id, b.start ORDER BY c.id, b.start
""")

# Weekdays from 1 for Monday, which 1 January of the year 1 was: dates hold none before it.
READ_HOURS = _statement("""
    SELECT (local_date - DATE '0001-01-01') % 7 + 1 AS weekday, CAST(local_hour AS int) AS hour, {counted}
    FROM conversations WHERE {filtered} GROUP BY 1, 2 ORDER BY 1, 2
""")

# Each clinic's days with conversations, of the weeks up to its own newest one: by its locations' own index.
READ_ACTIVE_DAYS = _statement("""
    SELECT c.id, c.name, f.day
    FROM clients c CROSS JOIN LATERAL (
        SELECT max(n.day) AS day FROM locations l CROSS JOIN LATERAL (
            SELECT max(local_date) AS day FROM conversations v
            WHERE v.location_id = l.id AND v.client_id = l.client_id AND {filtered}
        ) n WHERE l.client_id = c.id
    ) newest CROSS JOIN LATERAL (
        SELECT DISTINCT local_date AS day
        FROM locations l JOIN conversations v ON v.location_id = l.id AND v.client_id = l.client_id
        WHERE l.client_id = c.id AND {filtered} AND local_date > newest.day - :window
    ) f
    ORDER BY c.name, c.id, f.day
""")

READ_EXTENT = _statement("""
    SELECT {ends} FROM conversations WHERE {filtered}
""")

READ_CONVERSATIONS = _statement("""
    SELECT v.external_id, v.occurred_at, c.name AS clinic, a.name AS automation,
           v.engaged, v.lead_created, v.booked, b.booked_for,
           concat_ws(', ', CASE WHEN v.contact_name IS NOT NULL THEN 'name' END,
                     CASE WHEN v.contact_email IS NOT NULL THEN 'email' END,
                     CASE WHEN v.contact_phone IS NOT NULL THEN 'phone' END) AS contact
    FROM (SELECT v.* FROM conversations v WHERE {filtered}
            AND (NOT :only_engaged OR engaged) AND (NOT :only_leads OR lead_created)
            AND (NOT :only_bookings OR booked)
          ORDER BY {newest} LIMIT :limit) v
    JOIN clients c ON c.id = v.client_id JOIN automations a ON a.id = v.automation_id
    LEFT JOIN bookings b ON b.conversation_id = v.id
    ORDER BY {newest}
""")

# What lies behind each inconsistency (core.validation.MESSAGES): record, clinic, moment, and what is odd.
_BEHIND = """
    SELECT v.external_id, c.name AS clinic, v.occurred_at, {odd} AS detail
    FROM conversations v JOIN clients c ON c.id = v.client_id JOIN automations a ON a.id = v.automation_id
    LEFT JOIN bookings b ON b.conversation_id = v.id
    WHERE v.deleted_at IS NULL AND {which} ORDER BY {newest} LIMIT :limit
"""
READ_BEHIND: Mapping[str, TextClause] = {
    code: text(_BEHIND.format(odd=odd, which=which, newest=_NEWEST))
    for code, odd, which in (
        (
            "unreadable_bookings",
            "'The booking cannot be read as a date'",
            "v.id = ANY (ARRAY(SELECT conversation_id FROM bookings WHERE booked_for IS NULL))",
        ),
        (
            "bookings_of_other_years",
            "'The Booking cell names no year that counts'",
            "v.other_booking_text IS NOT NULL",
        ),
        (
            "bookings_of_a_new_year",
            "'The Booking cell names a later year'",
            "v.other_booking_text ~ :later_years",
        ),
        (
            "leads_without_engagement",
            "'A lead that is not marked as engaged'",
            "v.lead_created AND NOT v.engaged",
        ),
        (
            "automations_not_seeded",
            "a.name",
            "v.automation_id = ANY (ARRAY(SELECT id FROM automations WHERE name_key <> ALL(:seeded)))",
        ),
        (
            "unreadable_dates",
            "'The Conversation Date cannot be read'",
            "v.date_status = 'unreadable'",
        ),
    )
}
READ_REJECTED = text("""
    SELECT r.external_id, r.reason, r.rejected_at, r.resolved_at FROM rejected_records r
    WHERE (CAST(:import_id AS bigint) IS NULL OR r.import_id = :import_id)
      AND (:import_id IS NOT NULL OR r.resolved_at IS NULL)
    ORDER BY r.rejected_at DESC, r.id DESC LIMIT :limit
""")

READ_REFUSED = text("""
    SELECT v.external_id, c.name AS clinic, v.occurred_at
    FROM import_logs i JOIN conversations v ON v.id = ANY (i.refused_deletions)
    JOIN clients c ON c.id = v.client_id
    WHERE i.id = :import_id AND v.deleted_at IS NULL
    ORDER BY v.occurred_at DESC, v.id DESC LIMIT :limit
""")

READ_EARLIER_TOTALS = text("""
    SELECT conversations, bookings, leads, engaged FROM import_logs
    WHERE id < :id AND conversations IS NOT NULL ORDER BY id DESC LIMIT 1
""")
READ_SLOTS = text("""
    SELECT slot_at, job, state FROM scheduler_slots WHERE state <> 'taken'
    UNION ALL
    SELECT p.slot_at, p.job, 'missed'
    FROM unnest(CAST(:moments AS timestamptz[]), CAST(:passed_jobs AS text[])) AS p (slot_at, job)
    WHERE NOT EXISTS (SELECT FROM scheduler_slots s WHERE s.slot_at = p.slot_at)
    ORDER BY slot_at DESC LIMIT :limit
""")
READ_COURSE = text("""
    SELECT id, started_at, status, conversations, bookings, leads, engaged FROM import_logs
    WHERE conversations IS NOT NULL ORDER BY id DESC LIMIT :limit
""")

READ_CLINIC_NAMES = text("SELECT name, id FROM clients ORDER BY name_key")
READ_AUTOMATION_NAMES = text("SELECT name, id FROM automations ORDER BY name_key")


@dataclass(frozen=True, slots=True)
class Filters:
    """What the sidebar narrows every figure to."""

    period: Period = ALL_TIME
    client: int | None = None
    automation: int | None = None

    def within(self, period: Period) -> "Filters":
        """The same, for another period."""
        return replace(self, period=period)

    def values(self) -> dict[str, object]:
        """The parameters of the statements above."""
        return {
            "first": self.period.first or date.min,
            "last": self.period.last or date.max,
            "client": self.client,
            "automation": self.automation,
        }


def totals(connection: Connection, filters: Filters) -> Totals:
    """The four totals."""
    row = connection.execute(READ_TOTALS, filters.values()).one()
    return Totals(row.conversations, row.bookings, row.leads, row.engaged)


def series(connection: Connection, filters: Filters, unit: Unit) -> pd.DataFrame:
    """`start` and the four counts of each day, week or month; those without conversations are there as 0."""
    return folded(_frame(connection, READ_DAYS, filters.values(), ("start", *COUNTS)), unit)


def folded(days: pd.DataFrame, unit: Unit) -> pd.DataFrame:
    """The days of a course summed to its weeks or months, for whoever has the days already."""
    starts = pd.Series([bucket(day, unit) for day in days["start"]], dtype=object, name="start")
    return _without_gaps(days.groupby(starts)[list(COUNTS)].sum().reset_index(), unit)


def by_clinic(connection: Connection, filters: Filters) -> pd.DataFrame:
    """`id`, `name`, the four counts and the `first` and `last` day of each clinic that has conversations.

    The largest first.
    """
    return _frame(connection, READ_CLINICS, filters.values(), ("id", "name", *COUNTS, "first", "last"))


def by_automation(connection: Connection, filters: Filters) -> pd.DataFrame:
    """The same of each automation that has conversations, largest first."""
    return _frame(connection, READ_AUTOMATIONS, filters.values(), ("id", "name", *COUNTS, "first", "last"))


def clinic_series(
    connection: Connection, filters: Filters, unit: Unit, clients: Sequence[int] | None = None
) -> pd.DataFrame:
    """`id`, `name`, `start` and the four counts of each clinic's days, weeks or months.

    Of `clients` alone where they are given.
    """
    values = {**filters.values(), "unit": unit.value, "clients": None if clients is None else list(clients)}
    return _frame(connection, READ_CLINIC_SERIES, values, ("id", "name", "start", *COUNTS))


def active_days(connection: Connection, filters: Filters, window: int) -> pd.DataFrame:
    """`id`, `name` and `day`: the days with conversations among the `window` up to each clinic's newest."""
    values = {**filters.values(), "window": window}
    return _frame(connection, READ_ACTIVE_DAYS, values, ("id", "name", "day"))


def by_hour(connection: Connection, filters: Filters) -> pd.DataFrame:
    """`weekday` (Monday is 1), `hour` (local) and the four counts."""
    return _frame(connection, READ_HOURS, filters.values(), ("weekday", "hour", *COUNTS))


def extent(connection: Connection, filters: Filters) -> Period:
    """The days of the first and the last conversation; open where there is none."""
    row = connection.execute(READ_EXTENT, filters.values()).one()
    return Period(row.first, row.last)


def conversations(connection: Connection, filters: Filters, only: str, limit: int) -> pd.DataFrame:
    """The newest conversations that count towards `only` (one of `COUNTS`); of contacts which there are."""
    wanted = {f"only_{name}": name == only for name in COUNTS[1:]}
    columns = (
        *("external_id", "occurred_at", "clinic", "automation", "engaged", "lead_created", "booked"),
        *("booked_for", "contact"),
    )
    return _frame(connection, READ_CONVERSATIONS, {**filters.values(), **wanted, "limit": limit}, columns)


def behind(
    connection: Connection, code: str, booking_years: Sequence[str], seeded: Sequence[str], limit: int
) -> pd.DataFrame | None:
    """The newest records behind an inconsistency's code; null where it is not one of records."""
    if code == "rejected_records":
        return rejected(connection, None, limit)
    if code not in READ_BEHIND:
        return None
    values = {
        "later_years": queries.later_years(booking_years),
        "seeded": list(seeded),
        "limit": limit,
    }
    statement = READ_BEHIND[code]
    used = {name: value for name, value in values.items() if name in statement.compile().params}
    return _frame(connection, statement, used, ("external_id", "clinic", "occurred_at", "detail"))


def rejected(connection: Connection, import_id: int | None, limit: int) -> pd.DataFrame:
    """The records that an import rejected; without one those that are open now. Their cells stay hidden."""
    columns = ("external_id", "reason", "rejected_at", "resolved_at")
    return _frame(connection, READ_REJECTED, {"import_id": import_id, "limit": limit}, columns)


def refused_deletions(connection: Connection, import_id: int, limit: int) -> pd.DataFrame:
    """The live conversations that a refused mass deletion would delete."""
    values = {"import_id": import_id, "limit": limit}
    return _frame(connection, READ_REFUSED, values, ("external_id", "clinic", "occurred_at"))


def runs(connection: Connection, limit: int) -> list[dict[str, Any]]:
    """The newest imports' rows, newest first."""
    return [{**row} for row in queries.history(connection, limit)]


def run(connection: Connection, import_id: int) -> dict[str, Any] | None:
    """One import's row."""
    row = queries.run(connection, import_id)
    return {**row} if row else None


def earlier_totals(connection: Connection, import_id: int) -> Totals | None:
    """The four totals as the import before left them; null where there was none."""
    row = connection.execute(READ_EARLIER_TOTALS, {"id": import_id}).first()
    return Totals(row.conversations, row.bookings, row.leads, row.engaged) if row else None


def slots(connection: Connection, limit: int, passed: Sequence[Slot] = ()) -> pd.DataFrame:
    """The newest slots of the schedule that passed without an import: `slot_at`, `job`, `state`.

    Those of `passed` that nobody recorded (no server ran, or with other hours) are missed ones too.
    """
    values = {
        "limit": limit,
        "moments": [slot.at for slot in passed],
        "passed_jobs": [slot.job.value for slot in passed],
    }
    return _frame(connection, READ_SLOTS, values, ("slot_at", "job", "state"))


def course(connection: Connection, limit: int) -> pd.DataFrame:
    """The four totals as each of the newest imports left them, oldest first."""
    columns = ("id", "started_at", "status", *COUNTS)
    return _frame(connection, READ_COURSE, {"limit": limit}, columns).iloc[::-1].reset_index(drop=True)


def clinics(connection: Connection) -> dict[str, int]:
    """Every clinic's id by its name."""
    return {row.name: row.id for row in connection.execute(READ_CLINIC_NAMES)}


def automations(connection: Connection) -> dict[str, int]:
    """Every automation's id by its name."""
    return {row.name: row.id for row in connection.execute(READ_AUTOMATION_NAMES)}


def _frame(
    connection: Connection, statement: TextClause, values: Mapping[str, object], columns: Sequence[str]
) -> pd.DataFrame:
    """What a statement answers, with these columns also where it answers nothing."""
    rows = connection.execute(statement, values).columns(*columns)
    return pd.DataFrame([tuple(row) for row in rows], columns=list(columns))


def _without_gaps(frame: pd.DataFrame, unit: Unit) -> pd.DataFrame:
    if frame.empty:
        return frame
    starts = buckets(frame["start"].iloc[0], frame["start"].iloc[-1], unit)
    if starts is None:
        return frame
    full = frame.set_index("start").reindex(pd.Index(starts, dtype=object, name="start"), fill_value=0)
    return full.reset_index()
