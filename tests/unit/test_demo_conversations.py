import re
from collections import Counter
from datetime import UTC, datetime

import pytest

from core.demo.clinics import AUTOMATIONS, CLINICS
from core.demo.conversations import demo_table
from core.demo.table import Record, Table

SEEDED_AUTOMATIONS = {
    "Website Chatbot",
    "Missed Call Text Back",
    "SMS Follow-up",
    "Reactivation Campaign",
    "Facebook Messenger",
}


@pytest.fixture(scope="module")
def table() -> Table:
    """Make the demo's table once for all tests."""
    return demo_table()


@pytest.fixture(scope="module")
def records(table: Table) -> list[Record]:
    """All its records in order."""
    return table.records()


def texts(records: list[Record], column: str) -> list[str]:
    """The filled cells of a column as text."""
    return [str(record.cells[column]) for record in records if column in record.cells]


def share(records: list[Record], column: str, wanted: str) -> float:
    """The share of records (0 to 1) whose cell reads as `wanted`."""
    return sum(str(record.cells.get(column)) == wanted for record in records) / len(records)


def test_the_totals_are_the_ones_that_the_specification_names(records: list[Record]) -> None:
    """Spec, section 4: 20,077 records, 3,122 bookings, 13,908 leads, 7,910 engaged; counted by hand here."""
    assert len(records) == 20_077
    assert sum("2025" in text for text in texts(records, "Booking")) == 3_122
    assert sum(value in ("Yes", "True") for value in texts(records, "Lead Created")) == 13_908
    assert sum(text.strip().lower() == "yes" for text in texts(records, "Engaged")) == 7_910


def test_no_record_can_be_rejected(records: list[Record]) -> None:
    """Clinic and User ID are filled everywhere and short enough (spec, section 2, Rejected)."""
    assert all(
        0 < len(str(record.cells[name])) <= 500 for record in records for name in ("Clinic", "User ID")
    )


def test_the_same_records_come_every_time(records: list[Record]) -> None:
    """The demo has a fixed seed and no clock: a database that holds it can be compared with it again."""
    assert demo_table().records() == records


def test_record_ids_are_airtables_and_shard_evenly(records: list[Record]) -> None:
    """`rec` and 14 letters or digits, each once, with evenly spread last characters (Airtable's API)."""
    ids = {record.id for record in records}
    assert len(ids) == len(records)
    assert all(re.fullmatch("rec[A-Za-z0-9]{14}", record_id) for record_id in ids)
    expected = len(ids) / 62
    assert all(
        0.7 * expected < number < 1.3 * expected for number in Counter(id_[-1] for id_ in ids).values()
    )


def test_contacts_are_nobodys(records: list[Record]) -> None:
    """Mail in the example domains, telephone numbers in the range kept for fiction; some cells are blank."""
    emails, phones = texts(records, "Email"), texts(records, "Phone")
    assert all(re.fullmatch(r"[a-z.]+\d*@example\.(com|net|org)", email) for email in emails)
    assert all(re.fullmatch(r"[+]?(1 )?\(?\d{3}\)?[ -]555[ -]01\d\d", phone) for phone in phones)
    assert all(0 < len(given) < len(records) for given in (emails, phones, texts(records, "Name")))


def test_customers_return(records: list[Record]) -> None:
    """About 17,000 customers hold the 20,077 conversations, each with one clinic."""
    clinics_of: dict[str, set[str]] = {}
    for record in records:
        clinics_of.setdefault(str(record.cells["User ID"]), set()).add(str(record.cells["Clinic"]))
    assert 16_800 < len(clinics_of) < 17_200
    assert all(len(clinics) == 1 for clinics in clinics_of.values())


def test_automations_are_the_seeded_ones_and_a_small_new_one(records: list[Record]) -> None:
    """An import must also meet an automation that `seed` does not know, and blank cells."""
    counts = Counter(texts(records, "Automation"))
    assert counts.keys() - SEEDED_AUTOMATIONS == {AUTOMATIONS[-1].name}
    assert counts.keys() >= SEEDED_AUTOMATIONS
    assert counts[AUTOMATIONS[-1].name] < len(records) / 100
    assert 0 < len(records) - counts.total() < len(records) / 50


