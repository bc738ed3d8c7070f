"""Days, weeks and months: the period that a page shows, the one before it, and what is not over yet.

Days are days of `TIMEZONE`; weeks start on Monday (spec, section 10).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

# More steps than this are not filled with zeros: a date in the year 0001 must not draw 700,000 bars.
MOST_BUCKETS = 2000
DAY = timedelta(days=1)


class Unit(StrEnum):
    """What a course is drawn by."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Period:
    """From the first to the last day, both included; an open end is null."""

    first: date | None = None
    last: date | None = None


ALL_TIME = Period()
CUSTOM = "Custom"

# What people choose from; each is made of today's date.
PRESETS: Mapping[str, Callable[[date], Period]] = {
    "All time": lambda _: ALL_TIME,
    "Today": lambda today: Period(today, today),
    "Yesterday": lambda today: Period(today - DAY, today - DAY),
    "Last 7 days": lambda today: Period(today - 6 * DAY, today),
    "Last 30 days": lambda today: Period(today - 29 * DAY, today),
    "Last 90 days": lambda today: Period(today - 89 * DAY, today),
    "This month": lambda today: Period(today.replace(day=1), today),
    "Last month": lambda today: whole_month(today.replace(day=1) - DAY),
    "This year": lambda today: Period(today.replace(month=1, day=1), today),
    "Last year": lambda today: Period(date(today.year - 1, 1, 1), date(today.year - 1, 12, 31)),
}


def chosen(preset: str, today: date, custom: Period = ALL_TIME) -> Period:
    """The period of a preset's name; `custom` where it is the custom one, its ends put in order."""
    if preset != CUSTOM:
        return PRESETS[preset](today)
    first, last = custom.first, custom.last
    return Period(last, first) if first and last and first > last else custom


def before(period: Period) -> Period | None:
    """The period to compare with; null where the period is open.

    One that starts with a month or a year and stays within it is compared with the same stretch of the month
    or year before, any other with as many days as it has itself.
    """
    first, last = period.first, period.last
    if first is None or last is None:
        return None
    if (first.month, first.day) == (1, 1) and first.year == last.year and last.month > 1:
        return Period(date(first.year - 1, 1, 1), _same_day(last, last.year - 1, last.month))
    if first.day == 1 and (first.year, first.month) == (last.year, last.month):
        month = whole_month(first - DAY)
        assert month.first is not None  # noqa: S101 (a whole month has both ends)
        whole = last == whole_month(first).last
        return month if whole else Period(month.first, _same_day(last, month.first.year, month.first.month))
    return Period(first - (last - first) - DAY, first - DAY)


def whole_month(day: date) -> Period:
    """The month in which a day lies."""
    first = day.replace(day=1)
    return Period(first, following(first, Unit.MONTH) - DAY)


def bucket(day: date, unit: Unit) -> date:
    """The first day of the day, week or month in which a day lies."""
    if unit is Unit.WEEK:
        return date.fromordinal(max(day.toordinal() - day.weekday(), 1))
    return day.replace(day=1) if unit is Unit.MONTH else day


def following(start: date, unit: Unit) -> date:
    """The first day of the bucket after the one that starts then; the last day there is, at time's end."""
    try:
        if unit is Unit.MONTH:
            return date(start.year + start.month // 12, start.month % 12 + 1, 1)
        return start + (DAY if unit is Unit.DAY else 7 * DAY)
    except (ValueError, OverflowError):
        return date.max


def buckets(first: date, last: date, unit: Unit) -> list[date] | None:
    """The start of every bucket between two days; null where they would be more than `MOST_BUCKETS`."""
    days = {Unit.DAY: 1, Unit.WEEK: 7, Unit.MONTH: 28}[unit]
    if (last - first).days // days > MOST_BUCKETS:
        return None
    starts = []
    start = bucket(first, unit)
    while start <= last:
        starts.append(start)
        start = following(start, unit)
    return starts


def unfinished(start: date, unit: Unit, as_of: date) -> bool:
    """Whether a bucket was not over yet on the day that the data are as of."""
    return following(start, unit) > as_of


def cut(start: date, unit: Unit, period: Period) -> bool:
    """Whether a bucket reaches beyond the period, so that it shows only some of its days."""
    early = period.first is not None and start < period.first
    return early or (period.last is not None and following(start, unit) - DAY > period.last)


def fitting_unit(first: date, last: date) -> Unit:
    """The unit in which a stretch of days is read most easily."""
    days = (last - first).days
    if days <= 45:  # noqa: PLR2004 (a month and a half of days still fits a line)
        return Unit.DAY
    return Unit.WEEK if days <= 550 else Unit.MONTH  # noqa: PLR2004 (a year and a half of weeks)


def overlap(one: Period, other: Period) -> Period:
    """The days that lie in both."""
    firsts = [day for day in (one.first, other.first) if day]
    lasts = [day for day in (one.last, other.last) if day]
    return Period(max(firsts, default=None), min(lasts, default=None))


def day_or_none(text: str) -> date | None:
    """The day that an ISO date names; null where it names none."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _same_day(day: date, year: int, month: int) -> date:
    """The same day of another month, or its last one where it has no such day."""
    last = whole_month(date(year, month, 1)).last
    assert last is not None  # noqa: S101 (a whole month has both ends)
    return last.replace(day=min(day.day, last.day))
