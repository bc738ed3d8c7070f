"""The date rule: which moment a text that a person or a program wrote stands for (spec, section 2).

Parsers of dates guess: they fill in what is missing, swap day and month where the month is impossible, take a
range for one moment and `GMT-5` for its opposite. Here a text is cut into tokens, none of which may be left
over, their order must be one that dates are written in, and what they say is the moment.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from functools import lru_cache
from types import MappingProxyType
from zoneinfo import ZoneInfo

_LONGEST_TEXT = 200
_CACHED_TEXTS = 4096
# By their first three letters, which all spellings below share.
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

# No offset where a space stands for the `T`: `10:00-11:00` may be a range there, which `_is_plain` weighs.
_HOUR = r"(?:[01]\d|2[0-3])"
_SHIFT = r"[+-](?:0\d|1[0-4])"
_CLOCK = rf"{_HOUR}:[0-5]\d(?::[0-5]\d(?:\.\d{{1,9}})?)?"
_ISO = re.compile(
    rf"\d{{4}}-\d\d-\d\d(?:T{_CLOCK}(?:Z|{_SHIFT}(?::?[0-5]\d)?)?|[ ]{_CLOCK})?"
    rf"|\d{{8}}(?:T{_HOUR}[0-5]\d(?:[0-5]\d)?(?:Z|{_SHIFT}(?:[0-5]\d)?)?)?",
    re.ASCII,
)

_FIXED_ZONES: Mapping[str, int] = MappingProxyType(
    {"Z": 0, "UTC": 0, "GMT": 0}
    | {"EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7}
    | {"AKST": -9, "AKDT": -8, "HST": -10}
)
_SAVING_ZONES: Mapping[str, ZoneInfo] = MappingProxyType(
    {
        "ET": ZoneInfo("America/New_York"),
        "CT": ZoneInfo("America/Chicago"),
        "MT": ZoneInfo("America/Denver"),
        "PT": ZoneInfo("America/Los_Angeles"),
    }
)
_OFFSET = re.compile(r"(?:UTC|GMT)?([+-])(\d{1,2}?)(?::?([0-5]\d))?", re.ASCII)

# A dash is glued on both sides or spaced on both, and never glued before a time: a sign is no filler.
# Beside a month's name a year below 100 is more likely two digits after zeros than that year.
_TOKEN = re.compile(
    rf"""
      (?P<time>
        (?<!-)(?P<hour>\d{{1,2}}) (?= : | [ ]?[ap]\.?m )
        (?: :(?P<minute>\d\d) (?: :(?P<second>\d\d(?:\.\d{{1,9}})?) )? )? (?![:\d])
        (?: [ ]?(?P<half>[ap])(?:m|\.m\.?)(?![a-z]) )?
        (?: [ ]?(?P<zone> (?:UTC|GMT)[+-]\d{{1,2}}(?::\d\d)? (?![:\d])
                        | (?:UTC|GMT)[+-]\d{{4}} (?![:\d])
                        | {_SHIFT}(?::?[0-5]\d)? (?![:\d])
                        | \(?(?:{"|".join([*_FIXED_ZONES, *_SAVING_ZONES])})\)? (?![a-z+-]) )
            (?: [ ]\([a-z ]+\) )? )?
      )
    | (?P<numeric>
        (?: \d{{1,2}}(?P<bar>[-/.])\d{{1,2}}(?P=bar)\d{{4}} | \d{{4}}(?P<rod>[-/.])\d{{1,2}}(?P=rod)\d{{1,2}}
          | \d{{8}} ) (?!\d)
      )
    | (?P<year>(?!00)\d{{4}}) (?!\d)
    | (?P<day>\d{{1,2}}) (?:st|nd|rd|th)? (?!\d)
    | (?P<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?
        |sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?) (?![a-z])
    | \(?(?P<weekday>mon(?:day)?|tue(?:s(?:day)?)?|wed(?:nesday)?|thu(?:rs?(?:day)?)?|fri(?:day)?
        |sat(?:urday)?|sun(?:day)?) (?![a-z]) \)?
    | (?P<filler>[ ,.] | (?<=[ ])[-/](?=[ ]) | (?<=[a-z\d])[-/](?=[a-z\d]) | (?<=.)@(?=.)
        | (?:at|on|of|the)(?=[ ]) | (?<=\d)t(?=\d) )
    """,
    re.ASCII | re.IGNORECASE | re.VERBOSE,
)

# A weekday never stands inside a date: `2nd Sunday of March 2025` is another day than 2 March 2025.
_LAYOUTS = re.compile(
    r"(?:time )?(?:weekday )?(?:time )?(?:numeric|month day year|day month year|year month day)"
    r"(?: time)?(?: weekday)?(?: time)?|(?:weekday )?month day time year"
)


def read_moment(text: str, timezone: ZoneInfo) -> datetime | None:
    """The one moment that the text states, aware and in UTC; None where it states none or leaves a choice.

    Day, month and a year of four digits must stand in the text, numbers month first (or ISO). A date alone is
    midnight; `timezone` holds where the text names no zone. A local time that a clock change repeats is its
    first one, and one that it skips is as much later. Raises nothing.
    """
    if len(text) > _LONGEST_TEXT:
        return None
    try:
        if not _ISO.fullmatch(text):
            return _read(" ".join(text.split()), timezone)
        return _in_utc(datetime.fromisoformat(text), timezone)
    except (ValueError, OverflowError):  # a day or time that does not exist, or lies outside years 1 to 9999
        return None


def _in_utc(moment: datetime, timezone: ZoneInfo) -> datetime:
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone)).astimezone(UTC)


@lru_cache(maxsize=_CACHED_TEXTS)
def _read(text: str, timezone: ZoneInfo) -> datetime | None:
    moment = datetime.fromisoformat(text) if _ISO.fullmatch(text) else _read_tokens(text)
    return moment and _in_utc(moment, timezone)


def _read_tokens(text: str) -> datetime | None:
    """The moment that the tokens state, aware where they name a zone. ValueError where no such day exists."""
    tokens = _tokens(text)
    kinds = [str(token.lastgroup) for token in tokens]
    if not _LAYOUTS.fullmatch(" ".join(kinds)) or kinds.count("time") > 1 or kinds.count("weekday") > 1:
        return None
    found = dict(zip(kinds, tokens, strict=True))
    stated = found.get("time")
    if stated and not _is_plain(stated):
        return None
    moment = datetime.combine(_date(found), _time(stated))
    if not _falls_on(moment, found.get("weekday")):
        return None
    return moment.replace(tzinfo=_zone(stated["zone"])) if stated and stated["zone"] else moment


def _tokens(text: str) -> Sequence[re.Match[str]]:
    """The text's tokens without its fillers; none where a piece of it is no token."""
    tokens, position = [], 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            return ()
        if token.lastgroup != "filler":
            tokens.append(token)
        position = token.end()
    return tokens


