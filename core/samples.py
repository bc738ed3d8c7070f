"""Sample records with what the rules must make of each, so that anybody can ask the installed product.

Each sample names only what sets it apart from one plain record; what is expected is written by hand.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import TypedDict
from zoneinfo import ZoneInfo

from core.records import Column, Decision, Rejection
from core.rules import Ruleset, decide

_RULESET = Ruleset(
    columns=MappingProxyType({column: str(column) for column in Column}),
    booking_years=("2025",),
    timezone=ZoneInfo("America/New_York"),
)
_CREATED = "2025-01-15T12:00:00.000Z"
_PLAIN_CELLS: Mapping[str, object] = MappingProxyType(
    {"Clinic": "Spine Center", "User ID": "user-1", "Conversation Date": "2025-03-14T14:30:00.000Z"}
)
_PLAIN_ROW: Mapping[str, object] = MappingProxyType(
    {
        "status": "row",
        "clinic": "Spine Center",
        "automation": "Website Chatbot",
        "userId": "user-1",
        "name": None,
        "email": None,
        "phone": None,
        "occurredAt": "2025-03-14T14:30:00Z",
        "dateStatus": "read",
        "localDate": "2025-03-14",
        "localHour": 10,
        "engaged": False,
        "leadCreated": False,
        "bookingText": None,
        "bookedFor": None,
        "otherBookingText": None,
    }
)

_MIDNIGHT: Mapping[str, object] = MappingProxyType({"occurredAt": "2025-03-14T04:00:00Z", "localHour": 0})
_AFTERNOON: Mapping[str, object] = MappingProxyType({"occurredAt": "2025-03-14T18:30:00Z", "localHour": 14})
_UNREADABLE: Mapping[str, object] = MappingProxyType(
    {
        "occurredAt": "2025-01-15T12:00:00Z",
        "dateStatus": "unreadable",
        "localDate": "2025-01-15",
        "localHour": 7,
    }
)


class SampleResult(TypedDict):
    """One sample as the API shows it (spec, section 6)."""

    name: str
    cells: dict[str, object]
    expected: dict[str, object]
    result: dict[str, object]
    ok: bool


@dataclass(frozen=True, slots=True)
class _Sample:
    name: str
    cells: Mapping[str, object] = field(default_factory=dict)
    """Cells that differ from the plain record's; None takes one away."""
    row: Mapping[str, object] = field(default_factory=dict)
    """What differs from the plain record's row."""
    rejected: str | None = None
    created: str | None = _CREATED


