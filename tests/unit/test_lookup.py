"""A record by what people know of it."""

import pytest

from core import lookup


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
    assert lookup.sought(typed) == wanted


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
    assert lookup.record_address(base, "My table", record) == address
