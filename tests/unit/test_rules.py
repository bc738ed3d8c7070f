"""The rules of one record (spec, section 2)."""

import json
from dataclasses import astuple, replace
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.records import Column, DateStatus, Decision, Reason, Rejection, Row
from core.rules import DEFAULT_AUTOMATION, SEEDED_AUTOMATIONS, Ruleset, decide, name_key, quarantined

RULESET = Ruleset(
    columns={column: str(column) for column in Column},
    booking_years=("2025", "2026"),
    timezone=ZoneInfo("America/New_York"),
)
PLAIN = {"Clinic": "Spine Center", "User ID": "user-1"}


def _record(**changes: object) -> dict[str, object]:
    return {"id": "rec1", "createdTime": "2025-01-15T12:00:00.000Z", "fields": PLAIN, **changes}


def _row(cells: dict[str, object], ruleset: Ruleset = RULESET) -> Row:
    decision = decide(_record(fields={**PLAIN, **cells}), ruleset)
    assert isinstance(decision, Row)
    return decision


def _rejection(raw: object, ruleset: Ruleset = RULESET) -> Rejection:
    decision = decide(raw, ruleset)
    assert isinstance(decision, Rejection)
    return decision


def test_a_full_record() -> None:
    """Each column lands in its own field, and other columns nowhere."""
    cells = {
        "Clinic": "Spine  Center",
        "User ID": " User-1 ",
        "Name": "Ann",
        "Email": "ann@example.com",
        "Phone": "555-0100",
        "Automation": "SMS  Follow-up",
        "Conversation Date": "2025-03-14 23:30",
        "Engaged": "yes",
        "Lead Created": True,
        "Booking": "March 20, 2025 9:00 AM",
        "Notes": "private",
    }
    assert decide(_record(fields=cells), RULESET) == Row(
        external_id="rec1",
        clinic="Spine Center",
        clinic_key="spine center",
        automation="SMS Follow-up",
        automation_key="sms follow-up",
        user_id="User-1",
        name="Ann",
        email="ann@example.com",
        phone="555-0100",
        occurred_at=datetime(2025, 3, 15, 3, 30, tzinfo=UTC),
        date_status=DateStatus.READ,
        local_date=date(2025, 3, 14),
        local_hour=23,
        engaged=True,
        lead_created=True,
        booking_text="March 20, 2025 9:00 AM",
        booked_for=datetime(2025, 3, 20, 13, 0, tzinfo=UTC),
        other_booking_text=None,
    )


def test_a_bare_record() -> None:
    """Clinic and User ID alone make a row: created when Airtable says, by the default automation."""
    assert _row({}) == Row(
        external_id="rec1",
        clinic="Spine Center",
        clinic_key="spine center",
        automation="Website Chatbot",
        automation_key="website chatbot",
        user_id="user-1",
        name=None,
        email=None,
        phone=None,
        occurred_at=datetime(2025, 1, 15, 12, 0, tzinfo=UTC),
        date_status=DateStatus.ABSENT,
        local_date=date(2025, 1, 15),
        local_hour=7,
        engaged=False,
        lead_created=False,
        booking_text=None,
        booked_for=None,
        other_booking_text=None,
    )


def test_renamed_and_switched_off_columns() -> None:
    """Cells are found by their outside names; a column that is switched off is as if it were empty."""
    ruleset = replace(RULESET, columns={Column.CLINIC: "fldA", Column.USER_ID: "fldB", Column.PHONE: "fldC"})
    cells = {
        "fldA": "Back Office",
        "fldB": "u",
        "fldC": "555",
        "Clinic": "Spine",
        "Automation": "x",
        "Name": "Ann",
    }
    row = decide(_record(fields=cells), ruleset)
    assert isinstance(row, Row)
    assert (row.clinic, row.user_id, row.phone, row.name) == ("Back Office", "u", "555", None)
    assert row.automation == DEFAULT_AUTOMATION


@pytest.mark.parametrize(
    ("cell", "shown", "key"),
    [
        (" Spine \n Center ", "Spine Center", "spine center"),
        ("SPINE CENTER", "SPINE CENTER", "spine center"),
        ("Straße", "Straße", "strasse"),
        (["", "Spine", "Back"], "Spine", "spine"),
        (12.0, "12", "12"),
        (True, "Yes", "yes"),
    ],
)
def test_names(cell: object, shown: str, key: str) -> None:
    """Clinic and automation show as written, white space folded, and are compared without their case."""
    row = _row({"Clinic": cell, "Automation": cell})
    assert (row.clinic, row.clinic_key) == (shown, key)
    assert (row.automation, row.automation_key) == (shown, key)
    assert name_key(f" {shown.upper()}\t") == key


