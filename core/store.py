"""Every statement that writes: set-based, on arrays, one round trip a table a batch.

Rows that did not change are not written: what is stored is read first and compared. `ON CONFLICT DO
UPDATE` on unchanged rows would write, lock each row and burn an id each.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from operator import attrgetter
from typing import Any, NamedTuple

from sqlalchemy import Connection, TextClause, text

from core import direct
from core.database import DIMENSION_LOCK, as_json, lock_for_transaction
from core.records import Outcome, Rejection, Row

# What a conversation's own row holds beside its keys: column and SQL type.
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
_TYPED = ", ".join(f"{name} {kind}" for name, kind in CONVERSATION_COLUMNS)
_SETS = ", ".join(f"{name} = n.{name}" for name, _ in CONVERSATION_COLUMNS)

# What is stored of some records: their conversation, live or deleted, with its booking and lead, their open
# rejection, what they counted as where this import has read them before (`core.seen`), and which import
# brought the conversation. From `client_id` to `contact_phone` it is what `_expected` says of a record.
READ_STORED = text("""
    SELECT i.external_id, c.id, c.customer_id, c.deleted_at IS NOT NULL AS deleted,
           c.client_id, c.automation_id, cu.external_id AS user_id,
           c.occurred_at, c.date_status, c.local_date, c.local_hour,
           c.engaged, c.lead_created, l.id IS NOT NULL AS has_lead,
           c.booked, b.raw_text AS booking_text, b.booked_for, c.other_booking_text,
           c.contact_name, c.contact_email, c.contact_phone,
           r.reason, r.cells, s.outcome, c.first_import_id
    FROM json_array_elements_text(CAST(:records AS json)) AS i (external_id)
    LEFT JOIN conversations c ON c.external_id = i.external_id
    LEFT JOIN customers cu ON cu.id = c.customer_id
    LEFT JOIN bookings b ON b.conversation_id = c.id
    LEFT JOIN leads l ON l.conversation_id = c.id
    LEFT JOIN rejected_records r ON r.external_id = i.external_id AND r.resolved_at IS NULL
    LEFT JOIN seen s ON s.external_id = i.external_id
    WHERE c.id IS NOT NULL OR r.id IS NOT NULL OR s.external_id IS NOT NULL
""")
_COMPARED = slice(4, 21)

# New conversations with the leads and bookings that they led to.
INSERT_CONVERSATIONS = text(f"""
    WITH n AS MATERIALIZED (
        SELECT * FROM json_to_recordset(CAST(:rows AS json))
            AS n (external_id text, {_TYPED}, booking_text text, booked_for timestamptz)
    ), made AS (
        INSERT INTO conversations (external_id, {_NAMES}, first_import_id, last_import_id)
        SELECT external_id, {_NAMES}, :import_id, :import_id FROM n
        RETURNING id, external_id, lead_created, booked
    ), led AS (
        INSERT INTO leads (conversation_id) SELECT id FROM made WHERE lead_created
    )
    INSERT INTO bookings (conversation_id, raw_text, booked_for)
    SELECT made.id, n.booking_text, n.booked_for FROM made JOIN n USING (external_id)
    WHERE made.booked AND n.booking_text IS NOT NULL
""")  # noqa: S608 (constants of this module)

UPDATE_CONVERSATIONS = text(f"""
    UPDATE conversations c
    SET {_SETS}, deleted_at = NULL, last_import_id = :import_id
    FROM json_to_recordset(CAST(:rows AS json)) AS n (id bigint, {_TYPED})
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

