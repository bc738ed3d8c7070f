"""Years whose bookings are not counted, and the rates that are then unknown."""

from datetime import date

import pandas as pd
import pytest

from core import tabular, uncounted
from core.periods import ALL_TIME, Period, Unit

COUNTED = ("2025", "2027")


def of(first: int, last: int) -> Period:
    """All days from one year's first to another's last."""
    return Period(date(first, 1, 1), date(last, 12, 31))


@pytest.mark.parametrize(
    ("period", "told", "wholly"),
    [
        (ALL_TIME, "", False),
        (of(2025, 2025), "Bookings of 2026 are not counted.", False),
        (Period(date(2025, 1, 1), date(2025, 11, 30)), "", False),
        (of(2024, 2024), "Bookings of 2024 are not counted.", True),
        (of(2024, 2025), "Bookings of 2024 and 2026 are not counted.", False),
        (of(2026, 2026), "Bookings of 2026 are not counted.", True),
        (of(2022, 2024), "Bookings of 2022–2024 are not counted.", True),
        (of(2024, 2061), "Bookings of 2024, 2026 and 2028–2062 are not counted.", False),
        (of(9998, 9999), "Bookings of 9998–9999 are not counted.", True),
    ],
)
def test_years_that_are_not_counted_are_named(period: Period, told: str, wholly: bool) -> None:
    """Of those that its conversations book into; a rate is unknown where no day is counted."""
    assert uncounted.sentence(period, COUNTED) == told
    assert uncounted.wholly(period, COUNTED) is wholly


@pytest.mark.parametrize(("last", "known"), [(date(2024, 12, 31), False), (date(2025, 1, 5), True)])
def test_a_week_over_new_year_is_known_by_its_days_within_the_period(last: date, known: bool) -> None:
    """The week from 30 December holds counted days, unless the period ends before them."""
    weeks = pd.DataFrame({"start": [date(2024, 12, 23), date(2024, 12, 30)]})
    marked = uncounted.by_start(weeks, Unit.WEEK, Period(date(2024, 1, 1), last), COUNTED)
    assert list(marked[tabular.KNOWN]) == [False, known]


def test_a_clinic_that_ended_before_has_no_rate() -> None:
    """Its last conversation lies in a year that is not counted: 0 % would say that it booked nobody."""
    clinics = pd.DataFrame(
        {
            "conversations": [10, 10],
            "bookings": [0, 0],
            "first": [date(2024, 1, 1), date(2024, 1, 1)],
            "last": [date(2024, 6, 1), date(2025, 1, 1)],
        }
    )
    assert tabular.rates(uncounted.by_extent(clinics, COUNTED), "bookings") == [None, 0.0]


def test_only_booking_rates_are_unknown() -> None:
    """Leads and engagement count in every year."""
    hours = pd.DataFrame({"conversations": [10], "leads": [5], "bookings": [1]})
    marked = uncounted.all_of(hours, of(2024, 2024), COUNTED)
    assert tabular.rates(marked, "bookings") == [None]
    assert tabular.rates(marked, "leads") == [50.0]
