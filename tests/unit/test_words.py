"""Figures and moments as people read them."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from core import words
from core.periods import ALL_TIME, Period, Unit

NEW_YORK, SAO_PAULO = ZoneInfo("America/New_York"), ZoneInfo("America/Sao_Paulo")
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("count", "of", "places", "expected"),
    [
        (3122, 20077, 1, "15.6 %"),
        (3122, 20077, 2, "15.55 %"),
        (0, 5, 1, "0.0 %"),
        (0, 0, 1, "–"),
        (1, 800, 2, "0.13 %"),
    ],
)
def test_a_rate_has_one_decimal_and_is_a_dash_over_nothing(
    count: int, of: int, places: int, expected: str
) -> None:
    """Rounded half up from the exact quotient."""
    assert words.rate(count, of, places) == expected


def test_counts_have_their_thousands_separated() -> None:
    """So that 20077 and 200770 are told apart at a glance."""
    assert words.share(3122, 20077) == "3,122 of 20,077"
    assert words.number(None) == "–"


@pytest.mark.parametrize(("count", "expected"), [(0, "0 days"), (1, "1 day"), (2000, "2,000 days")])
def test_what_is_counted_is_one_or_several(count: int, expected: str) -> None:
    """Nobody reads `1 days`."""
    assert words.counted(count, "day") == expected


@pytest.mark.parametrize(
    ("value", "places", "expected"), [(12, 0, "+12"), (-1234, 0, "−1,234"), (0.04, 1, "0.0")]
)
def test_a_difference_shows_its_sign(value: float, places: int, expected: str) -> None:
    """What rounds to zero has none."""
    assert words.signed(value, places) == expected


@pytest.mark.parametrize(("now", "then", "expected"), [(9, 8, "+12.5 %"), (7, 8, "−12.5 %"), (5, 0, None)])
def test_a_change_is_relative_to_what_was(now: int, then: int, expected: str | None) -> None:
    """From nothing there is no percentage."""
    assert words.change(now, then) == expected


def test_a_change_in_points_is_rounded_once() -> None:
    """From 39.46 % to 39.34 % are −0.1 points; of rounded rates, 39.3 less 39.5, it would be twice that."""
    assert words.points(3934, 10000, 3946, 10000) == "−0.1"
    assert words.points(1, 3, 1, 3) == "0.0"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-11-29T05:00:00Z", "29 Nov 2025"),
        ("2025-11-29T00:00:00Z", "28 Nov 2025, 19:00 EST"),
        ("2025-07-01T04:00:00Z", "1 Jul 2025"),
        (None, "–"),
    ],
)
def test_a_booking_for_a_date_has_no_hour(text: str | None, expected: str) -> None:
    """A date alone is stored as midnight in the zone; nobody is booked for 00:00."""
    assert words.booked_for(datetime.fromisoformat(text) if text else None, NEW_YORK) == expected


@pytest.mark.parametrize(
    ("zone", "expected"),
    [(NEW_YORK, "24 Nov 2026, 07:00 EST"), (SAO_PAULO, "24 Nov 2026, 09:00 UTC-03")],
)
def test_a_moment_names_its_zone(zone: ZoneInfo, expected: str) -> None:
    """A moment without its zone may be any of twenty-four."""
    assert words.moment(NOW, zone) == expected


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (datetime(2026, 11, 24, 23, 0, tzinfo=UTC), "today 18:00 EST"),
        (datetime(2026, 11, 25, 11, 0, tzinfo=UTC), "tomorrow 06:00 EST"),
        (datetime(2026, 11, 24, 2, 0, tzinfo=UTC), "yesterday 21:00 EST"),
        (datetime(2026, 11, 29, 9, 0, tzinfo=UTC), "29 Nov, 04:00 EST"),
        (datetime(2027, 1, 1, 4, 59, tzinfo=UTC), "31 Dec, 23:59 EST"),
        (datetime(2027, 1, 1, 5, 0, tzinfo=UTC), "1 Jan 2027, 00:00 EST"),
        (None, "–"),
    ],
)
def test_a_near_moment_is_told_by_its_day(moment: datetime | None, expected: str) -> None:
    """Days are days of the zone, not of UTC."""
    assert words.soon(moment, NOW, NEW_YORK) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (59, "just now"),
        (60, "1 minute ago"),
        (7199, "1 hour ago"),
        (7200, "2 hours ago"),
        (86400 * 3, "3 days ago"),
    ],
)
def test_an_age_has_one_unit(seconds: float, expected: str) -> None:
    """The largest one that is full."""
    assert words.age(seconds) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.04, "< 0.1 s"),
        (0.1, "0.1 s"),
        (3.25, "3.2 s"),
        (3, "3 s"),
        (12.4, "12 s"),
        (125, "2 min 5 s"),
        (3840, "1 h 4 min"),
        (None, "–"),
    ],
)
def test_a_duration_has_its_units(seconds: float | None, expected: str) -> None:
    """No number without unit."""
    assert words.duration(seconds) == expected


@pytest.mark.parametrize(
    ("period", "expected"),
    [
        (ALL_TIME, "all time"),
        (Period(date(2025, 10, 1), date(2025, 10, 31)), "1–31 Oct 2025"),
        (Period(date(2025, 10, 1), date(2025, 11, 2)), "1 Oct – 2 Nov 2025"),
        (Period(date(2024, 12, 30), date(2025, 1, 5)), "30 Dec 2024 – 5 Jan 2025"),
        (Period(date(2025, 1, 5), date(2025, 1, 5)), "5 Jan 2025"),
        (Period(date(2025, 1, 5), None), "from 5 Jan 2025"),
        (Period(None, date(2025, 1, 5)), "until 5 Jan 2025"),
    ],
)
def test_a_period_is_told_by_its_dates(period: Period, expected: str) -> None:
    """Year and month are said once where they are the same."""
    assert words.span(period) == expected


@pytest.mark.parametrize(
    ("unit", "expected"),
    [(Unit.DAY, "Sun 1 Mar 2026"), (Unit.WEEK, "Week of 1 Mar 2026"), (Unit.MONTH, "March 2026")],
)
def test_a_bucket_has_a_name(unit: Unit, expected: str) -> None:
    """What a point of a course stands for."""
    assert words.bucket(date(2026, 3, 1), unit) == expected
