"""Tables of a page: drawn, saved as CSV, and with rows that open what they stand for."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from core import export, readable, visit, words
from core.links import RECORD, go

ROWS_SHOWN = 500


def draw(
    title: str,
    frame: pd.DataFrame,
    columns: Mapping[str, Any] | None = None,
    **options: Any,  # noqa: ANN401 (Streamlit's own)
) -> Any:  # noqa: ANN401 (Streamlit's own)
    """A table that scrolls by itself: counts with thousands separated, rates with two decimals.

    `columns` are drawn otherwise: as links or lines.
    """
    formats: dict[str, Any] = {
        name: st.column_config.NumberColumn(
            format="localized" if pd.api.types.is_integer_dtype(frame[name]) else "%.2f"
        )
        for name in frame.columns
        if pd.api.types.is_numeric_dtype(frame[name]) and name != "Import"
    }
    formats |= columns or {}
    return st.dataframe(frame, hide_index=True, alt=title, column_config=formats, **options)


def save(title: str, frame: pd.DataFrame) -> None:
    """A button that saves a table as CSV, with filters and the data's moment in the file's name."""
    looked = visit.view()
    as_of = looked.standing.as_of
    name = export.file_name(title, looked.filter_names, as_of.astimezone(looked.zone) if as_of else None)
    st.download_button(
        "Save as CSV",
        lambda: export.csv(frame),
        file_name=name,
        mime="text/csv",
        key=f"save {title}",
        icon=":material/download:",
        on_click="ignore",
    )


def records(title: str, frame: pd.DataFrame) -> None:
    """Records of whatever kind as a table with its CSV; says where there are more than it shows."""
    if frame.empty:
        st.caption("There are none.")
        return
    shown = readable.records(frame, visit.view().told)
    pick(title, shown, list(frame["external_id"]))


def pick(
    title: str, shown: pd.DataFrame, ids: Sequence[str], columns: Mapping[str, Any] | None = None
) -> None:
    """A table of records with its CSV; a pressed row opens the record with that Airtable id."""
    st.caption("Press a row's box to open the record.")
    options = {"on_select": "rerun", "selection_mode": "single-row", "key": f"pick {title}"}
    picked = draw(title, shown, columns, **options)
    if len(ids) >= ROWS_SHOWN:
        st.caption(f"The newest {words.number(ROWS_SHOWN)} are shown.")
    save(title, shown)
    for index in picked.selection.rows:
        go("quality", **{RECORD: ids[index]})
