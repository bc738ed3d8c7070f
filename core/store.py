"""Every statement that writes: set-based, on arrays, one round trip a table a batch.

Rows that did not change are not written: what is stored is read first and compared. `ON CONFLICT DO
UPDATE` on unchanged rows would write, lock each row and burn an id each.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, TextClause, text

from core.database import DIMENSION_LOCK, lock_for_transaction
from core.records import Outcome, Rejection, Row

# What a conversation's own row holds beside its keys: column and SQL type, in the order of `_values`.
CONVERSATION_COLUMNS: tuple[tuple[str, str], ...] = (
    ("client_id", "bigint"),
    ("location_id", "bigint"),
    ("automation_id", "bigint"),
    ("customer_id", "bigint"),
    ("occurred_at", "timestamptz"),
    ("date_status", "text"),
    ("local_date", "date"),
    ("local_hour", "smallint"),
    ("engaged", "boolean"),
    ("lead_created", "boolean"),
    ("booked", "boolean"),
    ("other_booking_text", "text"),
    ("contact_name", "text"),
    ("contact_email", "text"),
    ("contact_phone", "text"),
)
_NAMES = ", ".join(name for name, _ in CONVERSATION_COLUMNS)
_ARRAYS = ", ".join(f"CAST(:{name} AS {kind}[])" for name, kind in CONVERSATION_COLUMNS)
_SETS = ", ".join(f"{name} = n.{name}" for name, _ in CONVERSATION_COLUMNS)

# What is stored of some records: their conversation, live or deleted, with its booking and lead.
READ_STORED = text("""
    SELECT c.external_id, c.id, c.customer_id, cu.external_id AS user_id,
           cl.name_key AS clinic_key, a.name_key AS automation_key,
           c.occurred_at, c.date_status, c.local_date, c.local_hour, c.engaged, c.lead_created, c.booked,
           c.other_booking_text, c.contact_name, c.contact_email, c.contact_phone,
           c.deleted_at IS NOT NULL AS deleted,
           b.raw_text AS booking_text, b.booked_for, l.id IS NOT NULL AS has_lead
    FROM conversations c
    JOIN customers cu ON cu.id = c.customer_id
    JOIN clients cl ON cl.id = c.client_id
    JOIN automations a ON a.id = c.automation_id
    LEFT JOIN bookings b ON b.conversation_id = c.id
    LEFT JOIN leads l ON l.conversation_id = c.id
    WHERE c.external_id = ANY(:ids)
""")

READ_OPEN_REJECTIONS = text("""
    SELECT external_id, reason, cells FROM rejected_records
    WHERE resolved_at IS NULL AND external_id = ANY(:ids)
""")

INSERT_CONVERSATIONS = text(f"""
    INSERT INTO conversations (external_id, {_NAMES}, first_import_id, last_import_id)
    SELECT n.*, :import_id, :import_id
    FROM unnest(CAST(:external_id AS text[]), {_ARRAYS}) AS n
    RETURNING id, external_id
""")  # noqa: S608 (constants of this module)

UPDATE_CONVERSATIONS = text(f"""
    UPDATE conversations c
    SET {_SETS}, deleted_at = NULL, last_import_id = :import_id
    FROM unnest(CAST(:id AS bigint[]), {_ARRAYS}) AS n (id, {_NAMES})
    WHERE c.id = n.id
""")  # noqa: S608 (constants of this module)

# A conversation leaves the figures, and what it said of its customer is erased.
DELETE_CONVERSATIONS = text("""
    UPDATE conversations
    SET deleted_at = :now, booked = false, other_booking_text = NULL, last_import_id = :import_id,
        contact_name = NULL, contact_email = NULL, contact_phone = NULL
    WHERE id = ANY(:ids) AND deleted_at IS NULL
    RETURNING customer_id
""")

DELETE_BOOKINGS = text("DELETE FROM bookings WHERE conversation_id = ANY(:ids)")
DELETE_LEADS = text("DELETE FROM leads WHERE conversation_id = ANY(:ids)")

PUT_BOOKINGS = text("""
    INSERT INTO bookings (conversation_id, raw_text, booked_for)
    SELECT * FROM unnest(CAST(:ids AS bigint[]), CAST(:texts AS text[]), CAST(:moments AS timestamptz[]))
    ON CONFLICT (conversation_id) DO UPDATE SET raw_text = excluded.raw_text, booked_for = excluded.booked_for
