"""Frames as people read them."""

from datetime import UTC, datetime

import pandas as pd
import pytest

from core import readable
from core.queries import Totals

TOTAL = Totals(conversations=20077, bookings=3122, leads=13908, engaged=7910)


def test_rates_stand_beside_counts_to_two_decimals() -> None:
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
    assert list(table.iloc[0])[5:] == [15.55, 69.27, 39.4]
    assert table["Booking rate (%)"].isna().tolist() == [False, True]


def test_the_funnel_is_in_percent_of_conversations() -> None:
    """Each step of the same whole."""
    assert list(readable.funnel(TOTAL)["Of conversations (%)"]) == [100.0, 39.4, 69.27, 15.55]


@pytest.mark.parametrize(
    ("bookings", "conversations", "top"),
    [([5], [10], 55.0), ([10], [10], 100.0), ([0], [10], 100.0), ([], [], 100.0)],
)
def test_a_scale_holds_every_rate(bookings: list[int], conversations: list[int], top: float) -> None:
    """A little above the highest one, never above 100."""
    frame = pd.DataFrame({"bookings": bookings, "conversations": conversations}, dtype=float)
    assert readable.top_rate(frame, "bookings") == pytest.approx(top)


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
    shown = readable.records(frame, lambda moment: "–" if moment is None else f"{moment:%Y}")
    assert shown.to_dict("records") == [
        {
            "Airtable record": "rec1",
            "Engaged": "Yes",
            "Booked for": "–",
            "Rejected": "2026",
            "Why it was rejected": "The Clinic cell is empty",
        }
    ]
