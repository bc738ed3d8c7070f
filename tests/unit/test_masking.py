"""Contact data as pages may show them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import masking
from core.masking import HIDDEN
from core.records import Column

COLUMNS = {column: column.value for column in Column}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("alice@example.com", "a***@example.com"),
        ("a@example.com", "a***@example.com"),
        ("a@b@example.com", "a***@example.com"),
        ("@example.com", "@***"),
        ("alice@", "a***"),
        ("Alice Stone", "A*** S***"),
        ("alice@example.com (Alice Stone)", "a*** (*** S***"),
        ("alice@example.com, +1 212 555-0187", "a*** +*** 2*** 5***"),
        ("alice@example.com,212-555-0187", "a***"),
    ],
)
def test_an_address_keeps_its_first_letter_and_its_host(value: str, shown: str) -> None:
    """Enough to tell two apart."""
    assert masking.email(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [("(212) 555-0187", "***87"), ("+12125550187", "***87"), ("0187", "***"), ("call me", "***")],
)
def test_a_telephone_number_keeps_two_digits(value: str, shown: str) -> None:
    """Too few digits to begin with show none."""
    assert masking.phone(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [("Alice  Stone", "A*** S***"), ("Al", "A***"), ("", "***")],
)
def test_a_name_keeps_its_initials(value: str, shown: str) -> None:
    """And how many parts it has."""
    assert masking.name(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [("user-17", "us***"), ("u-17", "***"), ("alice@example.com", "a***@example.com")]
)
def test_a_user_id_keeps_its_beginning(value: str, shown: str) -> None:
    """Where that leaves enough to hide."""
    assert masking.identifier(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("Spine Center 2025", "Spine Center 2025"),
        ("Spine, ask alice@example.com", "Spine, ask a***@example.com"),
        ("Spine (212) 555-0187", "Spine (***"),
        ("Spine 212\u2011555\u20130187", "Spine ***"),
        ("Spine 212\u00a0555\u00a00187", "Spine ***"),
        ("x" * 100, "x" * 79 + "…"),
    ],
)
def test_other_text_is_shown_without_what_looks_like_contact(value: str, shown: str) -> None:
    """People write addresses and numbers into whatever cell is there."""
    assert masking.wording(value) == shown


@pytest.mark.parametrize(
    "value",
    [
        "2025-03-14T14:30:00.000Z",
        "2025-03-14 20:30:00 +0200",
        "3/14/2025 2:30 PM",
        "March 14, 2025",
        "14 March 2025",
        "Friday, March 14, 2025 10:00am",
        "Mar 14, 2025 at 02:30 PM EST",
        "2025",
    ],
)
def test_a_date_is_shown_as_it_is_written(value: str) -> None:
    """Its digits are no telephone number, its words no name."""
    assert masking.MASKS[Column.CONVERSATION_DATE](value) == value


@pytest.mark.parametrize(
    "value",
    ["212-555-0187", "12 34 56 78", "2125550187", "Alice Stone", "March 14, 2025, Alice", "May Stone"],
)
def test_what_is_no_date_is_hidden_in_a_dates_cell(value: str) -> None:
    """A name or a number in the wrong cell."""
    assert masking.MASKS[Column.CONVERSATION_DATE](value) == masking.name(value)


@pytest.mark.parametrize("column", [Column.ENGAGED, Column.LEAD_CREATED])
def test_only_yes_and_no_are_shown_of_a_flag(column: Column) -> None:
    """A name or a number in the wrong cell."""
    assert [masking.MASKS[column](value) for value in ("Yes", "no", "Alice Stone", "212-555-0187")] == [
        "Yes",
        "no",
        "A*** S***",
        "2***",
    ]


def test_cells_are_masked_by_their_column() -> None:
    """Blank cells are left out; of an object nothing is told."""
    kept: dict[str, object] = {
        "Clinic": ["Spine", "Center"],
        "User ID": 123456.0,
        "Email": "alice@example.com",
        "Phone": "",
        "Name": {"error": "#ERROR!"},
        "Conversation Date": "2025-03-14T14:30:00.000Z",
        "Booking": "Call Alice Stone 2025",
        "Another": "column",
    }
    assert masking.cells(kept, COLUMNS) == {
        "Clinic": "Spine, Center",
        "User ID": "12***",
        "Email": "a***@example.com",
        "Conversation Date": "2025-03-14T14:30:00.000Z",
        "Booking": "C*** A*** S*** 2***",
    }
    assert masking.cells(kept, COLUMNS, masked=False)["Booking"] == "Call Alice Stone 2025"
    assert masking.cells(None, COLUMNS) == {}


def test_every_column_has_its_mask() -> None:
    """A new column is not shown in the clear by oversight."""
    assert set(masking.MASKS) == set(Column)


@given(st.sampled_from([Column.NAME, Column.EMAIL, Column.PHONE, Column.USER_ID]), st.text(min_size=1))
def test_no_contact_survives_its_mask(column: Column, value: str) -> None:
    """Whatever is written, something of it is hidden."""
    shown = masking.MASKS[column](value)
    assert HIDDEN in shown
    assert shown != value or HIDDEN in value


@given(st.from_regex(r"[a-z]{2,20}@[a-z]{2,9}\.com", fullmatch=True), st.sampled_from(list(Column)))
def test_no_address_is_shown_in_any_column(address: str, column: Column) -> None:
    """An address in the wrong cell is hidden all the same."""
    assert address not in masking.MASKS[column](f"ask {address}")