""")

INSERT_LEADS = text("""
    INSERT INTO leads (conversation_id) SELECT unnest(CAST(:ids AS bigint[]))
    ON CONFLICT (conversation_id) DO NOTHING
""")

READ_CUSTOMERS = text("SELECT id, external_id FROM customers WHERE external_id = ANY(:user_ids)")

INSERT_CUSTOMERS = text("""
    INSERT INTO customers (external_id) SELECT unnest(CAST(:user_ids AS text[])) RETURNING id, external_id
""")

# Each of name, email and phone: the latest non-blank one among the customer's live conversations, by
# conversation date, then record id in byte order (spec, section 2). One index probe each.
REFRESH_CUSTOMERS = text("""
    UPDATE customers cu
    SET name = latest.name, email = latest.email, phone = latest.phone
    FROM (
        SELECT wanted.id,
            (SELECT contact_name FROM conversations
             WHERE customer_id = wanted.id AND deleted_at IS NULL AND contact_name IS NOT NULL
             ORDER BY occurred_at DESC, external_id DESC LIMIT 1) AS name,
            (SELECT contact_email FROM conversations
             WHERE customer_id = wanted.id AND deleted_at IS NULL AND contact_email IS NOT NULL
             ORDER BY occurred_at DESC, external_id DESC LIMIT 1) AS email,
            (SELECT contact_phone FROM conversations
             WHERE customer_id = wanted.id AND deleted_at IS NULL AND contact_phone IS NOT NULL
             ORDER BY occurred_at DESC, external_id DESC LIMIT 1) AS phone
        FROM unnest(CAST(:ids AS bigint[])) AS wanted (id)
    ) AS latest
    WHERE cu.id = latest.id
      AND (cu.name, cu.email, cu.phone) IS DISTINCT FROM (latest.name, latest.email, latest.phone)
""")

READ_CLINICS = text("""
    SELECT cl.name_key, cl.id AS client_id, l.id AS location_id
    FROM clients cl JOIN locations l ON l.client_id = cl.id
    WHERE cl.name_key = ANY(:keys)
""")

# A clinic is one client with one location of the same name.
INSERT_CLINICS = text("""
    WITH made AS (
        INSERT INTO clients (name, name_key)
        SELECT * FROM unnest(CAST(:names AS text[]), CAST(:keys AS text[]))
        RETURNING id, name, name_key
    ), placed AS (
        INSERT INTO locations (client_id, name) SELECT id, name FROM made RETURNING id, client_id
    )
    SELECT made.name_key, made.id AS client_id, placed.id AS location_id
    FROM made JOIN placed ON placed.client_id = made.id
""")

READ_AUTOMATIONS = text("SELECT name_key, id FROM automations WHERE name_key = ANY(:keys)")

INSERT_AUTOMATIONS = text("""
    INSERT INTO automations (name, name_key)
    SELECT * FROM unnest(CAST(:names AS text[]), CAST(:keys AS text[]))
    RETURNING name_key, id
""")

# Every automation is offered at every location, also when either is new.
LINK_AUTOMATIONS = text("""
    INSERT INTO location_automations (location_id, automation_id)
    SELECT l.id, a.id FROM locations l CROSS JOIN automations a
    WHERE l.id = ANY(:locations) OR a.id = ANY(:automations)
    ON CONFLICT DO NOTHING
""")

INSERT_REJECTIONS = text("""
    INSERT INTO rejected_records (import_id, external_id, reason, cells, rejected_at)
    SELECT :import_id, n.external_id, n.reason, n.cells, :now
    FROM unnest(CAST(:ids AS text[]), CAST(:reasons AS text[]), CAST(:cells AS jsonb[]))
        AS n (external_id, reason, cells)
    ON CONFLICT (external_id) WHERE resolved_at IS NULL
    DO UPDATE SET import_id = excluded.import_id, reason = excluded.reason, cells = excluded.cells,
                  rejected_at = excluded.rejected_at
""")

RESOLVE_REJECTIONS = text("""
    UPDATE rejected_records SET resolved_at = :now, cells = NULL
    WHERE resolved_at IS NULL AND external_id = ANY(:ids)
