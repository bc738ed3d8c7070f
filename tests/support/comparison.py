"""Is the database equal to the source? Asked by natural keys, by code that knows nothing of the rules.

What a cell means stands here a second time, as plainly as can be: only for the cells that tests use. A
written date means what `DATES` says; one that is not listed there is a mistake of the test.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
from psycopg.rows import dict_row

from core.demo.table import Record, Table

ZONE = ZoneInfo("America/New_York")

# Columns that are not compared, each with its reason.
LEFT_OUT: Mapping[str, str] = {
    "clients.id": "made by the database",
    "clients.name": "the first spelling seen, which depends on the order of reading; its key is compared",
    "locations.id": "made by the database",
    "locations.client_id": "followed to the client's key",
    "locations.name": "equals its client's name, which is compared in the database",
    "automations.id": "made by the database",
    "automations.name": "the first spelling seen, which depends on the order of reading; its key is compared",
    "location_automations.location_id": "every pair exists, which is compared as a count",
    "location_automations.automation_id": "every pair exists, which is compared as a count",
    "customers.id": "made by the database",
    "conversations.id": "made by the database",
    "conversations.client_id": "followed to the client's key",
    "conversations.location_id": "followed to the client's key",
    "conversations.automation_id": "followed to the automation's key",
    "conversations.customer_id": "followed to the customer's User ID",
    "conversations.first_import_id": "tells which import brought it, not what the source says",
    "conversations.last_import_id": "tells which import changed it, not what the source says",
    "conversations.deleted_at": "the moment of an import; that it is null for live rows is compared",
    "bookings.id": "made by the database",
    "bookings.conversation_id": "followed to the conversation's record id",
    "leads.id": "made by the database",
    "leads.conversation_id": "followed to the conversation's record id",
    "rejected_records.id": "made by the database",
    "rejected_records.import_id": "tells which import rejected it, not what the source says",
    "rejected_records.rejected_at": "the moment of an import",
    "rejected_records.resolved_at": "the moment of an import; that it is null for open rows is compared",
}

COMPARED: Mapping[str, frozenset[str]] = {
    "clients": frozenset({"name_key"}),
    "locations": frozenset(),
    "automations": frozenset({"name_key"}),
    "location_automations": frozenset(),
    "customers": frozenset({"external_id", "name", "email", "phone"}),
    "conversations": frozenset(
        {
            *("external_id", "occurred_at", "date_status", "local_date", "local_hour", "engaged"),
            *("lead_created", "booked", "other_booking_text"),
            *("contact_name", "contact_email", "contact_phone"),
        }
    ),
    "bookings": frozenset({"raw_text", "booked_for"}),
    "leads": frozenset({"source"}),
    "rejected_records": frozenset({"external_id", "reason", "cells"}),
}

# What written dates mean in New York; None: cannot be read.
DATES: Mapping[str, datetime | None] = {
    "2025-03-14": datetime(2025, 3, 14, tzinfo=ZONE),
    "2025-03-14T14:30:00.000Z": datetime(2025, 3, 14, 14, 30, tzinfo=UTC),
    "3/14/2025 2:30 PM": datetime(2025, 3, 14, 14, 30, tzinfo=ZONE),
    "March 14, 2025": datetime(2025, 3, 14, tzinfo=ZONE),
    "14 March 2025": datetime(2025, 3, 14, tzinfo=ZONE),
    "Friday, March 14, 2025 10:00am": datetime(2025, 3, 14, 10, tzinfo=ZONE),
    "Mar 14, 2025 at 02:30 PM": datetime(2025, 3, 14, 14, 30, tzinfo=ZONE),
    "2026-01-08T09:00:00.000Z": datetime(2026, 1, 8, 9, tzinfo=UTC),
    "November 2, 2025 1:30 AM": datetime(2025, 11, 2, 1, 30, tzinfo=ZONE),
    "January 8, 2026 9:00 AM": datetime(2026, 1, 8, 9, tzinfo=ZONE),
    "2025": None,
    "call in 2025": None,
    "2025 - call back": None,
    "2025-13-45": None,
    "soon": None,
    "NaN": None,
    "Yes": None,
    "#ERROR!": None,
}


def differences(table: Table, url: str, booking_years: Iterable[str] = ("2025",)) -> list[str]:
    """How the database differs from the source, a line for each difference; empty where they are equal."""
    wanted = _wanted(table.records(), tuple(booking_years))
    with psycopg.connect(url, row_factory=dict_row) as connection:
        held = _held(connection)
        faults = _structure(connection)
    for what in wanted:
        missing = wanted[what].keys() - held[what].keys()
        extra = held[what].keys() - wanted[what].keys()
        faults += [f"{what}: {key!r} is missing" for key in sorted(missing, key=str)]
        faults += [f"{what}: {key!r} is not in the source" for key in sorted(extra, key=str)]
        faults += [
            f"{what}: {key!r} is {held[what][key]!r}, the source says {wanted[what][key]!r}"
            for key in wanted[what].keys() & held[what].keys()
            if wanted[what][key] != held[what][key]
        ]
    return faults


def text(cell: object) -> str | None:
    """What a cell says, for the kinds of cells that tests use."""
    if isinstance(cell, list):
        return ", ".join(part for part in map(text, cell) if part) or None
    if cell is True:
        return "Yes"
    if cell is None or cell is False or isinstance(cell, dict):
        return None
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    clean = str(cell).replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return clean.strip() or None


def _first(cell: object) -> str | None:
    if isinstance(cell, list):
        return next((part for part in map(text, cell) if part), None)
    return text(cell)


def _wanted(records: Iterable[Record], booking_years: tuple[str, ...]) -> dict[str, dict[Any, Any]]:
    wanted: dict[str, dict[Any, Any]] = {"conversations": {}, "bookings": {}, "leads": {}, "rejected": {}}
    contacts: dict[str, list[tuple[datetime, bytes, Record]]] = {}
    for record in records:
        cells = record.cells
        clinic, user = _first(cells.get("Clinic")), text(cells.get("User ID"))
        reason = _reason(clinic, user, _first(cells.get("Automation")))
        if reason:
            wanted["rejected"][record.id] = (reason, _jsonb(dict(cells)))
            continue
        assert clinic is not None
        assert user is not None
        moment, status = _moment(record)
        booking = text(cells.get("Booking"))
        counts = booking is not None and any(year in booking for year in booking_years)
        contacts.setdefault(user, []).append((moment, record.id.encode(), record))
        wanted["conversations"][record.id] = {
            "clinic": _key(clinic),
            "automation": _key(_first(cells.get("Automation")) or "Website Chatbot"),
            "user": user,
            "occurred_at": moment,
            "date_status": status,
            "local": (moment.astimezone(ZONE).date(), moment.astimezone(ZONE).hour),
            "engaged": _yes(cells.get("Engaged")),
            "lead_created": _yes(cells.get("Lead Created")),
            "booked": counts,
            "other_booking_text": None if counts else booking,
            "contact": tuple(text(cells.get(name)) for name in ("Name", "Email", "Phone")),
        }
        if counts and booking:
            meant = DATES[booking]
            wanted["bookings"][record.id] = (booking, meant and meant.astimezone(UTC))
        if _yes(cells.get("Lead Created")):
            wanted["leads"][record.id] = "chatbot"
    wanted["customers"] = {user: _latest(found) for user, found in contacts.items()}
    return wanted


def _latest(found: list[tuple[datetime, bytes, Record]]) -> tuple[str | None, ...]:
    """Each of the three: the last one that is filled."""
    ordered = [record for _, _, record in sorted(found, key=lambda one: one[:2])]
    latest = []
    for name in ("Name", "Email", "Phone"):
        said = [text(record.cells.get(name)) for record in ordered]
        latest.append(next((value for value in reversed(said) if value), None))
    return tuple(latest)


def _reason(clinic: str | None, user: str | None, automation: str | None) -> str | None:
    if clinic is None:
        return "missing_clinic"
    if user is None:
        return "missing_user_id"
    longest = max(len(" ".join(clinic.split())), len(user), len(" ".join((automation or "").split())))
    return "too_long" if longest > 500 else None


def _moment(record: Record) -> tuple[datetime, str]:
    written = text(record.cells.get("Conversation Date"))
    if written is None:
        return record.created_at, "absent"
    meant = DATES[written] if written in DATES else datetime.fromisoformat(written)
    return (meant.astimezone(UTC), "read") if meant else (record.created_at, "unreadable")


def _yes(cell: object) -> bool:
    return (text(cell) or "").lower() == "yes"


def _key(name: str) -> str:
    return " ".join(name.split()).casefold()


def _jsonb(value: object) -> object:
    """A cell as `jsonb` can hold it."""
    if isinstance(value, dict):
        return {key: _jsonb(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_jsonb(part) for part in value]
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, float) and value.is_integer() and abs(value) >= 2**63:
        return str(int(value))
    return value


def _held(connection: psycopg.Connection[dict[str, Any]]) -> dict[str, dict[Any, Any]]:
    conversations = connection.execute("""
        SELECT c.*, cl.name_key AS clinic, a.name_key AS automation, cu.external_id AS user_id
        FROM conversations c
        JOIN locations l ON l.id = c.location_id JOIN clients cl ON cl.id = l.client_id
        JOIN automations a ON a.id = c.automation_id JOIN customers cu ON cu.id = c.customer_id
        WHERE c.deleted_at IS NULL
    """).fetchall()
    live = {row["customer_id"] for row in conversations}
    return {
        "conversations": {
            row["external_id"]: {
                "clinic": row["clinic"],
                "automation": row["automation"],
                "user": row["user_id"],
                "occurred_at": row["occurred_at"],
                "date_status": row["date_status"],
                "local": (row["local_date"], row["local_hour"]),
                "engaged": row["engaged"],
                "lead_created": row["lead_created"],
                "booked": row["booked"],
                "other_booking_text": row["other_booking_text"],
                "contact": (row["contact_name"], row["contact_email"], row["contact_phone"]),
            }
            for row in conversations
        },
        "bookings": {
            row["external_id"]: (row["raw_text"], row["booked_for"])
            for row in connection.execute(
                "SELECT * FROM bookings b JOIN conversations c ON c.id = b.conversation_id"
            )
        },
        "leads": {
            row["external_id"]: row["source"]
            for row in connection.execute(
                "SELECT * FROM leads l JOIN conversations c ON c.id = l.conversation_id"
            )
        },
        "rejected": {
            row["external_id"]: (row["reason"], row["cells"])
            for row in connection.execute("SELECT * FROM rejected_records WHERE resolved_at IS NULL")
        },
        "customers": {
            row["external_id"]: (row["name"], row["email"], row["phone"])
            for row in connection.execute("SELECT * FROM customers")
            if row["id"] in live or any((row["name"], row["email"], row["phone"]))
        },
    }


def _structure(connection: psycopg.Connection[dict[str, Any]]) -> list[str]:
    """What must hold inside the database whatever the source says."""
    checks = {
        "a location is not named as its client": """
            SELECT l.id FROM locations l JOIN clients c ON c.id = l.client_id WHERE l.name <> c.name""",
        "a client has not one location": """
            SELECT c.id FROM clients c LEFT JOIN locations l ON l.client_id = c.id
            GROUP BY c.id HAVING count(l.id) <> 1""",
        "a location lacks an automation": """
            SELECT l.id FROM locations l CROSS JOIN automations a
            WHERE NOT EXISTS (SELECT FROM location_automations x
                              WHERE x.location_id = l.id AND x.automation_id = a.id)""",
        "a deleted conversation kept a booking or lead": """
            SELECT c.id FROM conversations c
            WHERE deleted_at IS NOT NULL AND (EXISTS (SELECT FROM bookings WHERE conversation_id = c.id)
                                              OR EXISTS (SELECT FROM leads WHERE conversation_id = c.id))""",
        "a deleted conversation kept contact data": """
            SELECT id FROM conversations
            WHERE deleted_at IS NOT NULL
              AND coalesce(contact_name, contact_email, contact_phone) IS NOT NULL""",
        "a resolved rejection kept cells": """
            SELECT id FROM rejected_records WHERE resolved_at IS NOT NULL AND cells IS NOT NULL""",
    }
    return [fault for fault, query in checks.items() if connection.execute(query.encode()).fetchall()]
