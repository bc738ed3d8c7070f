"""What a table's CSV file holds."""

import csv
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import streamlit as st

from core import grids
from tests.support.site import RECORDS, Site, said

SHOWN = 10


def test_a_file_holds_more_records_than_the_table(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table shows the newest; whoever presses gets all, masked as they are shown. The page says both."""
    pressed: dict[str, Callable[[], bytes]] = {}

    def button(_: str, data: Callable[[], bytes], key: str, **__: Any) -> None:  # noqa: ANN401 (Streamlit's own)
        pressed[key] = data

    monkeypatch.setattr(st, "download_button", button)
    monkeypatch.setattr(grids, "ROWS_SHOWN", SHOWN)
    app = site.visit("clinics", clinic="Clinic 3")
    assert len(app.dataframe[-1].value) == SHOWN
    assert f"The newest {SHOWN} are shown; the CSV file holds up to 50,000." in said(app)
    # Streamlit asks for it in a thread of its own, which knows of no page.
    with ThreadPoolExecutor(1) as pool:
        saved = pool.submit(pressed["save Its newest conversations"]).result().decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(saved)))
    assert len(rows) == RECORDS // 5
    assert list(rows[0]) == list(app.dataframe[-1].value.columns)
    assert "@" not in saved