""")


# The first rows of an empty table: until PostgreSQL knows of them, it takes live rows for rare and plans
# each look-up as if a whole index were to be read.
ANALYSE = text("ANALYZE conversations, customers")


@dataclass(slots=True)
class Places:
    """Ids of clinics and automations by their keys: looked up once, then known for the whole run."""

    clinics: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Client id and location id."""
    automations: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """What one batch does; made by `decided`, carried out by `apply`."""

    outcomes: dict[str, Outcome]
    created: list[Row]
    updated: list[tuple[RowMapping, Row]]
    withdrawn: list[RowMapping]
    """Stored and live rows whose record is rejected now."""
    rejected: list[Rejection]
    """Rejections that are new or say something else than the open one."""
    resolved: list[str]

    @property
    def writes(self) -> bool:
        """Whether any data table changes."""
        return bool(self.created or self.updated or self.withdrawn or self.rejected or self.resolved)


def decided(
    rows: Iterable[Row],
    rejections: Iterable[Rejection],
    stored: Mapping[str, RowMapping],
    open_rejections: Mapping[str, RowMapping],
) -> Change:
    """Compare what was read with what is stored; pure. An unchanged record leads to no write."""
    change = Change({}, [], [], [], [], [])
    for row in rows:
        held = stored.get(row.external_id)
        if held is None:
            change.created.append(row)
            change.outcomes[row.external_id] = Outcome.CREATED
        elif differs(held, row):
            change.updated.append((held, row))
            change.outcomes[row.external_id] = Outcome.UPDATED
        else:
            change.outcomes[row.external_id] = Outcome.UNCHANGED
        if row.external_id in open_rejections:
            change.resolved.append(row.external_id)
    for rejection in rejections:
        change.outcomes[rejection.external_id] = Outcome.REJECTED
        held, known = stored.get(rejection.external_id), open_rejections.get(rejection.external_id)
        if held is not None and not held["deleted"]:
            change.withdrawn.append(held)
        if known is None or (known["reason"], known["cells"]) != (rejection.reason, rejection.cells):
            change.rejected.append(rejection)
    return change


def differs(held: RowMapping, row: Row) -> bool:
    """Whether a stored conversation, its booking or its lead is not what the record says."""
    return bool(held["deleted"]) or (
        held["clinic_key"],
        held["automation_key"],
        held["user_id"],
        held["occurred_at"],
        held["date_status"],
        held["local_date"],
        held["local_hour"],
        held["engaged"],
        held["lead_created"],
        held["has_lead"],
        held["booked"],
        held["booking_text"],
        held["booked_for"],
        held["other_booking_text"],
        held["contact_name"],
        held["contact_email"],
        held["contact_phone"],
    ) != (
        row.clinic_key,
        row.automation_key,
        row.user_id,
        row.occurred_at,
        row.date_status,
        row.local_date,
        row.local_hour,
        row.engaged,
        row.lead_created,
        row.lead_created,
        row.booking_text is not None,
        row.booking_text,
        row.booked_for,
        row.other_booking_text,
        row.name,
        row.email,
        row.phone,
    )


def read_stored(connection: Connection, ids: Collection[str]) -> dict[str, RowMapping]:
    """What is stored of these records, by external id."""
    return _by_external_id(connection, READ_STORED, ids)


def read_open_rejections(connection: Connection, ids: Collection[str]) -> dict[str, RowMapping]:
    """The open rejections of these records, by external id."""
    return _by_external_id(connection, READ_OPEN_REJECTIONS, ids)


def apply(connection: Connection, change: Change, places: Places, import_id: int, now: datetime) -> Places:
    """Carry out a change within the caller's transaction.

    Returns:
        The clinics and automations that it made or looked up: true once the transaction is committed.
    """
    rows = change.created + [row for _, row in change.updated]
    found = place_rows(connection, rows, places)
    known = Places(places.clinics | found.clinics, places.automations | found.automations)
    customers = put_customers(connection, {row.user_id for row in rows})
    ids = _insert(connection, change.created, known, customers, import_id)
    _update(connection, change.updated, known, customers, import_id)
    ids |= {row.external_id: held["id"] for held, row in change.updated}
    _put_what_they_led_to(connection, change, ids)
    touched = {customers[row.user_id] for row in rows} | {held["customer_id"] for held, _ in change.updated}
    touched |= withdraw(connection, [held["id"] for held in change.withdrawn], import_id, now)
    refresh_customers(connection, touched)
    _put_rejections(connection, change, import_id, now)
    return found


