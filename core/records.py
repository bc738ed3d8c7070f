"""What travels: one conversation on its way from a source's cells to the tables."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple


class Column(StrEnum):
    """The source's columns: inside name, and outside name unless a variable renames it (spec, section 1)."""

    CLINIC = "Clinic"
    USER_ID = "User ID"
    NAME = "Name"
    EMAIL = "Email"
    PHONE = "Phone"
    AUTOMATION = "Automation"
    CONVERSATION_DATE = "Conversation Date"
    ENGAGED = "Engaged"
    LEAD_CREATED = "Lead Created"
    BOOKING = "Booking"


REQUIRED_COLUMNS = frozenset({Column.CLINIC, Column.USER_ID})


class Reason(StrEnum):
    """Why a record was rejected (spec, section 2)."""

    MISSING_CLINIC = "missing_clinic"
    MISSING_USER_ID = "missing_user_id"
    TOO_LONG = "too_long"
    MALFORMED_RECORD = "malformed_record"
    DATABASE_ERROR = "database_error"


class DateStatus(StrEnum):
    """Where a conversation's moment came from: its own cell, or `createdTime` and why."""

    READ = "read"
    ABSENT = "absent"
    UNREADABLE = "unreadable"


class Outcome(StrEnum):
    """What an import made of one record; together they are `processed`."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    REJECTED = "rejected"


class Row(NamedTuple):
    """One conversation as the tables hold it; all text is safe for PostgreSQL."""

    external_id: str
    clinic: str
    clinic_key: str
    automation: str
    automation_key: str
    user_id: str
    name: str | None
    email: str | None
    phone: str | None
    occurred_at: datetime
    """Aware, in UTC."""
    date_status: DateStatus
    local_date: date
    """The day of `occurred_at` in `TIMEZONE`, on which every figure counts it."""
    local_hour: int
    engaged: bool
    lead_created: bool
    booking_text: str | None
    """The Booking cell where it makes a booking (contains one of `BOOKING_YEARS`)."""
    booked_for: datetime | None
    """Aware, in UTC; null where `booking_text` cannot be read as a moment."""
    other_booking_text: str | None
    """The Booking cell where it is filled and makes no booking."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """A record that cannot become a row, with its cells made safe for `jsonb`."""

    external_id: str
    reason: Reason
    cells: dict[str, object]


Decision = Row | Rejection
