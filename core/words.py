"""Figures, moments and spans as people read them: pure, the same on every page."""

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from core.periods import Period, Unit
from core.rates import percent

NOTHING = "–"
MINUS = "−"
MIDNIGHT = time()
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
SHORTEST, MINUTE, HOUR, DAY = 0.1, 60, 3600, 86400
UNITS = ((DAY, "day"), (HOUR, "hour"), (MINUTE, "minute"))
MARKDOWN = frozenset("\\`*_{}[]<>()#+-.!|~$:&\"'")


def number(count: int | None) -> str:
    """A count with its thousands separated."""
    return NOTHING if count is None else f"{count:,}"


def counted(count: int, what: str, several: str | None = None) -> str:
    """A count with what is counted, `1 record`, `20,077 records`."""
    return f"{number(count)} {what if count == 1 else several or f'{what}s'}"


def rate(count: int, of: int, places: int = 1) -> str:
    """A rate, `15.6 %`; a dash over nothing."""
    return f"{percent(count, of, places):.{places}f} %" if of else NOTHING


def share(count: int, of: int) -> str:
    """The counts behind a rate, `3,122 of 20,077`."""
    return f"{number(count)} of {number(of)}"


def signed(value: float, places: int = 0) -> str:
    """A difference with its sign, `+12` or `−3`; zero has none."""
    rounded = round(value, places)
    sign = "+" if rounded > 0 else MINUS if rounded < 0 else ""
    return f"{sign}{abs(rounded):,.{places}f}"


def change(now: int, then: int) -> str | None:
    """How a count changed, `+12.5 %`; null where there was nothing to change from."""
    return f"{signed(percent(now - then, then, 1), 1)} %" if then else None


def points(count: int, of: int, then: int, of_then: int) -> str:
    """How a rate changed from `then` ÷ `of_then`, in points of a percent, `−0.1`; rounded once."""
    return signed(percent(count * of_then - then * of, of * of_then, 1), 1)


def day(value: date) -> str:
    """`24 Nov 2026`."""
    return f"{value.day} {value:%b} {value.year:04d}"


def booked_for(value: datetime | None, zone: ZoneInfo) -> str:
    """When a booking is for: a date alone, stored as its midnight (spec, section 2), is told as a date."""
    local = value.astimezone(zone) if value else None
    return day(local) if local and local.time() == MIDNIGHT else moment(value, zone)


def moment(value: datetime | None, zone: ZoneInfo) -> str:
    """`24 Nov 2026, 06:00 EST`: in a zone, which is named."""
    if value is None:
        return NOTHING
    local = value.astimezone(zone)
    return f"{day(local)}, {local:%H:%M} {zone_name(local)}"


def soon(value: datetime | None, now: datetime, zone: ZoneInfo) -> str:
    """A moment near now, `today 18:00 EST`; of the same year without it, `29 Nov, 04:00 EST`."""
    if value is None:
        return NOTHING
    local, today = value.astimezone(zone), now.astimezone(zone).date()
    near = {today: "today", today + timedelta(days=1): "tomorrow", today - timedelta(days=1): "yesterday"}
    named = near.get(local.date())
    if named:
        return f"{named} {local:%H:%M} {zone_name(local)}"
    told = moment(value, zone)
    return told.replace(f" {local.year:04d},", ",") if local.year == today.year else told


def zone_name(local: datetime) -> str:
    """The zone's own short name, or its distance from UTC where it has none."""
    name = local.tzname() or "UTC"
    return name if name[0].isalpha() else f"UTC{name}"


def age(seconds: float) -> str:
    """How long ago, in one unit: `5 minutes ago`."""
    if seconds < MINUTE:
        return "just now"
    size, name = next(unit for unit in UNITS if seconds >= unit[0])
    count = int(seconds // size)
    return f"{count:,} {name}{'s' if count > 1 else ''} ago"


def duration(seconds: float | None) -> str:
    """How long something took: `3.2 s`, `2 min 5 s`, `1 h 4 min`; a whole number stays one, `3 s`."""
    if seconds is None:
        return NOTHING
    if 0 < seconds < SHORTEST:
        return f"< {SHORTEST} s"
    if seconds < MINUTE:
        tenths = seconds < 10 and isinstance(seconds, float)  # noqa: PLR2004 (from there on they say nothing)
        return f"{seconds:.1f} s" if tenths else f"{seconds:.0f} s"
    whole = round(seconds)
    if whole < HOUR:
        return f"{whole // MINUTE} min {whole % MINUTE} s"
    return f"{whole // HOUR:,} h {whole % HOUR // MINUTE} min"


def span(period: Period) -> str:
    """A period by its dates, `1–31 Oct 2025`."""
    first, last = period.first, period.last
    if first is None or last is None:
        return f"from {day(first)}" if first else f"until {day(last)}" if last else "all time"
    if first == last:
        return day(first)
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day}–{day(last)}"
    start = f"{first.day} {first:%b}" if first.year == last.year else day(first)
    return f"{start} – {day(last)}"


def bucket(start: date, unit: Unit) -> str:
    """A day, week or month by name."""
    if unit is Unit.MONTH:
        return f"{start:%B} {start.year:04d}"
    return f"Week of {day(start)}" if unit is Unit.WEEK else f"{start:%a} {day(start)}"


def listed(parts: Iterable[str]) -> str:
    """Parts one after the other, separated by a middle dot."""
    return " · ".join(part for part in parts if part)


def short(text: str, longest: int = 40) -> str:
    """Text that fits its place; what is cut off is marked."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def plain(text: str) -> str:
    """Text from the data, so that no character of it is taken for Markdown."""
    return "".join(f"\\{mark}" if mark in MARKDOWN else mark for mark in text)
