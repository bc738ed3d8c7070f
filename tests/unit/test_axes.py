"""Axes of figures that show little: dates for days, whole conversations, percents that are not tenths."""

from datetime import date, datetime, timedelta

import pytest

from core import axes, periods
from core.periods import Unit

MONDAY = date(2026, 3, 2)


def every(days: int, number: int) -> list[date]:
    """So many days, each so long after the one before."""
    return [MONDAY + timedelta(days=days * place) for place in range(number)]


@pytest.mark.parametrize("number", [2, 5, 13, 60])
def test_weeks_have_their_ticks_on_mondays(number: int) -> None:
    """Where plotly chooses, it starts weeks on Sundays, between the points."""
    ticks = axes.buckets(every(7, number), Unit.WEEK)["tickvals"]
    assert isinstance(ticks, list)
    assert ticks[0] == MONDAY
    assert {tick.weekday() for tick in ticks} == {0}
    assert 2 <= len(ticks) <= axes.MOST_TICKS


@pytest.mark.parametrize("unit", Unit)
@pytest.mark.parametrize("number", [2, 3, 9, 79])
def test_small_charts_have_their_ticks_on_points(unit: Unit, number: int) -> None:
    """Few, from the first point on; weeks' ticks are Mondays."""
    starts = periods.buckets(MONDAY, MONDAY + timedelta(days=(number - 1) * axes.DAYS[unit]), unit)
    assert starts is not None
    ticks = axes.same(starts, unit)["tickvals"]
    assert isinstance(ticks, list)
    assert ticks[0] == starts[0]
    assert set(ticks) <= set(starts)
    assert 1 <= len(ticks) <= axes.MOST_SMALL_TICKS


def test_of_many_buckets_plotly_chooses_the_ticks() -> None:
    """Months and years read better than every hundredth day."""
    assert "tickvals" not in axes.buckets(every(1, 700), Unit.DAY)


@pytest.mark.parametrize("start", [MONDAY, date.min, date.max])
@pytest.mark.parametrize("unit", Unit)
def test_a_single_bucket_has_room_around_it(unit: Unit, start: date) -> None:
    """Else its axis would count thousandths of a second; at time's ends it has what there is."""
    ends = axes.buckets([start], unit)["range"]
    assert isinstance(ends, list)
    assert ends[0] <= start <= ends[1]
    assert ends[1] - ends[0] >= timedelta(days=1)


def test_a_single_moment_stands_in_a_day() -> None:
    """The first import's mark stands among hours."""
    noon = datetime(2026, 3, 2, 12)  # noqa: DTZ001 (as the clock on the wall shows it)
    assert axes.moments([noon])["range"] == [noon - timedelta(hours=12), noon + timedelta(hours=12)]
    assert "range" not in axes.moments([])


@pytest.mark.parametrize(("values", "whole"), [([], True), ([0, 1], True), ([5], True), ([6], False)])
def test_few_are_counted_one_by_one(values: list[int], whole: bool) -> None:
    """There is no half conversation, and no tick twice."""
    assert (axes.counts(values).get("dtick") == 1) is whole


@pytest.mark.parametrize(("values", "tight"), [([None, 0.0], True), ([], True), ([0.5, 15.6], False)])
def test_hardly_any_percent_is_not_drawn_large(values: list[float | None], tight: bool) -> None:
    """Nothing looks like nothing."""
    assert (axes.percents(values).get("range") == [0, axes.LEAST_TOP]) is tight


def test_a_year_stands_once_below_its_first_tick() -> None:
    """As many dates as fit, and none without its year."""
    days = [date(2025, 12, 22), date(2025, 12, 29), date(2026, 1, 5)]
    assert axes.buckets(days, Unit.WEEK)["ticktext"] == ["22 Dec<br>2025", "29 Dec", "5 Jan<br>2026"]
    assert axes.buckets(days[:1], Unit.MONTH)["ticktext"] == ["Dec 2025"]