def place_rows(connection: Connection, rows: Iterable[Row], places: Places) -> Places:
    """Look up, or make, the clinics and automations of these rows that are not known yet."""
    clinics = {row.clinic_key: row.clinic for row in reversed(list(rows))}
    automations = {row.automation_key: row.automation for row in reversed(list(rows))}
    for key in places.clinics.keys() & clinics.keys():
        del clinics[key]
    for key in places.automations.keys() & automations.keys():
        del automations[key]
    return put_places(connection, clinics, automations)


def put_places(connection: Connection, clinics: Mapping[str, str], automations: Mapping[str, str]) -> Places:
    """Look up or make clinics and automations, by key with the name to show, and link them all."""
    if not clinics and not automations:
        return Places()
    found = _read_places(connection, clinics, automations)
    new_clinics = {key: name for key, name in clinics.items() if key not in found.clinics}
    new_automations = {key: name for key, name in automations.items() if key not in found.automations}
    if not new_clinics and not new_automations:
        return found
    # Whoever makes one side must see the other side of everybody else, or a link would be missing.
    lock_for_transaction(connection, DIMENSION_LOCK)
    found = _read_places(connection, clinics, automations)
    locations = _make_clinics(connection, clinics, found)
    made = _make_automations(connection, automations, found)
    if locations or made:
        connection.execute(LINK_AUTOMATIONS, {"locations": locations, "automations": made})
    return found


def put_customers(connection: Connection, user_ids: Collection[str]) -> dict[str, int]:
    """The ids of these customers by User ID, made where missing."""
    if not user_ids:
        return {}
    found = {
        row.external_id: row.id for row in connection.execute(READ_CUSTOMERS, {"user_ids": list(user_ids)})
    }
    missing = sorted(set(user_ids) - found.keys())
    if missing:
        made = connection.execute(INSERT_CUSTOMERS, {"user_ids": missing})
        found |= {row.external_id: row.id for row in made}
    return found


def refresh_customers(connection: Connection, ids: Collection[int]) -> None:
    """Give customers the latest contact data that their live conversations hold."""
    if ids:
        connection.execute(REFRESH_CUSTOMERS, {"ids": sorted(ids)})


def withdraw(connection: Connection, ids: Sequence[int], import_id: int, now: datetime) -> set[int]:
    """Take conversations out of the figures, with bookings and leads; answers whose they were."""
    if not ids:
        return set()
    connection.execute(DELETE_BOOKINGS, {"ids": ids})
    connection.execute(DELETE_LEADS, {"ids": ids})
    gone = connection.execute(DELETE_CONVERSATIONS, {"ids": ids, "import_id": import_id, "now": now})
    return set(gone.scalars())


def resolve_rejections(connection: Connection, ids: Collection[str], now: datetime) -> None:
    """Close the open rejections of these records and erase their cells."""
    if ids:
        connection.execute(RESOLVE_REJECTIONS, {"ids": list(ids), "now": now})


def analyse(connection: Connection) -> None:
    """Let the planner know what the first batch of an empty table brought."""
    connection.execute(ANALYSE)


def _by_external_id(
    connection: Connection, statement: TextClause, ids: Collection[str]
) -> dict[str, RowMapping]:
    if not ids:
        return {}
    return {row["external_id"]: row for row in connection.execute(statement, {"ids": list(ids)}).mappings()}


def _read_places(connection: Connection, clinics: Iterable[str], automations: Iterable[str]) -> Places:
    at = connection.execute(READ_CLINICS, {"keys": list(clinics)})
    by = connection.execute(READ_AUTOMATIONS, {"keys": list(automations)})
    return Places(
        {row.name_key: (row.client_id, row.location_id) for row in at}, {row.name_key: row.id for row in by}
    )


