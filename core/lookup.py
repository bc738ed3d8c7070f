"""Single records: by what they are sought, where Airtable shows them, whether they are in, or why not."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, text

from core.text import clean, whole

RECORD_ID = re.compile(r"\brec[A-Za-z0-9]{14}\b")
AIRTABLE = "https://airtable.com"

READ_REJECTION_COUNTS = text("""
    SELECT reason, count(*) FILTER (WHERE resolved_at IS NULL) AS open, count(*) AS total
    FROM rejected_records GROUP BY reason
""")

READ_OPEN = text("""
    SELECT external_id, reason, cells, rejected_at, resolved_at, import_id FROM rejected_records
    WHERE resolved_at IS NULL AND reason = :reason ORDER BY rejected_at DESC, id DESC LIMIT :limit
""")
READ_RESOLVED = text("""
    SELECT external_id, reason, cells, rejected_at, resolved_at, import_id FROM rejected_records
    WHERE resolved_at IS NOT NULL AND reason = :reason ORDER BY resolved_at DESC, id DESC LIMIT :limit
""")

READ_CONVERSATIONS = text("""
    SELECT v.external_id, v.occurred_at, v.local_date, v.date_status, v.deleted_at,
           c.name AS clinic, a.name AS automation, v.engaged, v.lead_created, v.booked, b.booked_for,
           v.other_booking_text IS NOT NULL AS booking_of_another_year,
           v.first_import_id, v.last_import_id
    FROM conversations v JOIN clients c ON c.id = v.client_id JOIN automations a ON a.id = v.automation_id
    LEFT JOIN bookings b ON b.conversation_id = v.id
    WHERE v.external_id = :wanted
       OR v.customer_id = (SELECT id FROM customers WHERE external_id = :wanted)
    ORDER BY v.occurred_at DESC, v.id DESC LIMIT :limit
""")

# Text within text finds numbers and lists too; what it finds beyond that is sorted out afterwards.
READ_REJECTIONS = text("""
    SELECT external_id, reason, cells, rejected_at, resolved_at, import_id FROM rejected_records
    WHERE id IN (
        SELECT id FROM rejected_records WHERE external_id = :wanted
        UNION ALL SELECT id FROM rejected_records
        WHERE resolved_at IS NULL AND position(:wanted IN cells ->> :user_id) > 0
    )
    ORDER BY resolved_at DESC NULLS FIRST, id DESC LIMIT :limit
""")

READ_CONTACT = text("""
    SELECT u.external_id AS user_id, v.contact_name AS name, v.contact_email AS email,
           v.contact_phone AS phone, coalesce(b.raw_text, v.other_booking_text) AS booking
    FROM conversations v JOIN customers u ON u.id = v.customer_id
    LEFT JOIN bookings b ON b.conversation_id = v.id WHERE v.external_id = :wanted
""")


def sought(typed: str) -> str:
    """The Airtable id within what was typed or pasted, a record's address too; else the text as a User ID."""
    found = RECORD_ID.findall(typed)
    return found[-1] if found else clean(typed).strip()


def record_address(base: str | None, table: str, external_id: str) -> str | None:
    """Where Airtable shows a record; null in the demo, and for what has no id of Airtable's."""
    if base is None or not RECORD_ID.fullmatch(external_id):
        return None
    return f"{AIRTABLE}/{quote(base, safe='')}/{quote(table, safe='')}/{external_id}"


def rejection_counts(connection: Connection) -> dict[str, tuple[int, int]]:
    """How many rejected records are open, and how many are resolved, by reason."""
    rows = connection.execute(READ_REJECTION_COUNTS)
    return {row.reason: (row.open, row.total - row.open) for row in rows}


def rejections(connection: Connection, reason: str, *, resolved: bool, limit: int) -> list[dict[str, Any]]:
    """The newest open or resolved rejections of one reason, with their cells as they were read."""
    statement = READ_RESOLVED if resolved else READ_OPEN
    return _rows(connection.execute(statement, {"reason": reason, "limit": limit}).mappings())


def conversations(connection: Connection, wanted: str, limit: int) -> list[dict[str, Any]]:
    """Conversations, live or deleted, by Airtable id or User ID; without contact data."""
    return _rows(connection.execute(READ_CONVERSATIONS, {"wanted": wanted, "limit": limit}).mappings())


def rejections_of(connection: Connection, wanted: str, user_id: str, limit: int) -> list[dict[str, Any]]:
    """Rejections by Airtable id, and open ones by what the cell of the column `user_id` reads as."""
    values = {"wanted": wanted, "user_id": user_id, "limit": limit}
    found = _rows(connection.execute(READ_REJECTIONS, values).mappings())
    return [
        row
        for row in found
        if row["external_id"] == wanted or whole((row["cells"] or {}).get(user_id)) == wanted
    ]


def contact(connection: Connection, external_id: str) -> dict[str, str | None]:
    """What a conversation says of its customer, and its Booking cell; empty where there is none."""
    row = connection.execute(READ_CONTACT, {"wanted": external_id}).mappings().first()
    return {**row} if row else {}


def _rows(found: Any) -> list[dict[str, Any]]:  # noqa: ANN401 (SQLAlchemy's result has no narrower type)
    rows: list[Mapping[str, Any]] = list(found)
    return [{**row} for row in rows]