# The ids of some customers, and which of them are new: those hold already what is said of them here.
PUT_CUSTOMERS = text("""
    WITH wanted AS MATERIALIZED (
        SELECT w.*, (SELECT cu.id FROM customers cu WHERE cu.external_id = w.external_id) AS id
        FROM json_to_recordset(CAST(:customers AS json))
            AS w (external_id text, name text, email text, phone text)
    ), made AS (
        INSERT INTO customers (external_id, name, email, phone)
        SELECT external_id, name, email, phone FROM wanted WHERE id IS NULL
        RETURNING id, external_id
    )
    SELECT id, external_id, false AS made FROM wanted WHERE id IS NOT NULL
    UNION ALL SELECT id, external_id, true FROM made
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


class Stored(NamedTuple):
    """One row of `READ_STORED`; without an id where no conversation is stored."""

    external_id: str
    id: Any
    customer_id: Any
    deleted: bool
    client_id: int | None
    automation_id: int | None
    user_id: str | None
    occurred_at: datetime | None
    date_status: str | None
    local_date: date | None
    local_hour: int | None
    engaged: bool | None
    lead_created: bool | None
    has_lead: bool
    booked: bool | None
    booking_text: str | None
    booked_for: datetime | None
    other_booking_text: str | None
    contact_name: str | None
    contact_email: str | None
    contact_phone: str | None
    reason: str | None
    cells: Any
    outcome: str | None
    first_import_id: int | None


class Customer(NamedTuple):
    """One row of `PUT_CUSTOMERS`."""

    id: int
    external_id: str
    made: bool


class Owner(NamedTuple):
    """One row of `DELETE_CONVERSATIONS`."""

    customer_id: int


_UNKNOWN = (None, None)

# The first rows of an empty table: until PostgreSQL knows of them, it takes live rows for rare and plans
# each look-up as if a whole index were to be read.
ANALYSE = text("ANALYZE conversations, customers")

# Figures are counted in an index alone only where pages were vacuumed since they changed, and nobody needs
# them sooner than after an import. What they filter and group by is analysed at once, a third of the time
# that all columns take; the others, and changes of fewer rows, wait for autovacuum.
VACUUM = text("""
    VACUUM (ANALYZE, SKIP_LOCKED)
        conversations (client_id, location_id, automation_id, local_date, deleted_at)
""")
WORTH_VACUUMING = 1000


@dataclass(slots=True)
class Places:
    """Ids of clinics and automations by their keys: looked up once, then known for the whole run."""

    clinics: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Client id and location id."""
    automations: dict[str, int] = field(default_factory=dict)

    def __or__(self, other: "Places") -> "Places":
        """What either knows."""
        return Places(self.clinics | other.clinics, self.automations | other.automations)


@dataclass(frozen=True, slots=True)
class Change:
    """What one batch does; made by `decided`, carried out by `apply`."""

    outcomes: dict[str, Outcome]
    created: list[Row]
    updated: list[tuple[Stored, Row]]
    withdrawn: list[Stored]
    """Stored and live rows whose record is rejected now."""
    rejected: list[Rejection]
    """Rejections that are new or say something else than the open one."""
    resolved: list[str]

    @property
    def touched_rows(self) -> list[Row]:
        """What is stored anew or otherwise."""
        return self.created + [row for _, row in self.updated]

    @property
    def writes(self) -> bool:
        """Whether any data table changes."""
        return bool(self.created or self.updated or self.withdrawn or self.rejected or self.resolved)


def decided(
    rows: Iterable[Row], rejections: Iterable[Rejection], stored: Mapping[str, Stored], places: Places
) -> Change:
    """Compare what was read with what is stored; pure. An unchanged record leads to no write."""
    change = Change({}, [], [], [], [], [])
    for row in rows:
        held = stored.get(row.external_id)
        if held is None or held.id is None:
            change.created.append(row)
            change.outcomes[row.external_id] = Outcome.CREATED
        elif held.deleted or held[_COMPARED] != _expected(row, places):
            change.updated.append((held, row))
            change.outcomes[row.external_id] = Outcome.UPDATED
        else:
            change.outcomes[row.external_id] = Outcome.UNCHANGED
        if held is not None and held.reason is not None:
            change.resolved.append(row.external_id)
    for rejection in rejections:
        change.outcomes[rejection.external_id] = Outcome.REJECTED
        held = stored.get(rejection.external_id)
        if held is not None and held.id is not None and not held.deleted:
            change.withdrawn.append(held)
        if held is None or (held.reason, held.cells) != (rejection.reason, rejection.cells):
            change.rejected.append(rejection)
    return change


def _expected(row: Row, places: Places) -> tuple[object, ...]:
    """What `READ_STORED` answers where conversation, booking and lead are as the record says."""
    client, _ = places.clinics.get(row.clinic_key, _UNKNOWN)
    return (
        client,
        places.automations.get(row.automation_key),
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


def read_stored(connection: Connection, ids: Collection[str]) -> dict[str, Stored]:
    """What is stored of these records, by external id; only what is stored at all."""
    if not ids:
        return {}
    found = direct.rows(connection, READ_STORED, {"records": as_json(list(ids))}, Stored)
    return {row.external_id: row for row in found}


def find_places(connection: Connection, rows: Iterable[Row], known: Places) -> Places:
    """Those clinics and automations of these rows that are stored and not known yet."""
    clinics = {row.clinic_key for row in rows} - known.clinics.keys()
    automations = {row.automation_key for row in rows} - known.automations.keys()
    return _read_places(connection, clinics, automations) if clinics or automations else Places()


def apply(
    connection: Connection,
    change: Change,
    places: Places,
    *,
    import_id: int,
    now: datetime,
) -> None:
    """Carry out a change whose clinics and automations are known, within the caller's transaction.

    May stand in `direct.together`.
    """
    rows = change.touched_rows
    customers, new = put_customers(connection, rows)
    records = _Records(places, customers)
    _insert(connection, change.created, records, import_id)
    _update(connection, change.updated, records, import_id)
    touched = {customers[row.user_id] for row in rows} - new
    touched |= {held.customer_id for held, _ in change.updated}
    touched |= withdraw(connection, [held.id for held in change.withdrawn], import_id, now)
    refresh_customers(connection, touched)
    _put_rejections(connection, change, import_id, now)


def place(connection: Connection, change: Change, places: Places) -> Places:
    """Make the clinics and automations of a change that are not known; shown as first seen.

    Returns:
        Those it made: true once the transaction is committed.
    """
    backwards = list(reversed(change.touched_rows))
    clinics = {row.clinic_key: row.clinic for row in backwards if row.clinic_key not in places.clinics}
    automations = {
        row.automation_key: row.automation
        for row in backwards
        if row.automation_key not in places.automations
    }
    return put_places(connection, clinics, automations) if clinics or automations else Places()


def put_places(connection: Connection, clinics: Mapping[str, str], automations: Mapping[str, str]) -> Places:
    """Look up or make clinics and automations, by key with the name to show, and link them all."""
    # Whoever makes one side must see the other side of everybody else, or a link would be missing.
    lock_for_transaction(connection, DIMENSION_LOCK)
    found = _read_places(connection, clinics, automations)
    locations = _make_clinics(connection, clinics, found)
    made = _make_automations(connection, automations, found)
    if locations or made:
        connection.execute(LINK_AUTOMATIONS, {"locations": locations, "automations": made})
    return found


def put_customers(connection: Connection, rows: Sequence[Row]) -> tuple[dict[str, int], set[int]]:
    """The ids of these rows' customers by User ID, made where missing; and which of the ids are new.

    A new customer has no other conversations: the latest of these rows say what it is called.
    """
    if not rows:
        return {}, set()
    found = direct.rows(connection, PUT_CUSTOMERS, {"customers": as_json(latest_contacts(rows))}, Customer)
    return {row.external_id: row.id for row in found}, {row.id for row in found if row.made}


def latest_contacts(rows: Iterable[Row]) -> list[dict[str, str | None]]:
    """Each customer's latest non-blank name, email and phone of these rows (spec, section 2)."""
    contacts: dict[str, dict[str, str | None]] = {}
    for row in sorted(rows, key=attrgetter("occurred_at", "external_id")):
        known = contacts.get(row.user_id, {})
        contacts[row.user_id] = {
            "external_id": row.user_id,
            "name": row.name or known.get("name"),
            "email": row.email or known.get("email"),
            "phone": row.phone or known.get("phone"),
        }
    return list(contacts.values())


def refresh_customers(connection: Connection, ids: Collection[int]) -> None:
    """Give customers the latest contact data that their live conversations hold."""
    if ids:
        direct.carry_out(connection, REFRESH_CUSTOMERS, {"ids": sorted(ids)})


def withdraw(connection: Connection, ids: Sequence[int], import_id: int, now: datetime) -> set[int]:
    """Take conversations out of the figures, with bookings and leads; answers whose they were."""
    if not ids:
        return set()
    direct.carry_out(connection, DELETE_BOOKINGS, {"ids": ids})
    direct.carry_out(connection, DELETE_LEADS, {"ids": ids})
    values = {"ids": ids, "import_id": import_id, "now": now}
    return {row.customer_id for row in direct.rows(connection, DELETE_CONVERSATIONS, values, Owner)}


def resolve_rejections(connection: Connection, ids: Collection[str], now: datetime) -> None:
    """Close the open rejections of these records and erase their cells."""
    if ids:
        direct.carry_out(connection, RESOLVE_REJECTIONS, {"ids": list(ids), "now": now})


def analyse(connection: Connection) -> None:
    """Let the planner know what the first batch of an empty table brought."""
    connection.execute(ANALYSE)


def vacuum(connection: Connection, changed: int) -> None:
    """Make figures ready to be read after an import that changed so many rows; outside of a transaction."""
    if changed >= WORTH_VACUUMING:
        connection.execute(VACUUM)


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


class _Records:
    """Rows as the JSON records of the statements above, which type their columns."""

    def __init__(self, places: Places, customers: Mapping[str, int]) -> None:
        self._places = places
        self._customers = customers

    def of(self, row: Row, **keys: object) -> dict[str, object]:
        client, location = self._places.clinics[row.clinic_key]
        return {
            **keys,
            "client_id": client,
            "location_id": location,
            "automation_id": self._places.automations[row.automation_key],
            "customer_id": self._customers[row.user_id],
            "occurred_at": row.occurred_at,
            "date_status": row.date_status,
            "local_date": row.local_date,
            "local_hour": row.local_hour,
            "engaged": row.engaged,
            "lead_created": row.lead_created,
            "booked": row.booking_text is not None,
            "other_booking_text": row.other_booking_text,
            "contact_name": row.name,
            "contact_email": row.email,
            "contact_phone": row.phone,
        }


def _insert(connection: Connection, rows: Sequence[Row], records: _Records, import_id: int) -> None:
    if not rows:
        return
    new = [
        records.of(
            row,
            external_id=row.external_id,
            booking_text=row.booking_text,
            booked_for=row.booked_for,
        )
        for row in rows
    ]
    direct.carry_out(connection, INSERT_CONVERSATIONS, {"rows": as_json(new), "import_id": import_id})


def _update(
    connection: Connection, changed: Sequence[tuple[Stored, Row]], records: _Records, import_id: int
) -> None:
    """Write changed rows; their bookings and leads are made, changed or deleted where those differ."""
    if not changed:
        return
    new = [records.of(row, id=held.id) for held, row in changed]
    direct.carry_out(connection, UPDATE_CONVERSATIONS, {"rows": as_json(new), "import_id": import_id})
    booked = [
        (held.id, row)
        for held, row in changed
        if (held.booking_text, held.booked_for) != (row.booking_text, row.booked_for)
    ]
    put = [(key, row) for key, row in booked if row.booking_text is not None]
    _on_ids(connection, DELETE_BOOKINGS, [key for key, row in booked if row.booking_text is None])
    if put:
        values = {
            "ids": [key for key, _ in put],
            "texts": [row.booking_text for _, row in put],
            "moments": [row.booked_for for _, row in put],
        }
        direct.carry_out(connection, PUT_BOOKINGS, values)
    led = [(held.id, row.lead_created) for held, row in changed if held.has_lead != row.lead_created]
    _on_ids(connection, DELETE_LEADS, [key for key, lead in led if not lead])
    _on_ids(connection, INSERT_LEADS, [key for key, lead in led if lead])


def _on_ids(connection: Connection, statement: TextClause, ids: Sequence[int]) -> None:
    if ids:
        direct.carry_out(connection, statement, {"ids": ids})


def _put_rejections(connection: Connection, change: Change, import_id: int, now: datetime) -> None:
    if change.rejected:
        direct.carry_out(
            connection,
            INSERT_REJECTIONS,
            {
                "import_id": import_id,
                "now": now,
                "ids": [rejection.external_id for rejection in change.rejected],
                "reasons": [rejection.reason for rejection in change.rejected],
                "cells": [as_json(rejection.cells) for rejection in change.rejected],
            },
        )
    resolve_rejections(connection, change.resolved, now)