def _make_clinics(connection: Connection, clinics: Mapping[str, str], found: Places) -> list[int]:
    """Make the clinics that are missing in `found` and add them there; answers their location ids."""
    missing = {key: name for key, name in clinics.items() if key not in found.clinics}
    if not missing:
        return []
    made = connection.execute(INSERT_CLINICS, {"names": list(missing.values()), "keys": list(missing)}).all()
    found.clinics.update({row.name_key: (row.client_id, row.location_id) for row in made})
    return [row.location_id for row in made]


def _make_automations(connection: Connection, automations: Mapping[str, str], found: Places) -> list[int]:
    """Make the automations that are missing in `found` and add them there; answers their ids."""
    missing = {key: name for key, name in automations.items() if key not in found.automations}
    if not missing:
        return []
    made = connection.execute(
        INSERT_AUTOMATIONS, {"names": list(missing.values()), "keys": list(missing)}
    ).all()
    found.automations.update({row.name_key: row.id for row in made})
    return [row.id for row in made]


def _values(rows: Sequence[Row], places: Places, customers: Mapping[str, int]) -> dict[str, list[Any]]:
    """The arrays of `CONVERSATION_COLUMNS`, an element a row."""
    tuples = [
        (
            *places.clinics[row.clinic_key],
            places.automations[row.automation_key],
            customers[row.user_id],
            row.occurred_at,
            row.date_status,
            row.local_date,
            row.local_hour,
            row.engaged,
            row.lead_created,
            row.booking_text is not None,
            row.other_booking_text,
            row.name,
            row.email,
            row.phone,
        )
        for row in rows
    ]
    columns = zip(*tuples, strict=True)
    return {name: list(values) for (name, _), values in zip(CONVERSATION_COLUMNS, columns, strict=True)}


def _insert(
    connection: Connection, rows: Sequence[Row], places: Places, customers: Mapping[str, int], import_id: int
) -> dict[str, int]:
    if not rows:
        return {}
    values = _values(rows, places, customers)
    made = connection.execute(
        INSERT_CONVERSATIONS,
        values | {"external_id": [row.external_id for row in rows], "import_id": import_id},
    )
    return {row.external_id: row.id for row in made}


def _update(
    connection: Connection,
    changed: Sequence[tuple[RowMapping, Row]],
    places: Places,
    customers: Mapping[str, int],
    import_id: int,
) -> None:
    if not changed:
        return
    values = _values([row for _, row in changed], places, customers)
    connection.execute(
        UPDATE_CONVERSATIONS, values | {"id": [held["id"] for held, _ in changed], "import_id": import_id}
    )


def _put_what_they_led_to(connection: Connection, change: Change, ids: Mapping[str, int]) -> None:
    """Bookings and leads of new and changed rows: made, changed or deleted."""
    booked = [row for row in change.created if row.booking_text is not None]
    leads = [row for row in change.created if row.lead_created]
    unbooked: list[Row] = []
    unled: list[Row] = []
    for held, row in change.updated:
        if (held["booking_text"], held["booked_for"]) != (row.booking_text, row.booked_for):
            (booked if row.booking_text is not None else unbooked).append(row)
        if held["has_lead"] != row.lead_created:
            (leads if row.lead_created else unled).append(row)
    if unbooked:
        connection.execute(DELETE_BOOKINGS, {"ids": [ids[row.external_id] for row in unbooked]})
    if unled:
        connection.execute(DELETE_LEADS, {"ids": [ids[row.external_id] for row in unled]})
    if booked:
        connection.execute(
            PUT_BOOKINGS,
            {
                "ids": [ids[row.external_id] for row in booked],
                "texts": [row.booking_text for row in booked],
                "moments": [row.booked_for for row in booked],
            },
        )
    if leads:
        connection.execute(INSERT_LEADS, {"ids": [ids[row.external_id] for row in leads]})


def _put_rejections(connection: Connection, change: Change, import_id: int, now: datetime) -> None:
    if change.rejected:
        connection.execute(
            INSERT_REJECTIONS,
            {
                "import_id": import_id,
                "now": now,
                "ids": [rejection.external_id for rejection in change.rejected],
                "reasons": [rejection.reason for rejection in change.rejected],
                "cells": [json.dumps(rejection.cells) for rejection in change.rejected],
            },
        )
    resolve_rejections(connection, change.resolved, now)
