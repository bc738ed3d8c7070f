"""Which clinics have fallen silent."""

from datetime import date, timedelta

import pytest

from core import silence
from core.silence import Quiet

MONDAY = date(2025, 11, 3)
DAY = timedelta(days=1)


def daily(first: date, last: date) -> list[date]:
    """Every day between two."""
    return [first + number * DAY for number in range((last - first).days + 1)]


def weekdays(first: date, last: date) -> list[date]:
    """Every day between two that is no Saturday or Sunday."""
    return [day for day in daily(first, last) if day.weekday() < 5]


EVERY_DAY = daily(MONDAY - 40 * DAY, MONDAY)
FRIDAY = MONDAY + 4 * DAY
OPEN_ON_WEEKDAYS = weekdays(MONDAY - 40 * DAY, FRIDAY)


@pytest.mark.parametrize(
    ("days", "newest", "state"),
    [
        (EVERY_DAY, MONDAY, Quiet.USUAL),
        (EVERY_DAY, MONDAY + 2 * DAY, Quiet.USUAL),
        (EVERY_DAY, MONDAY + 3 * DAY, Quiet.SILENT),
        (EVERY_DAY, MONDAY + 300 * DAY, Quiet.SILENT),
        # Over each weekend three days pass from Friday to Monday.
        (OPEN_ON_WEEKDAYS, FRIDAY + 3 * DAY, Quiet.USUAL),
        (OPEN_ON_WEEKDAYS, FRIDAY + 4 * DAY, Quiet.SILENT),
        # A week off within the last four is a pause that the clinic has made before, and too few days.
        ([day for day in EVERY_DAY if not 4 <= (MONDAY - day).days <= 12], MONDAY + 9 * DAY, Quiet.SPORADIC),
        # Before the last four weeks a pause says nothing any more.
        ([day for day in EVERY_DAY if not 30 <= (MONDAY - day).days <= 36], MONDAY + 4 * DAY, Quiet.SILENT),
        (EVERY_DAY[::2], MONDAY + 27 * DAY, Quiet.SPORADIC),
        (EVERY_DAY[::2], MONDAY + 28 * DAY, Quiet.STOPPED),
        (EVERY_DAY[-19:], MONDAY + 30 * DAY, Quiet.STOPPED),
        (EVERY_DAY[-20:], MONDAY + 30 * DAY, Quiet.SILENT),
        # Data of others may end earlier.
        (EVERY_DAY, MONDAY - 5 * DAY, Quiet.USUAL),
    ],
)
def test_silent_is_who_was_daily_and_is_not(days: list[date], newest: date, state: Quiet) -> None:
    """Relative to the newest conversation of all, and to the clinic's own pauses; else a reason."""
    assert silence.state(days, newest) is state


@pytest.mark.parametrize(("newest", "quiet"), [(MONDAY, 0), (MONDAY + 5 * DAY, 5), (MONDAY - DAY, 0)])
def test_quiet_days_are_counted_from_the_newest_of_all(newest: date, quiet: int) -> None:
    """Not from today."""
    assert silence.quiet_days(MONDAY, newest) == quiet