_SAMPLES = (
    _Sample("plain record"),
    _Sample(
        "empty cells", {"Clinic": None, "User ID": None, "Conversation Date": None}, rejected="missing_clinic"
    ),
    # Text
    _Sample("text is trimmed", {"Name": "  Ann Lee\n"}, {"name": "Ann Lee"}),
    _Sample("blank text is missing", {"Name": " \t "}),
    _Sample("NUL is removed", {"Name": "An\0n"}, {"name": "Ann"}),
    _Sample("lone surrogate is replaced", {"Name": "Ann \ud83d"}, {"name": "Ann \ufffd"}),
    _Sample("number without fraction", {"User ID": 2025.0}, {"userId": "2025"}),
    _Sample("number with fraction", {"User ID": 20.5}, {"userId": "20.5"}),
    _Sample("ticked checkbox as text", {"Name": True}, {"name": "Yes"}),
    _Sample("unticked checkbox is missing", {"Name": False}),
    _Sample("error object is missing", {"Phone": {"error": "#ERROR!"}}),
    _Sample("special value is missing", {"Phone": {"specialValue": "NaN"}}),
    _Sample(
        "list is joined",
        {"Email": ["ann@example.com", " ", "lee@example.com"]},
        {"email": "ann@example.com, lee@example.com"},
    ),
    _Sample("phone number as number", {"Phone": 15551234567}, {"phone": "15551234567"}),
    # Clinic, Automation, User ID
    _Sample("inner white space of a clinic", {"Clinic": " Spine \n  Center "}),
    _Sample("first part of a clinic", {"Clinic": ["", "Spine Center", "Back Office"]}),
    _Sample("clinic is kept as written", {"Clinic": "SPINE center"}, {"clinic": "SPINE center"}),
    _Sample("automation is folded", {"Automation": "SMS   Follow-up"}, {"automation": "SMS Follow-up"}),
    _Sample(
        "first part of an automation", {"Automation": ["Voice Agent", "Chat"]}, {"automation": "Voice Agent"}
    ),
    _Sample("blank automation", {"Automation": "  "}),
    _Sample("case of a User ID matters", {"User ID": "User-1"}, {"userId": "User-1"}),
    # Dates
    _Sample("no date", {"Conversation Date": None}, {**_UNREADABLE, "dateStatus": "absent"}),
    _Sample("ISO date alone is local midnight", {"Conversation Date": "2025-03-14"}, _MIDNIGHT),
    _Sample("American date and time", {"Conversation Date": "3/14/2025 2:30 PM"}, _AFTERNOON),
    _Sample("month in words", {"Conversation Date": "March 14, 2025"}, _MIDNIGHT),
    _Sample("day before month", {"Conversation Date": "14 March 2025"}, _MIDNIGHT),
    _Sample(
        "weekday",
        {"Conversation Date": "Friday, March 14, 2025 10:00am"},
        {"occurredAt": "2025-03-14T14:00:00Z"},
    ),
    _Sample("date at time", {"Conversation Date": "Mar 14, 2025 at 02:30 PM"}, _AFTERNOON),
    _Sample("named zone wins", {"Conversation Date": "3/14/2025 11:30 AM PT"}, _AFTERNOON),
    _Sample("offset wins", {"Conversation Date": "2025-03-14 20:30:00 +0200"}, _AFTERNOON),
    _Sample("year alone", {"Conversation Date": "2025"}, _UNREADABLE),
    _Sample("date range", {"Conversation Date": "March 14-16, 2025"}, _UNREADABLE),
    _Sample("impossible month", {"Conversation Date": "14/03/2025"}, _UNREADABLE),
    _Sample("two-digit year", {"Conversation Date": "3/14/25"}, _UNREADABLE),
    _Sample("wrong weekday", {"Conversation Date": "Monday, March 14, 2025"}, _UNREADABLE),
    _Sample("unknown zone", {"Conversation Date": "3/14/2025 2:30 PM XYZ"}, _UNREADABLE),
    # Engaged, Lead Created, Booking
    _Sample("engaged", {"Engaged": "Yes"}, {"engaged": True}),
    _Sample("engaged in capitals", {"Engaged": " YES "}, {"engaged": True}),
    _Sample("lead as checkbox", {"Lead Created": True}, {"leadCreated": True}),
    _Sample("anything else is no", {"Engaged": "Yes, maybe", "Lead Created": "No"}),
    _Sample(
        "booking with its moment",
        {"Booking": "March 20, 2025 at 9:00 AM"},
        {"bookingText": "March 20, 2025 at 9:00 AM", "bookedFor": "2025-03-20T13:00:00Z"},
    ),
    _Sample("booking without a moment", {"Booking": "call in 2025"}, {"bookingText": "call in 2025"}),
    _Sample("booking as number", {"Booking": 2025.0}, {"bookingText": "2025"}),
    _Sample("booking of another year", {"Booking": "3/20/2024"}, {"otherBookingText": "3/20/2024"}),
    # Rejected
    _Sample("no clinic", {"Clinic": " "}, rejected="missing_clinic"),
    _Sample("no User ID", {"User ID": [False, ""]}, rejected="missing_user_id"),
    _Sample("clinic of 500 characters", {"Clinic": "c" * 500}, {"clinic": "c" * 500}),
    _Sample("clinic of 501 characters", {"Clinic": "c" * 501}, rejected="too_long"),
    _Sample("automation of 501 characters", {"Automation": "a" * 501}, rejected="too_long"),
    _Sample("User ID of 501 characters", {"User ID": "u" * 501}, rejected="too_long"),
    _Sample("no createdTime", rejected="malformed_record", created=None),
)


def check() -> list[SampleResult]:
    """What the rules make of each sample, beside what they must make of it; ready for JSON."""
    return [_check(sample) for sample in _SAMPLES]


def as_json(decision: Decision) -> dict[str, object]:
    """A decision as the API and the rule tester show it: a row's fields, or the reason of a rejection."""
    if isinstance(decision, Rejection):
        return {"status": "rejected", "reason": str(decision.reason)}
    return {
        "status": "row",
        "clinic": decision.clinic,
        "automation": decision.automation,
        "userId": decision.user_id,
        "name": decision.name,
        "email": decision.email,
        "phone": decision.phone,
        "occurredAt": _moment(decision.occurred_at),
        "dateStatus": str(decision.date_status),
        "localDate": decision.local_date.isoformat(),
        "localHour": decision.local_hour,
        "engaged": decision.engaged,
        "leadCreated": decision.lead_created,
        "bookingText": decision.booking_text,
        "bookedFor": _moment(decision.booked_for),
        "otherBookingText": decision.other_booking_text,
    }


def _check(sample: _Sample) -> SampleResult:
    changed = {**_PLAIN_CELLS, **sample.cells}
    cells = {name: cell for name, cell in changed.items() if cell is not None}
    record = {"id": "recSample", "createdTime": sample.created, "fields": cells}
    expected = _expected(sample)
    result = as_json(decide(record, _RULESET))
    shown = {name: _shown(cell) for name, cell in cells.items()}
    return SampleResult(
        name=sample.name, cells=shown, expected=expected, result=result, ok=result == expected
    )


def _expected(sample: _Sample) -> dict[str, object]:
    if sample.rejected is not None:
        return {"status": "rejected", "reason": sample.rejected}
    return {**_PLAIN_ROW, **sample.row}


def _shown(cell: object) -> object:
    """The cell as JSON can carry it: a lone surrogate, which UTF-8 has no bytes for, as its escape."""
    return cell.encode(errors="backslashreplace").decode() if isinstance(cell, str) else cell


def _moment(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None