@pytest.mark.parametrize("cell", [None, "", "  ", [], [" "], False, {"error": "#ERROR!"}])
def test_absent_automation(cell: object) -> None:
    """A missing automation is the website's chatbot."""
    assert _row({"Automation": cell}).automation == "Website Chatbot"


def test_seeded_automations() -> None:
    """The five automations that `seed` loads are the spec's, each a name of its own."""
    assert SEEDED_AUTOMATIONS == (
        "Website Chatbot",
        "Missed Call Text Back",
        "SMS Follow-up",
        "Reactivation Campaign",
        "Facebook Messenger",
    )


@pytest.mark.parametrize(
    ("cell", "timezone", "status", "occurred_at", "local_date", "local_hour"),
    [
        ("2025-03-14", "America/New_York", "read", "2025-03-14T04:00", "2025-03-14", 0),
        ("2025-03-14T02:00:00Z", "America/New_York", "read", "2025-03-14T02:00", "2025-03-13", 22),
        ("2025-03-14T14:30:00Z", "Asia/Kolkata", "read", "2025-03-14T14:30", "2025-03-14", 20),
        (["2025-03-14"], "UTC", "read", "2025-03-14T00:00", "2025-03-14", 0),
        ("2025", "America/New_York", "unreadable", "2025-01-15T12:00", "2025-01-15", 7),
        (True, "UTC", "unreadable", "2025-01-15T12:00", "2025-01-15", 12),
        (False, "UTC", "absent", "2025-01-15T12:00", "2025-01-15", 12),
        (" ", "UTC", "absent", "2025-01-15T12:00", "2025-01-15", 12),
        ("9999-12-31T23:00:00Z", "UTC", "read", "9999-12-31T23:00", "9999-12-31", 23),
        ("9999-12-31T23:00:00Z", "Pacific/Auckland", "unreadable", "2025-01-15T12:00", "2025-01-16", 1),
        ("0001-01-01T01:00:00Z", "America/New_York", "unreadable", "2025-01-15T12:00", "2025-01-15", 7),
    ],
)
def test_when_it_took_place(
    *, cell: object, timezone: str, status: str, occurred_at: str, local_date: str, local_hour: int
) -> None:
    """The cell's moment where it can be read and shown in the zone, else `createdTime`."""
    row = _row({"Conversation Date": cell}, replace(RULESET, timezone=ZoneInfo(timezone)))
    assert row.date_status == status
    assert row.occurred_at == datetime.fromisoformat(occurred_at).replace(tzinfo=UTC)
    assert (row.local_date.isoformat(), row.local_hour) == (local_date, local_hour)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        *[("Yes", True), ("YES", True), (" yes\n", True), (True, True), (["Yes"], True), (["", True], True)],
        *[
            ("No", False),
            ("", False),
            (None, False),
            (False, False),
            (1, False),
            ("true", False),
            ("Y", False),
        ],
        *[(["Yes", "Yes"], False), ({"yes": "Yes"}, False), ("Yes!", False)],
    ],
)
def test_engaged_and_lead(cell: object, expected: bool) -> None:
    """`Yes` in any case or a ticked checkbox means yes, and nothing else does."""
    row = _row({"Engaged": cell})
    assert (row.engaged, row.lead_created) == (expected, False)
    row = _row({"Lead Created": cell})
    assert (row.engaged, row.lead_created) == (False, expected)