def test_clinics_differ_in_size_and_some_fall_silent(records: list[Record]) -> None:
    """About forty clinics of very different size, a few without a conversation for months at the end."""
    last: dict[str, datetime] = {}
    for record in records:
        last[str(record.cells["Clinic"])] = record.created_at
    counts = Counter(texts(records, "Clinic"))
    assert len(counts) == len(CLINICS) == 40
    assert max(counts.values()) > 20 * min(counts.values())
    assert sum(moment < datetime(2025, 9, 30, tzinfo=UTC) for moment in last.values()) == 3


def test_time_looks_like_life(records: list[Record]) -> None:
    """Two whole years with growth, quiet weekends and nights; created soon after, modified no earlier."""
    days = Counter(record.created_at.date() for record in records)
    years = Counter(day.year for day in days.elements())
    weekdays = Counter(day.weekday() for day in days.elements())
    hours = Counter(record.created_at.hour for record in records)
    assert len(days) > 715
    assert years[2025] > 1.25 * years[2024]
    assert weekdays[0] > 2 * weekdays[6]
    assert hours[16] > 5 * hours[9]  # about noon against about four in the morning, in the clinics' zones
    assert all(record.modified_at >= record.created_at for record in records)


def test_conversation_dates_lie_in_the_two_years_shortly_before_their_records(records: list[Record]) -> None:
    """Nearly all are ISO in UTC; a few are written, blank or unreadable, so that quality has a say."""
    dates = [str(record.cells.get("Conversation Date", "")) for record in records]
    read = [
        (datetime.fromisoformat(text), record.created_at)
        for text, record in zip(dates, records, strict=True)
        if text.endswith("Z")
    ]
    assert 0.94 * len(records) < len(read) < 0.98 * len(records)
    assert min(read)[0] >= datetime(2024, 1, 1, tzinfo=UTC)
    assert max(read)[0] < datetime(2026, 1, 1, tzinfo=UTC)
    assert all(0 < (created - moment).total_seconds() < 7 * 3600 for moment, created in read)
    assert {"", "yesterday"} <= set(dates)


@pytest.mark.parametrize(
    "form",
    [
        r"\d+/\d+/2025 \d+:\d\d [AP]M",
        r"2025-\d\d-\d\d \d\d:\d\d",
        r"2025-\d\d-\d\dT\d\d:\d\d:00-0\d:00",
        r"[A-Z]\w+day, [A-Z]\w+ \d+, 2025 \d+:\d\d[ap]m",
        r"[A-Z]\w+ \d+, 2025",
        r"[A-Z]\w\w \d+, 2025 at \d\d:\d\d [AP]M",
        r"\d+ [A-Z]\w+ 2025",
        r"2025 - call back",
        r".*\b2024\b.*",
        r".*\b2026\b.*",
        r"left voicemail",
    ],
)
def test_people_write_bookings_in_many_ways(records: list[Record], form: str) -> None:
    """Readable ones in several forms, unreadable ones that still count, other years and notes that do not."""
    assert sum(bool(re.fullmatch(form, text)) for text in texts(records, "Booking")) >= 10


def test_rates_differ_by_automation(records: list[Record]) -> None:
    """An analyst must find something: missed calls make leads without engagement, the website both."""
    by_automation = {
        name: [record for record in records if record.cells.get("Automation") == name]
        for name in ("Website Chatbot", "Missed Call Text Back")
    }
    website, missed = by_automation["Website Chatbot"], by_automation["Missed Call Text Back"]
    assert share(missed, "Lead Created", "True") > share(website, "Lead Created", "True")
    assert share(missed, "Engaged", "Yes") < 0.6 * share(website, "Engaged", "Yes")
