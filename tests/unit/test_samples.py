"""The samples behind `test-rules` and `GET /api/test/data-processor` (spec, sections 5 and 6)."""

import json
from collections import Counter
from datetime import UTC, date, datetime

import pytest

from core import rules, samples
from core.records import Column, DateStatus, Reason, Rejection, Row


def test_every_sample_holds() -> None:
    """The rules make of each sample what was written down for it by hand."""
    assert [sample["name"] for sample in samples.check() if not sample["ok"]] == []


def test_a_broken_rule_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a rule changes, its samples fail, and show what was made of them; the others hold."""
    monkeypatch.setattr(rules, "DEFAULT_AUTOMATION", "Chat")
    failed = [sample for sample in samples.check() if not sample["ok"]]
    assert "blank automation" in [sample["name"] for sample in failed]
    assert "no clinic" not in [sample["name"] for sample in failed]
    assert {sample["result"]["automation"] for sample in failed} == {"Chat"}
    assert {sample["expected"]["automation"] for sample in failed} == {"Website Chatbot"}


def test_samples_travel_as_json() -> None:
    """All that the API shows of a sample is JSON in UTF-8, although some cells could not be."""
    shown = samples.check()
    assert json.loads(json.dumps(shown, allow_nan=False, ensure_ascii=False).encode()) == shown
    assert {"name", "cells", "expected", "result", "ok"} == set(shown[0])


def test_samples_cover_the_rules() -> None:
    """Every column, date status and reason that the rules know has a sample; names are unique."""
    shown = samples.check()
    assert max(Counter(sample["name"] for sample in shown).values()) == 1
    assert {name for sample in shown for name in sample["cells"]} == set(Column)
    assert {sample["result"].get("dateStatus") for sample in shown} >= set(DateStatus)
    decided_later = {Reason.DATABASE_ERROR}
    assert {sample["result"].get("reason") for sample in shown} >= set(Reason) - decided_later


def test_a_decision_as_json() -> None:
    """The rule tester shows each field of a row under its JSON name, moments in UTC with `Z`."""
    row = Row(
        external_id="rec1",
        clinic="Clinic",
        clinic_key="clinic",
        automation="Automation",
        automation_key="automation",
        user_id="User ID",
        name="Name",
        email="Email",
        phone="Phone",
        occurred_at=datetime(2025, 3, 14, 3, 30, tzinfo=UTC),
        date_status=DateStatus.READ,
        local_date=date(2025, 3, 13),
        local_hour=23,
        engaged=True,
        lead_created=False,
        booking_text="Booking",
        booked_for=datetime(2025, 3, 20, 13, 0, 0, 250_000, tzinfo=UTC),
        other_booking_text=None,
    )
    assert samples.as_json(row) == {
        "status": "row",
        "clinic": "Clinic",
        "automation": "Automation",
        "userId": "User ID",
        "name": "Name",
        "email": "Email",
        "phone": "Phone",
        "occurredAt": "2025-03-14T03:30:00Z",
        "dateStatus": "read",
        "localDate": "2025-03-13",
        "localHour": 23,
        "engaged": True,
        "leadCreated": False,
        "bookingText": "Booking",
        "bookedFor": "2025-03-20T13:00:00.250000Z",
        "otherBookingText": None,
    }


def test_a_rejection_as_json() -> None:
    """The rule tester shows a rejection's reason."""
    rejection = Rejection("rec1", Reason.TOO_LONG, {})
    assert samples.as_json(rejection) == {"status": "rejected", "reason": "too_long"}
