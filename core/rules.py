"""The rules: one Airtable record in, one row or a rejection out (spec, section 2)."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from types import MappingProxyType
from typing import NamedTuple
from zoneinfo import ZoneInfo

from core import text
from core.dates import read_moment
from core.records import Column, DateStatus, Decision, Reason, Rejection, Row

RULES_VERSION = 1
"""Part of each import's fingerprint: raise it with any change of what a record becomes."""

DEFAULT_AUTOMATION = "Website Chatbot"
SEEDED_AUTOMATIONS = (
    DEFAULT_AUTOMATION,
    "Missed Call Text Back",
    "SMS Follow-up",
    "Reactivation Campaign",
    "Facebook Messenger",
)

_LONGEST_NAME = 500
_CACHED_NAMES = 4096
# Within these years every zone can show a moment.
_PLAIN_YEARS = range(2, 9999)
_UTC = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class Ruleset:
    """What the rules take from the settings."""

    columns: Mapping[Column, str]
    """Inside to outside name; a column that is switched off is absent."""
    booking_years: tuple[str, ...]
    timezone: ZoneInfo


@lru_cache(maxsize=_CACHED_NAMES)
def name_key(name: str) -> str:
    """What all spellings of one clinic's or automation's name have in common."""
    return text.folded(name).casefold()


def decide(raw: object, ruleset: Ruleset) -> Decision:
    """What becomes of one element of a page's `records`, any JSON whatever. Raises nothing."""
    record = _well_formed(raw, ruleset.timezone)
    if record is None:
        return Rejection(_external_id(raw), Reason.MALFORMED_RECORD, _kept_cells(raw, ruleset))
    texts = _texts(record.cells, ruleset)
    fault = _fault(texts)
    if fault is not None:
        return Rejection(record.external_id, fault, _kept_cells(raw, ruleset))
    return _row(record, texts, ruleset)


def quarantined(raw: object, ruleset: Ruleset) -> Rejection:
    """The rejection of a record that PostgreSQL cannot take (spec, section 3: batches)."""
    return Rejection(_external_id(raw), Reason.DATABASE_ERROR, _kept_cells(raw, ruleset))


def _name(cell: object) -> str | None:
    """A name that is compared: the cell's first part, its inner white space folded."""
    part = text.first(cell)
    return part and text.folded(part)


_READERS: Mapping[Column, Callable[[object], str | None]] = MappingProxyType(
    dict.fromkeys(Column, text.whole) | {Column.CLINIC: _name, Column.AUTOMATION: _name}
)

_Texts = Mapping[Column, str | None]
"""What the cells read as; a cell that is not there is absent."""


class _Record(NamedTuple):
    """A well-formed record; `created` is a moment that the ruleset's zone can show."""

    external_id: str
    created: datetime
    cells: Mapping[str, object]


def _well_formed(raw: object, timezone: ZoneInfo) -> _Record | None:
    """The record's parts; None unless it has a usable id, a readable `createdTime` and `fields`."""
    if not isinstance(raw, dict):
        return None
    external_id, created, cells = _usable_id(raw), raw.get("createdTime"), raw.get("fields")
    if external_id is None or not isinstance(created, str) or not isinstance(cells, dict):
        return None
    moment = read_moment(created, _UTC)
    return _Record(external_id, moment, cells) if moment and _is_shown(moment, timezone) else None


def _usable_id(raw: Mapping[str, object]) -> str | None:
    """The record's id where the tables can hold and find it again."""
    external_id = raw.get("id")
    if not isinstance(external_id, str) or not 0 < len(external_id) <= _LONGEST_NAME:
        return None
    return external_id if text.clean(external_id) == external_id else None


def _external_id(raw: object) -> str:
    """The record's id, or one made of its content: the same at each import until the record changes."""
    usable = _usable_id(raw) if isinstance(raw, dict) else None
    if usable is not None:
        return usable
    canonical = json.dumps(text.storable(raw), sort_keys=True)
    return f"malformed:{sha256(canonical.encode()).hexdigest()}"


def _kept_cells(raw: object, ruleset: Ruleset) -> dict[str, object]:
    """The record's cells by outside name, as `jsonb` takes them; no other cell is kept."""
    cells = raw.get("fields") if isinstance(raw, dict) else None
    if not isinstance(cells, dict):
        return {}
    names = [name for name in ruleset.columns.values() if name in cells]
    return {text.clean(name): text.storable(cells[name]) for name in names}


def _texts(cells: Mapping[str, object], ruleset: Ruleset) -> _Texts:
    return {
        column: _READERS[column](cell)
        for column, name in ruleset.columns.items()
        if (cell := cells.get(name)) is not None
    }


def _fault(texts: _Texts) -> Reason | None:
    """The first reason for which these texts cannot become a row."""
    clinic, user_id = texts.get(Column.CLINIC), texts.get(Column.USER_ID)
    if not clinic:
        return Reason.MISSING_CLINIC
    if not user_id:
        return Reason.MISSING_USER_ID
    longest = max(len(clinic), len(user_id), len(texts.get(Column.AUTOMATION) or ""))
    return Reason.TOO_LONG if longest > _LONGEST_NAME else None


def _row(record: _Record, texts: _Texts, ruleset: Ruleset) -> Row:
    clinic, user_id = texts[Column.CLINIC] or "", texts[Column.USER_ID] or ""
    automation = texts.get(Column.AUTOMATION) or DEFAULT_AUTOMATION
    occurred_at, date_status = _occurred_at(record, texts, ruleset.timezone)
    local = occurred_at.astimezone(ruleset.timezone)
    booking = texts.get(Column.BOOKING)
    is_booking = booking is not None and any(year in booking for year in ruleset.booking_years)
    return Row(
        external_id=record.external_id,
        clinic=clinic,
        clinic_key=name_key(clinic),
        automation=automation,
        automation_key=name_key(automation),
        user_id=user_id,
        name=texts.get(Column.NAME),
        email=texts.get(Column.EMAIL),
        phone=texts.get(Column.PHONE),
        occurred_at=occurred_at,
        date_status=date_status,
        local_date=local.date(),
        local_hour=local.hour,
        engaged=_is_yes(texts.get(Column.ENGAGED)),
        lead_created=_is_yes(texts.get(Column.LEAD_CREATED)),
        booking_text=booking if is_booking else None,
        booked_for=_moment(booking, ruleset.timezone) if is_booking else None,
        other_booking_text=None if is_booking else booking,
    )


def _occurred_at(record: _Record, texts: _Texts, timezone: ZoneInfo) -> tuple[datetime, DateStatus]:
    """When the conversation took place, in UTC, and how that is known."""
    written = texts.get(Column.CONVERSATION_DATE)
    if written is None:
        return record.created, DateStatus.ABSENT
    moment = _moment(written, timezone)
    return (moment, DateStatus.READ) if moment else (record.created, DateStatus.UNREADABLE)


def _moment(written: str | None, timezone: ZoneInfo) -> datetime | None:
    """The moment that a cell states, in UTC; None also where the zone cannot show it."""
    moment = read_moment(written or "", timezone)
    return moment if moment and _is_shown(moment, timezone) else None


def _is_shown(moment: datetime, timezone: ZoneInfo) -> bool:
    """Whether the zone can show the moment: not where that lies outside the years 1 to 9999."""
    if moment.year in _PLAIN_YEARS:
        return True
    try:
        moment.astimezone(timezone)
    except OverflowError:
        return False
    return True


def _is_yes(written: str | None) -> bool:
    return written is not None and written.casefold() == "yes"