def _date(found: Mapping[str, re.Match[str]]) -> date:
    """The date that stands in the text. ValueError where there is no such day."""
    numeric = found.get("numeric")
    if numeric:
        return date(*_numbers(numeric["numeric"]))
    year, month, day = (found[kind][kind] for kind in ("year", "month", "day"))
    return date(int(year), _MONTHS.index(month[:3].lower()) + 1, int(day))


def _numbers(text: str) -> tuple[int, int, int]:
    """Year, month and day of a date in digits: year first, or month first and the year last."""
    if text.isdigit():
        return int(text[:4]), int(text[4:6]), int(text[6:])
    one, two, three = (int(number) for number in re.split(r"[-/.]", text))
    return (one, two, three) if text[:4].isdigit() else (three, one, two)


def _time(stated: re.Match[str] | None) -> time:
    """The time of day alone, without its zone; midnight where the text has none. ValueError as `_date`."""
    if stated is None:
        return time()
    hour = int(stated["hour"])
    if stated["half"]:
        hour = hour % 12 + 12 * (stated["half"].lower() == "p")
    second, _, fraction = (stated["second"] or "0").partition(".")
    return time(hour, int(stated["minute"] or 0), int(second), int(f"{fraction:0<6.6}"))


def _is_plain(stated: re.Match[str]) -> bool:
    """Whether the time can be read in one way only.

    `14:30 PM` and `0:30 PM` contradict themselves. In `10:00-11:00` the offset may as well be a range's end,
    unless seconds stand before it, it is written `-1100`, or a range would end before it begins.
    """
    if stated["half"] and not 1 <= int(stated["hour"]) <= 12:  # noqa: PLR2004 - the twelve-hour clock
        return False
    offset = stated["zone"] or ""
    if stated["second"] or not offset.startswith(("+", "-")):
        return True
    may_be_end = offset.startswith("-") and ":" in offset
    follows = offset[1:] > f"{stated['hour']:0>2}:{stated['minute']}"
    return len(offset) > len("+05") and not (may_be_end and (stated["half"] or follows))


def _falls_on(moment: datetime, weekday: re.Match[str] | None) -> bool:
    """Whether the date falls on the weekday that the text names, if it names one."""
    return weekday is None or moment.weekday() == _WEEKDAYS.index(weekday["weekday"][:3].lower())


def _zone(zone: str) -> tzinfo:
    """The zone of a name or an offset that `_TOKEN` accepted; `GMT-5` is behind GMT, as people mean it."""
    name = zone.strip("()").upper()
    if name in _SAVING_ZONES:
        return _SAVING_ZONES[name]
    offset = _OFFSET.fullmatch(name)
    if offset is None:
        return timezone(timedelta(hours=_FIXED_ZONES[name]))
    shift = timedelta(hours=int(offset[2]), minutes=int(offset[3] or 0))
    return timezone(-shift if offset[1] == "-" else shift)
