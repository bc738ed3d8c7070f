"""Axes of figures, as settings that plotly takes: days with their dates, counts and rates from zero. Pure.

Plotly chooses well where there is much to show. Where there is little it counts in halves of a conversation
and in thousandths of a second, and it starts weeks on Sundays.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

from core import periods
from core.periods import Unit

# As many buckets can have dates of their own to choose from; of more, plotly chooses.
OWN_TICKS = 60
MOST_TICKS = 6
MOST_SMALL_TICKS = 4
LEAST_SPAN = timedelta(days=1)
LEAST_TOP = 10.0  # percent
FEW = 5
DAYS: Mapping[Unit, int] = {Unit.DAY: 1, Unit.WEEK: 7, Unit.MONTH: 30}
# From the finest step on; a year stands once, below its first tick.
FORMATS = (
    {"dtickrange": [None, 43_200_000], "value": "%H:%M\n%-d %b %Y"},
    {"dtickrange": [43_200_000, "M1"], "value": "%-d %b\n%Y"},
    {"dtickrange": ["M1", None], "value": "%b %Y"},
)
MONTHS = ({"dtickrange": [None, None], "value": "%b %Y"},)


def buckets(starts: Sequence[date], unit: Unit) -> dict[str, object]:
    """Ticks at buckets' own starts where they are few, and room around a single one."""
    axis: dict[str, object] = {"tickformatstops": list(MONTHS if unit is Unit.MONTH else FORMATS)}
    if len(starts) == 1:
        day, around = starts[0].toordinal(), DAYS[unit]
        ends = (max(day - around, 1), min(day + around, date.max.toordinal()))
        return axis | {"range": [date.fromordinal(end) for end in ends]} | _ticks(starts, unit)
    if len(starts) <= OWN_TICKS and unit is not Unit.MONTH:
        return axis | _ticks(starts[:: -(-len(starts) // MOST_TICKS) or 1], unit)
    return axis


def _ticks(shown: Sequence[date], unit: Unit) -> dict[str, object]:
    """A tick at each of these days; a year stands below its first one."""
    texts, year = [], 0
    for day in shown:
        text = f"{day:%b} {day.year:04d}" if unit is Unit.MONTH else f"{day.day} {day:%b}"
        texts.append(text if unit is Unit.MONTH or day.year == year else f"{text}<br>{day.year:04d}")
        year = day.year
    return {"tickvals": list(shown), "ticktext": texts}


def same(starts: Sequence[date], unit: Unit) -> dict[str, object]:
    """The same stretch for several small figures, with few ticks, at buckets' own starts."""
    if len(starts) < 2:  # noqa: PLR2004 (a single one has no stretch)
        return buckets(starts, unit)
    every = periods.buckets(starts[0], starts[-1], unit)
    if every is None:
        axis: dict[str, object] = {"tickformatstops": list(FORMATS), "nticks": MOST_SMALL_TICKS}
    else:
        axis = _ticks(every[:: -(-len(every) // MOST_SMALL_TICKS)], unit)
    return axis | {"range": [starts[0], starts[-1]]}


def moments(shown: Sequence[datetime]) -> dict[str, object]:
    """A stretch of a day at least, with room at both ends."""
    axis: dict[str, object] = {"tickformatstops": list(FORMATS)}
    if not shown:
        return axis
    first, last = min(shown), max(shown)
    room = max((LEAST_SPAN - (last - first)) / 2, (last - first) / 40)
    return axis | {"range": [first - room, last + room]}


def counts(values: Sequence[int]) -> dict[str, object]:
    """From zero, in whole numbers."""
    whole = {"dtick": 1} if max(values, default=0) <= FEW else {}
    return {"rangemode": "tozero", "tickformat": ",d", **whole}


def percents(values: Sequence[float | None]) -> dict[str, object]:
    """From zero, and not into tenths where there is hardly anything."""
    top = max((value for value in values if value is not None), default=0.0)
    return {"rangemode": "tozero", "ticksuffix": " %", **({"range": [0, LEAST_TOP]} if top < 1 else {})}
