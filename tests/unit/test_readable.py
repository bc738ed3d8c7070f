"""Frames as people read them."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from core import names, readable
from core.queries import Totals

TOTAL = Totals(conversations=20077, bookings=3122, leads=13908, engaged=7910)


def test_rates_stand_beside_counts_to_one_decimal() -> None:
    """In tables and exports; nothing over nothing is blank."""
    frame = pd.DataFrame(
        {
            "name": ["All", "None"],
            "conversations": [20077, 0],
            "engaged": [7910, 0],
            "leads": [13908, 0],
            "bookings": [3122, 0],
        }
    )
    table = readable.counted(frame, {"name": "Clinic"})
    assert list(table.columns)[:5] == ["Clinic", "Conversations", "Bookings", "Leads", "Engaged"]
    assert list(table.iloc[0])[5:] == [15.6, 69.3, 39.4]
    assert table["Booking rate (%)"].isna().tolist() == [False, True]


def test_the_funnel_is_in_percent_of_conversations() -> None:
    """Each step of the same whole."""
    assert list(readable.funnel(TOTAL, known=True)["Of conversations (%)"]) == [100.0, 39.4, 69.27, 15.55]


@pytest.mark.parametrize(
    ("trigger", "by", "expected"),
    [
        ("manual", "ada", "ada"),
        ("manual", "cli:ada", "ada (command line)"),
        ("manual", "api", "A program (API)"),
        ("scheduler", "scheduler", "The schedule"),
    ],
)
def test_who_started_an_import_is_told_in_words(trigger: str, by: str, expected: str) -> None:
    """The names that rows keep are for programs."""
    assert readable.starter({"trigger": trigger, "triggered_by": by}) == expected


def test_a_running_import_leaves_speeds_whole_numbers() -> None:
    """It has none yet; the others' are counts, not `2363.00`."""
    row: dict[str, Any] = dict.fromkeys(names.COUNTERS, 0) | {
        "id": 1,
        "started_at": datetime(2026, 3, 10, tzinfo=UTC),
        "completed_at": None,
        "status": "running",
        "mode": "full",
        "trigger": "startup",
    }
    rows = [row | {"records_per_second": None}, row | {"records_per_second": 2363.4}]
    speeds = readable.runs(rows, str)["Records/s"]
    assert pd.api.types.is_integer_dtype(speeds)
    assert speeds.isna().tolist() == [True, False]
    assert speeds[1] == 2363


def test_records_are_told_in_words() -> None:
    """Yes and no, moments in the zone, reasons; a missing moment is a dash."""
    frame = pd.DataFrame(
        {
            "external_id": ["rec1"],
            "engaged": [True],
            "booked_for": [pd.NaT],
            "rejected_at": [datetime(2026, 3, 10, tzinfo=UTC)],
            "reason": ["missing_clinic"],
        }
    )
    shown = readable.records(frame, ZoneInfo("UTC"))
    assert shown.to_dict("records") == [
        {
            "Airtable record": "rec1",
            "Engaged": "Yes",
            "Booked for": "–",
            "Rejected": "10 Mar 2026, 00:00 UTC",
            "Why it was rejected": "The Clinic cell is empty",
        }
    ]
