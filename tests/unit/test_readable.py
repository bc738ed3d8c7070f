"""Frames as people read them."""

from datetime import UTC, datetime

import pandas as pd
import pytest

from core import readable, samples
from core.queries import Totals
from core.records import DateStatus, Reason
from core.runs import Mode, Trigger
from core.validation import MESSAGES

TOTAL = Totals(conversations=20077, bookings=3122, leads=13908, engaged=7910)


def test_every_code_has_its_words() -> None:
    """No raw name of the database stands on a page: a new one brings its words."""
    assert set(readable.INCONSISTENCIES) == set(MESSAGES)
    assert set(readable.REASONS) == set(Reason)
    assert set(readable.MODES) == set(Mode)
    assert set(readable.TRIGGERS) == set(Trigger)


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


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        (" recABCDEFGHIJKLMN ", "recABCDEFGHIJKLMN"),
        ("https://airtable.com/appX/tblY/viwZ/recABCDEFGHIJKLMN?blocks=hide", "recABCDEFGHIJKLMN"),
        (" user 17 ", "user 17"),
        ("record", "record"),
        ("recABCDEFGHIJKLMNO", "recABCDEFGHIJKLMNO"),
        ("a\0b", "ab"),
        (" ", ""),
    ],
)
def test_a_record_is_sought_by_what_people_paste(typed: str, wanted: str) -> None:
    """An Airtable id, the record's address, or else a User ID."""
    assert readable.sought(typed) == wanted


@pytest.mark.parametrize(
    ("base", "record", "address"),
    [
        ("appX", "recABCDEFGHIJKLMN", "https://airtable.com/appX/My%20table/recABCDEFGHIJKLMN"),
        ("appX", "malformed:00ff", None),
        (None, "recABCDEFGHIJKLMN", None),
    ],
)
def test_a_record_is_linked_where_airtable_shows_it(
    base: str | None, record: str, address: str | None
) -> None:
    """Not in the demo, whose records nobody can open; not without an id of Airtable's."""
    assert readable.record_address(base, "My table", record) == address


def test_all_that_the_rules_answer_has_its_words() -> None:
    """The rule tester shows every field, and no raw name."""
    fields = {name for sample in samples.check() for name in sample["result"]}
    assert fields - {"status", "reason"} == set(readable.RESULT_NAMES)
    assert set(readable.DATE_STATUSES) == set(DateStatus)
    assert set(readable.MENDING) == set(Reason)