@pytest.mark.parametrize(
    ("cell", "booking_text", "booked_for", "other_booking_text"),
    [
        ("3/20/2025 9:00 AM", "3/20/2025 9:00 AM", "2025-03-20T13:00", None),
        ("March 20, 2026", "March 20, 2026", "2026-03-20T04:00", None),
        (" call in 2025 ", "call in 2025", None, None),
        ("March 14-16, 2025", "March 14-16, 2025", None, None),
        ("ref120257", "ref120257", None, None),
        (2025.0, "2025", None, None),
        (["3/20/2025", "9 AM"], "3/20/2025, 9 AM", "2025-03-20T13:00", None),
        ("3/20/2024", None, None, "3/20/2024"),
        ("tomorrow", None, None, "tomorrow"),
        (" ", None, None, None),
        ({"error": "2025"}, None, None, None),
        ("1/1/2025 and 9999-12-31", "1/1/2025 and 9999-12-31", None, None),
    ],
)
def test_booking(
    cell: object, booking_text: str | None, booked_for: str | None, other_booking_text: str | None
) -> None:
    """A Booking that contains one of the years makes a booking; any other text is kept apart."""
    row = _row({"Booking": cell})
    moment = booked_for and datetime.fromisoformat(booked_for).replace(tzinfo=UTC)
    assert (row.booking_text, row.booked_for, row.other_booking_text) == (
        booking_text,
        moment,
        other_booking_text,
    )


def test_booking_that_the_zone_cannot_show() -> None:
    """A booking beyond the end of time in the local zone keeps its text and has no moment."""
    ruleset = replace(RULESET, booking_years=("9999",), timezone=ZoneInfo("Pacific/Auckland"))
    row = _row({"Booking": "9999-12-31T23:00:00Z"}, ruleset)
    assert (row.booking_text, row.booked_for) == ("9999-12-31T23:00:00Z", None)


LONG = "x" * 501


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"Clinic": None}, Reason.MISSING_CLINIC),
        ({"Clinic": [" ", False]}, Reason.MISSING_CLINIC),
        ({"Clinic": None, "User ID": None}, Reason.MISSING_CLINIC),
        ({"Clinic": " ", "User ID": LONG}, Reason.MISSING_CLINIC),
        ({"User ID": " \0 "}, Reason.MISSING_USER_ID),
        ({"User ID": {}, "Clinic": LONG}, Reason.MISSING_USER_ID),
        ({"Clinic": LONG}, Reason.TOO_LONG),
        ({"Automation": LONG}, Reason.TOO_LONG),
        ({"User ID": LONG}, Reason.TOO_LONG),
        ({"User ID": ["x" * 250, "x" * 250]}, Reason.TOO_LONG),
    ],
)
def test_reasons(cells: dict[str, object], reason: Reason) -> None:
    """A record without clinic, without User ID or with one too long is rejected, for the first reason."""
    rejection = _rejection(_record(fields={**PLAIN, **cells}))
    assert (rejection.external_id, rejection.reason) == ("rec1", reason)


def test_lengths_count_after_the_text_rule() -> None:
    """500 characters are taken, white space and lists' other parts aside."""
    limit = "x" * 500
    row = _row({"Clinic": [f"  {limit}  ", "other"], "Automation": f"{limit}\n", "User ID": f"\0{limit} "})
    assert (row.clinic, row.automation, row.user_id) == (limit, limit, limit)


BAD_IDS: list[object] = [None, "", 7, ["rec1"], "rec\0", "rec\ud800", "r" * 501]
BAD_TIMES: list[object] = [None, "", 7, "2025", "soon", "2025-01-15T25:00:00Z", ["2025-01-15"]]
BAD_FIELDS: list[object] = [None, [], "Clinic", 7]
DEEP: object = []
for _ in range(100_000):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    "raw",
    [
        *[None, True, 7, "rec1", [], {}, [{"id": "rec1"}]],
        *(_record(id=bad) for bad in BAD_IDS),
        *(_record(createdTime=bad) for bad in BAD_TIMES),
        *(_record(fields=bad) for bad in BAD_FIELDS),
        pytest.param({"fields": DEEP}, id="deep"),
        pytest.param({"id": 10**5000}, id="huge"),
    ],
)
def test_malformed(raw: object) -> None:
    """What is no record with id, readable `createdTime` and cells is rejected, found again by the same id."""
    rejection = _rejection(raw)
    assert rejection.reason == Reason.MALFORMED_RECORD
    known = isinstance(raw, dict) and raw.get("id") == "rec1"
    assert rejection.external_id.startswith("rec1" if known else "malformed:")
    assert decide(raw, RULESET) == rejection


def test_malformed_before_all_else() -> None:
    """A record without `createdTime` and without clinic is malformed."""
    assert _rejection({"id": "rec1", "fields": {}}).reason == Reason.MALFORMED_RECORD


