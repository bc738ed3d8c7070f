"""What a new customer is called by several of its conversations in one batch."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from core.records import Column, Row
from core.rules import Ruleset, decide
from core.store import latest_contacts

RULESET = Ruleset({column: column.value for column in Column}, ("2025",), ZoneInfo("UTC"))
EARLY, LATE = "2025-03-14T10:00:00Z", "2025-03-14T11:00:00Z"


def _row(record: str, moment: str, user: str = "user-1", **cells: str) -> Row:
    named = {Column[name.upper()].value: cell for name, cell in cells.items()}
    fields: dict[str, Any] = {Column.CLINIC.value: "Spine Center", Column.USER_ID.value: user} | named
    row = decide({"id": record, "createdTime": moment, "fields": fields}, RULESET)
    assert isinstance(row, Row)
    return row


@pytest.mark.parametrize(
    ("rows", "name", "email"),
    [
        pytest.param([_row("rec1", EARLY, name="Ann", email="a@x")], "Ann", "a@x", id="one"),
        pytest.param([_row("rec1", EARLY)], None, None, id="nothing is said"),
        pytest.param(
            [_row("rec1", LATE, name="Ann"), _row("rec2", EARLY, name="Old")], "Ann", None, id="the later one"
        ),
        pytest.param(
            [_row("rec1", EARLY, name="Ann", email="a@x"), _row("rec2", LATE, name="Eve", email=" ")],
            *("Eve", "a@x"),
            id="what the later one leaves out stays",
        ),
        pytest.param(
            [_row("recB", LATE, name="Ann"), _row("recA", LATE, name="Eve")], "Ann", None, id="by record id"
        ),
    ],
)
def test_the_latest_that_is_said_counts(rows: list[Row], name: str | None, email: str | None) -> None:
    """Each of name and email by itself: the latest non-blank one, then by record id (spec, section 2)."""
    expected = {"external_id": "user-1", "name": name, "email": email, "phone": None}
    assert latest_contacts(rows) == [expected]
    assert latest_contacts(reversed(rows)) == [expected]


def test_each_customer_by_itself() -> None:
    """A User ID is another customer; its conversations say nothing of the first."""
    said = latest_contacts([_row("rec1", EARLY, phone="555"), _row("rec2", LATE, user="user-2")])
    assert {one["external_id"]: one["phone"] for one in said} == {"user-1": "555", "user-2": None}
