"""Periods, the ones before them, and buckets."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.periods import (
    ALL_TIME,
    CUSTOM,
    MOST_BUCKETS,
    PRESETS,
    Period,
    Unit,
    before,
    bucket,
    buckets,
    chosen,
    cut,
    day_or_none,
    fitting_unit,
    following,
    overlap,
    unfinished,
    whole_month,
)

TODAY = date(2026, 3, 11)
DAYS = st.dates(date(1, 1, 8), date(9999, 1, 1))
UNITS = st.sampled_from(list(Unit))


def period(first: str, last: str) -> Period:
    """A period by its ISO dates."""
    return Period(date.fromisoformat(first), date.fromisoformat(last))


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        ("All time", ALL_TIME),
        ("Today", period("2026-03-11", "2026-03-11")),
        ("Yesterday", period("2026-03-10", "2026-03-10")),
        ("Last 7 days", period("2026-03-05", "2026-03-11")),
        ("Last 30 days", period("2026-02-10", "2026-03-11")),
        ("Last 90 days", period("2025-12-12", "2026-03-11")),
        ("This month", period("2026-03-01", "2026-03-11")),
        ("Last month", period("2026-02-01", "2026-02-28")),
        ("This year", period("2026-01-01", "2026-03-11")),
        ("Last year", period("2025-01-01", "2025-12-31")),
    ],
)
def test_a_preset_is_made_of_today(preset: str, expected: Period) -> None:
    """Each preset names days that include both ends, today among them where it is not over."""
    assert chosen(preset, TODAY) == expected


def test_every_preset_is_in_the_table_above() -> None:
    """A new preset brings its line."""
    assert len(PRESETS) == 10


@pytest.mark.parametrize(
    ("custom", "expected"),
    [
        (period("2025-01-05", "2025-01-09"), period("2025-01-05", "2025-01-09")),
        (period("2025-01-09", "2025-01-05"), period("2025-01-05", "2025-01-09")),
        (Period(date(2025, 1, 9), None), Period(date(2025, 1, 9), None)),
        (ALL_TIME, ALL_TIME),
    ],
)
def test_a_custom_period_is_put_in_order(custom: Period, expected: Period) -> None:
    """Ends that were given the wrong way round mean the days between them; an open end stays open."""
    assert chosen(CUSTOM, TODAY, custom) == expected


@pytest.mark.parametrize(
    ("now", "then"),
    [
        (period("2026-03-05", "2026-03-11"), period("2026-02-26", "2026-03-04")),
        (period("2026-03-11", "2026-03-11"), period("2026-03-10", "2026-03-10")),
        (period("2026-03-01", "2026-03-11"), period("2026-02-01", "2026-02-11")),
        (period("2026-03-01", "2026-03-31"), period("2026-02-01", "2026-02-28")),
        (period("2026-02-01", "2026-02-28"), period("2026-01-01", "2026-01-31")),
        (period("2026-03-01", "2026-03-30"), period("2026-02-01", "2026-02-28")),
        (period("2026-01-01", "2026-01-31"), period("2025-12-01", "2025-12-31")),
        (period("2026-01-01", "2026-03-11"), period("2025-01-01", "2025-03-11")),
        (period("2024-01-01", "2024-02-29"), period("2023-01-01", "2023-02-28")),
        (period("2025-01-01", "2025-12-31"), period("2024-01-01", "2024-12-31")),
        (period("2025-11-15", "2026-01-14"), period("2025-09-15", "2025-11-14")),
    ],
)
def test_a_period_is_compared_with_the_one_before(now: Period, then: Period) -> None:
    """Whole or begun months and years with their like, anything else with as many days."""
    assert before(now) == then


@pytest.mark.parametrize("period", [ALL_TIME, Period(TODAY, None), Period(None, TODAY)])
def test_an_open_period_has_none_before(period: Period) -> None:
    """What has no end cannot be compared."""
    assert before(period) is None


@given(first=DAYS, days=st.integers(0, 400))
def test_the_period_before_ends_before_it_begins(first: date, days: int) -> None:
    """No day is counted on both sides of a comparison."""
    if (date.max - first).days < days or first.year < 3:
        return
    then = before(Period(first, first + timedelta(days=days)))
    assert then is not None
    assert then.first is not None
    assert then.last is not None
    assert then.first <= then.last < first


@given(day=DAYS, unit=UNITS)
def test_a_bucket_holds_its_day(day: date, unit: Unit) -> None:
    """Every day lies in one bucket; weeks start on Monday, months on the first."""
    start = bucket(day, unit)
    assert start <= day < following(start, unit)
    assert unit is not Unit.WEEK or start.weekday() == 0
    assert unit is not Unit.MONTH or start.day == 1


@given(first=DAYS, days=st.integers(0, 900), unit=UNITS)
def test_buckets_leave_no_gap(first: date, days: int, unit: Unit) -> None:
    """Each bucket begins where the one before ends, from the first day's to the last day's."""
    last = first + min(timedelta(days=days), date(9999, 1, 1) - first)
    starts = buckets(first, last, unit)
    assert starts is not None
    assert starts[0] == bucket(first, unit)
    assert starts[-1] == bucket(last, unit)
    assert starts[1:] == [following(start, unit) for start in starts[:-1]]


def test_a_stray_date_draws_no_million_bars() -> None:
    """One conversation in the year 0001 must not fill two thousand years with zeros."""
    assert buckets(date(1, 1, 1), date(2026, 1, 1), Unit.DAY) is None
    whole = buckets(date(2020, 1, 1), date(2020, 1, 1) + timedelta(days=MOST_BUCKETS - 1), Unit.DAY)
    assert whole is not None
    assert len(whole) == MOST_BUCKETS


@pytest.mark.parametrize(
    ("start", "unit", "expected"),
    [
        ("2026-03-11", Unit.DAY, True),
        ("2026-03-10", Unit.DAY, False),
        ("2026-03-09", Unit.WEEK, True),
        ("2026-03-02", Unit.WEEK, False),
        ("2026-03-01", Unit.MONTH, True),
        ("2026-02-01", Unit.MONTH, False),
    ],
)
def test_a_bucket_that_holds_the_datas_day_is_not_over(start: str, unit: Unit, *, expected: bool) -> None:
    """A day, week or month in which the last import lies may still grow."""
    assert unfinished(date.fromisoformat(start), unit, TODAY) is expected


def test_a_bucket_that_reaches_out_of_the_period_is_cut() -> None:
    """A week of which the period shows three days is no whole week."""
    shown = period("2026-03-04", "2026-03-15")
    assert cut(date(2026, 3, 2), Unit.WEEK, shown)
    assert not cut(date(2026, 3, 9), Unit.WEEK, shown)
    assert cut(date(2026, 3, 9), Unit.WEEK, period("2026-03-04", "2026-03-14"))
    assert not cut(date(2026, 3, 2), Unit.WEEK, ALL_TIME)


@pytest.mark.parametrize(
    ("days", "unit"), [(0, Unit.DAY), (45, Unit.DAY), (46, Unit.WEEK), (550, Unit.WEEK), (551, Unit.MONTH)]
)
def test_a_long_stretch_is_drawn_by_longer_steps(days: int, unit: Unit) -> None:
    """So many points that they run into each other say nothing."""
    assert fitting_unit(TODAY, TODAY + timedelta(days=days)) is unit


def test_periods_overlap_in_their_common_days() -> None:
    """A week behind a point shows only the days that the page shows."""
    assert overlap(period("2026-03-02", "2026-03-08"), Period(date(2026, 3, 4), None)) == period(
        "2026-03-04", "2026-03-08"
    )
    assert overlap(ALL_TIME, ALL_TIME) == ALL_TIME


@pytest.mark.parametrize(
    ("text", "day"), [("2025-02-28", date(2025, 2, 28)), ("2025-02-30", None), ("", None)]
)
def test_a_day_in_the_address_may_be_wrong(text: str, day: date | None) -> None:
    """What is no date is no filter, not a traceback."""
    assert day_or_none(text) == day


def test_december_is_a_whole_month() -> None:
    """The month after December is January of the next year."""
    assert whole_month(date(2025, 12, 5)) == period("2025-12-01", "2025-12-31")


@pytest.mark.parametrize("unit", list(Unit))
def test_time_ends_with_its_last_day(unit: Unit) -> None:
    """A date in the year 9999 has no bucket after its own, and breaks no page."""
    assert following(date.max, unit) == date.max
    assert not unfinished(date.max, unit, date.max)