def test_created_time_without_a_zone() -> None:
    """Airtable's own times are UTC, also where they should not say so."""
    row = decide(_record(createdTime="2025-01-15T12:00:00"), RULESET)
    assert isinstance(row, Row)
    assert row.occurred_at == datetime(2025, 1, 15, 12, 0, tzinfo=UTC)


def test_created_time_must_show_in_the_zone() -> None:
    """A `createdTime` beyond the end of time in the local zone cannot be counted on any day."""
    ruleset = replace(RULESET, timezone=ZoneInfo("Pacific/Auckland"))
    assert _rejection(_record(createdTime="9999-12-31T23:00:00Z"), ruleset).reason == Reason.MALFORMED_RECORD


def test_made_up_ids() -> None:
    """A record without a usable id is named by its content: not by its keys' order, and not like another."""
    one = _rejection({"fields": {"a": 1, "b": 2}}).external_id
    assert one == _rejection({"fields": {"b": 2, "a": 1}}).external_id
    assert one != _rejection({"fields": {"a": 1, "b": 3}}).external_id
    assert len(one) == len("malformed:") + 64


def test_kept_cells() -> None:
    """A rejection keeps the cells that were asked for, by outside name, as `jsonb` takes them."""
    ruleset = replace(RULESET, columns={**RULESET.columns, Column.CLINIC: "fldA"})
    cells = {
        "fldA": [],
        "User ID": "u\0\ud800",
        "Phone": float("nan"),
        "Name": {"k\0": 2**70},
        "Notes": "private",
    }
    expected: dict[str, object] = {
        "fldA": [],
        "User ID": "u\ufffd",
        "Phone": "NaN",
        "Name": {"k": str(2**70)},
    }
    assert _rejection(_record(fields=cells), ruleset) == Rejection("rec1", Reason.MISSING_CLINIC, expected)
    assert _rejection(_record(fields=cells, id=None), ruleset).cells == expected


def test_quarantined() -> None:
    """A record that PostgreSQL refuses is rejected under its own id, with the same cells as any rejection."""
    cells = {**PLAIN, "Notes": "private"}
    expected = Rejection("rec1", Reason.DATABASE_ERROR, dict(PLAIN))
    assert quarantined(_record(fields=cells), RULESET) == expected


ANY_TEXT = st.text(st.characters(exclude_categories=()))
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda parts: st.lists(parts) | st.dictionaries(ANY_TEXT, parts),
    max_leaves=10,
)
LIKELY_CELL = st.sampled_from(
    ["2025-03-14", "3/14/2025 2pm", "9999-12-31T23:59:59Z", "Yes", "Ann\0", "\ud800"]
)
ANY_RECORD = st.fixed_dictionaries(
    {},
    optional={
        "id": st.just("rec1") | ANY_JSON,
        "createdTime": st.just("2025-01-15T12:00:00.000Z") | LIKELY_CELL | ANY_JSON,
        "fields": st.dictionaries(st.sampled_from([*Column, "Notes"]), LIKELY_CELL | ANY_JSON) | ANY_JSON,
    },
)


def _assert_storable(decision: Decision) -> None:
    json.dumps(
        decision.cells if isinstance(decision, Rejection) else {}, allow_nan=False, ensure_ascii=False
    ).encode()
    for value in decision if isinstance(decision, Row) else astuple(decision):
        if isinstance(value, str):
            value.encode()
            assert "\0" not in value
        if isinstance(value, datetime):
            assert value.tzinfo is UTC


@settings(max_examples=200)
@given(ANY_RECORD | ANY_JSON)
def test_whatever_comes(raw: object) -> None:
    """Any JSON whatever ends as a row or a rejection that PostgreSQL can store, the same each time."""
    decision = decide(raw, RULESET)
    assert isinstance(decision, Row | Rejection)
    assert decide(raw, RULESET) == decision
    _assert_storable(decision)


@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from([*map(str, Column), "Notes"]), LIKELY_CELL | ANY_JSON))
def test_whatever_cells_a_record_has(cells: dict[str, object]) -> None:
    """A record with clinic and User ID becomes a storable row, whatever its other cells hold."""
    row = _row({**cells, **PLAIN, "Automation": "Chat"})
    _assert_storable(row)
    filled = {name for name, value in row._asdict().items() if value is not None}
    assert filled >= {"external_id", "clinic_key", "automation_key", "user_id", "occurred_at", "local_date"}
    assert not (row.booking_text and row.other_booking_text)
