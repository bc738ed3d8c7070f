"""Years whose bookings are not counted, and where that leaves a booking rate unknown. Pure.

A booking counts by the year that its own text names (spec, section 2), which is mostly its conversation's.
A conversation of another year may have booked into a counted one: that makes a count, but no rate.
"""

from collections.abc import Collection, Iterable
from datetime import date, timedelta

import pandas as pd

from core import periods, tabular
from core.periods import Period, Unit

# So far ahead most people book: what ends less than that before a year that is not counted falls at its end.
BOOKED_AHEAD = timedelta(days=31)


def years(period: Period, counted: Collection[str]) -> list[tuple[int, int]]:
    """From which year to which no bookings are counted, within a period; none where its ends are open."""
    if period.first is None or period.last is None:
        return []
    found, start, last = [], period.first.year, period.last.year
    for year in [*sorted(year for year in map(int, counted) if start <= year <= last), last + 1]:
        if start < year:
            found.append((start, year - 1))
        start = year + 1
    return found


def wholly(period: Period, counted: Collection[str]) -> bool:
    """Whether no day of the period lies in a year whose bookings are counted: there is no rate then."""
    if period.first is None or period.last is None:
        return False
    return years(period, counted) == [(period.first.year, period.last.year)]


def named(stretches: Iterable[tuple[int, int]]) -> str:
    """Years in words, `2024 and 2026–2028`."""
    told = [str(first) if first == last else f"{first}–{last}" for first, last in stretches]
    return " and ".join([*([", ".join(told[:-1])] if told[1:] else []), *told[-1:]])


def sentence(period: Period, counted: Collection[str]) -> str:
    """`Bookings of 2024 are not counted.`; blank where conversations of the period book into none."""
    found = named(years(_with_booked(period), counted))
    return f"Bookings of {found} are not counted." if found else ""


def _with_booked(period: Period) -> Period:
    """The period and the days after it that its last conversations book into."""
    if period.last is None:
        return period
    return Period(period.first, min(period.last, date.max - BOOKED_AHEAD) + BOOKED_AHEAD)


def by_start(frame: pd.DataFrame, unit: Unit, period: Period, counted: Collection[str]) -> pd.DataFrame:
    """A course whose buckets tell whether their booking rate is known, by their days within the period."""
    spans = (Period(start, periods.following(start, unit) - periods.DAY) for start in frame["start"])
    return _marked(frame, (periods.overlap(span, period) for span in spans), counted)


def by_extent(frame: pd.DataFrame, counted: Collection[str]) -> pd.DataFrame:
    """Rows that tell whether their booking rate is known, by their `first` and `last` conversation's day."""
    return _marked(frame, map(Period, frame["first"], frame["last"]), counted)


def all_of(frame: pd.DataFrame, period: Period, counted: Collection[str]) -> pd.DataFrame:
    """Rows that tell whether their booking rate is known, all by the same period."""
    return frame.assign(**{tabular.KNOWN: not wholly(period, counted)})


def _marked(frame: pd.DataFrame, spans: Iterable[Period], counted: Collection[str]) -> pd.DataFrame:
    known = [not wholly(span, counted) for span in spans]
    return frame.assign(**{tabular.KNOWN: pd.Series(known, index=frame.index, dtype=bool)})
