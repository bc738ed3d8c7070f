"""Days of a course as weeks and months."""

from datetime import date

import pandas as pd
import pytest

from core.figures import COUNTS, folded
from core.periods import Unit


def days(*counted: date) -> pd.DataFrame:
    """One conversation on each of these days."""
    return pd.DataFrame([(day, 1, 0, 0, 0) for day in counted], columns=["start", *COUNTS])


@pytest.mark.parametrize(
    ("unit", "starts", "counts"),
    [
        (Unit.DAY, [date(2026, 3, day) for day in range(2, 7)], [1, 0, 0, 0, 1]),
        (Unit.WEEK, [date(2026, 3, 2)], [2]),
        (Unit.MONTH, [date(2026, 3, 1)], [2]),
    ],
)
def test_a_day_without_conversations_is_there_as_zero(
    unit: Unit, starts: list[date], counts: list[int]
) -> None:
    """A line drawn over a gap would say that there were some."""
    found = folded(days(date(2026, 3, 2), date(2026, 3, 6)), unit)
    assert (list(found["start"]), list(found["conversations"])) == (starts, counts)


def test_a_mistyped_year_draws_no_thousand_years_of_zeros() -> None:
    """Of a stretch that long the days that there are suffice."""
    found = folded(days(date(25, 3, 2), date(2026, 3, 6)), Unit.DAY)
    assert list(found["start"]) == [date(25, 3, 2), date(2026, 3, 6)]
