"""Tables as files."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.export import FORMULA, csv, file_name

AS_OF = datetime(2026, 11, 24, 6, 0, tzinfo=ZoneInfo("America/New_York"))


@pytest.mark.parametrize("start", FORMULA)
def test_a_cell_that_starts_like_a_formula_is_text(start: str) -> None:
    """A clinic named `=cmd()` must not run in whoever's spreadsheet opens the export."""
    written = csv(pd.DataFrame({f"{start}head": [f"{start}cell"]})).decode("utf-8-sig")
    assert f"'{start}head" in written
    assert f"'{start}cell" in written


def test_numbers_stay_numbers() -> None:
    """A negative difference is no formula."""
    assert csv(pd.DataFrame({"Difference": [-3, 4]})).decode("utf-8-sig") == "Difference\n-3\n4\n"


@given(st.text(max_size=50))
def test_no_text_is_written_as_a_formula(text: str) -> None:
    """Whatever a cell holds."""
    if any("\ud800" <= mark <= "\udfff" for mark in text):
        return
    cell = csv(pd.DataFrame({"A": [text]})).decode("utf-8-sig").removeprefix("A\n").removeprefix('"')
    assert not cell.rstrip("\r\n").startswith(FORMULA)


def test_the_files_name_says_what_it_shows_and_when() -> None:
    """Filters and the data's moment; nothing that a file system dislikes."""
    name = file_name("Booking rate by clinic", ("1–31 Oct 2025", "Bäck & Neck/Spine"), AS_OF)
    assert name == "booking-rate-by-clinic_1-31-oct-2025_bäck-neck-spine_data-as-of-2026-11-24T0600-0500.csv"
    assert file_name("Imports", (), None) == "imports_no-import-yet.csv"
