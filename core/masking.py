"""Contact data as pages may show them: enough to recognise, too little to use (spec, section 9). Pure."""

import re
from collections.abc import Callable, Mapping

from core import text
from core.records import Column

HIDDEN = "***"
LONGEST = 80
# Inside other text: an address, and seven digits or more with no more than a mark between two of them.
ADDRESS = re.compile(r"[^\s@]+@[^\s@]+")
NUMBER = re.compile(r"\+?\d(?:[\s().\u2010-\u2013-]{0,2}\d){6,}")
# What of an address is shown, with the mark that ends a clause; whatever else follows it is somebody's.
HOST = re.compile(r"[\w.-]+[^\w\s]?")
SHORT = 4
# What a date and its time are written with; nothing else of a date's cell is shown.
_MONTH = r"(?:jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)[a-z]*\.?"
_DAY = r"\d{1,2}(?:st|nd|rd|th)?"
DATED = re.compile(
    rf"""
    \d{{4}}-\d\d-\d\d(?:T(?=\d))? | \d{{1,2}}/\d{{1,2}}/\d{{4}} | {_DAY}\s+{_MONTH} | {_MONTH}\s+{_DAY}
    | \d{{1,2}}(?::\d\d){{1,2}}(?:\.\d+)? | \d{{1,2}}\s*(?=[ap]\.?m\b) | \b(?:19|20)\d\d\b | [ap]\.?m\b\.?
    | \b(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?\b | \bat\b | [+-]\d\d:?\d\d\b
    | (?:\b|(?<=\d))(?:utc|gmt|z|[ecmp][sd]?t)\b | [\s,.-]
    """,
    re.IGNORECASE | re.VERBOSE,
)
FLAGS = frozenset({"yes", "no", "true", "false"})


def email(value: str) -> str:
    """`a***@example.com`; text that goes on behind its host, or is none, is hidden like a name."""
    local, at, host = value.rpartition("@")
    return f"{local[:1]}{HIDDEN}@{host}" if at and local and HOST.fullmatch(host) else name(value)


def phone(value: str) -> str:
    """`***34`: the last two digits."""
    digits = re.sub(r"\D", "", value)
    return f"{HIDDEN}{digits[-2:]}" if len(digits) > SHORT else HIDDEN


def name(value: str) -> str:
    """`A*** S***`: the initials."""
    return " ".join(f"{word[0]}{HIDDEN}" for word in value.split()) or HIDDEN


def identifier(value: str) -> str:
    """`us***`: the beginning, where enough is left to hide."""
    return email(value) if "@" in value else f"{value[:2]}{HIDDEN}" if len(value) > SHORT else HIDDEN


def wording(value: str) -> str:
    """Text as it is, cut short, with what looks like an address or a telephone number hidden."""
    told = NUMBER.sub(HIDDEN, ADDRESS.sub(lambda found: email(found.group()), value))
    return told if len(told) <= LONGEST else f"{told[: LONGEST - 1]}…"


def moment(value: str) -> str:
    """A moment as it is written; a cell with anything else in it is hidden like a name."""
    return value[:LONGEST] if not DATED.sub("", value) else name(value)


def flag(value: str) -> str:
    """Yes or no as it is written; people write other things into such cells too."""
    return value if value.casefold() in FLAGS else name(value)


MASKS: Mapping[Column, Callable[[str], str]] = {
    Column.CLINIC: wording,
    Column.USER_ID: identifier,
    Column.NAME: name,
    Column.EMAIL: email,
    Column.PHONE: phone,
    Column.AUTOMATION: wording,
    Column.CONVERSATION_DATE: moment,
    Column.ENGAGED: flag,
    Column.LEAD_CREATED: flag,
    # People write into it whatever they were told.
    Column.BOOKING: name,
}


def cells(
    kept: Mapping[str, object] | None, columns: Mapping[Column, str], *, masked: bool = True
) -> dict[str, str]:
    """A rejected record's cells by their outside names, as text; blank ones are left out."""
    told = {column: text.whole((kept or {}).get(outside)) for column, outside in columns.items()}
    return {
        columns[column]: MASKS[column](value) if masked else value for column, value in told.items() if value
    }
