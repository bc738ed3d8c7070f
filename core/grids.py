"""Tables of a page: drawn, saved as CSV, and with rows that open what they stand for."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

import pandas as pd
import streamlit as st

from core import export, readable, visit, words
from core.links import RECORD, go
from core.names import RECORD_NAMES

# How many records a table shows at first, by how much more at a press, and at most: a browser holds no more.
ROWS_SHOWN, TIMES_MORE, MOST_ROWS = 500, 10, 50_000
HOW_TO_OPEN = "Press a row's box to open the {}; by keyboard, Shift and Space in its row."
MOMENT_WIDTH = 165  # pixels
# Streamlit gives a column of text 500 pixels at most, and cuts what is longer off in the middle of a word.
LONG_TEXT, CHARACTER_WIDTH, WIDEST = 65, 7, 1000
TURN = "_turn"

# Wide enough for a moment: widths are guessed from the first rows, where these may be empty.
_MOMENTS: Mapping[str, Any] = {
    RECORD_NAMES[name]: st.column_config.TextColumn(width=MOMENT_WIDTH)
    for name in ("booked_for", "resolved_at")
}


def draw(
    title: str,
    frame: pd.DataFrame,
    columns: Mapping[str, Any] | None = None,
    **options: Any,  # noqa: ANN401 (Streamlit's own)
) -> Any:  # noqa: ANN401 (Streamlit's own)
    """A table that scrolls by itself: counts with thousands separated, rates with one decimal.

    `columns` are drawn otherwise: as links or lines.
    """
    formats: dict[str, Any] = {
        name: st.column_config.NumberColumn(
            format="localized" if pd.api.types.is_integer_dtype(frame[name]) else "%.1f"
        )
        for name in frame.columns
        if pd.api.types.is_numeric_dtype(frame[name]) and name != "Import"
    }
    formats |= {name: st.column_config.TextColumn(width=width) for name, width in _long_texts(frame).items()}
    formats |= {name: kind for name, kind in _MOMENTS.items() if name in frame.columns}
    days = [name for name in frame.columns if len(frame) and isinstance(frame[name].iloc[0], date)]
    formats |= {name: st.column_config.DateColumn(format="D MMM YYYY") for name in days}
    formats |= columns or {}
    return st.dataframe(
        frame, hide_index=True, alt=title, column_config=formats, placeholder=words.NOTHING, **options
    )


def _long_texts(frame: pd.DataFrame) -> dict[str, int]:
    """The columns that hold long texts, with the pixels that the longest needs; the table scrolls."""
    longest = {
        name: max((len(value) for value in frame[name] if isinstance(value, str)), default=0)
        for name in frame.columns
    }
    return {
        name: min(length * CHARACTER_WIDTH, WIDEST) for name, length in longest.items() if length > LONG_TEXT
    }


def save(title: str, frame: pd.DataFrame | Callable[[], pd.DataFrame]) -> None:
    """A button that saves a table as CSV, with filters and the data's moment in the file's name.

    What makes the table is asked when somebody presses, outside of any page.
    """
    looked = visit.view()
    as_of = looked.standing.as_of
    name = export.file_name(title, looked.filter_names, as_of.astimezone(looked.zone) if as_of else None)
    st.download_button(
        "Save as CSV",
        lambda: export.csv(frame() if callable(frame) else frame),
        file_name=name,
        mime="text/csv",
        key=f"save {title}",
        icon=":material/download:",
        on_click="ignore",
    )


def save_lines(title: str, lines: Callable[[], str], file: str) -> None:
    """A button that saves lines of a log as they were written, for whoever needs more than their words."""
    st.download_button(
        "Save as written",
        lines,
        file_name=file,
        mime="text/plain",
        key=f"written {title}",
        icon=":material/download:",
        on_click="ignore",
    )


def limit(title: str) -> int:
    """How many records the table of this title shows just now: to ask for no more."""
    shown: int = st.session_state.get(_rows_key(title), ROWS_SHOWN)
    return shown


def _rows_key(title: str) -> str:
    return f"rows {title}"


def _show_more(title: str) -> None:
    st.session_state[_rows_key(title)] = min(limit(title) * TIMES_MORE, MOST_ROWS)


def _cut(title: str, *, saved: int) -> None:
    """Say that there may be more than the table shows, and how to come by it."""
    shown = limit(title)
    told = f"The newest {words.number(shown)} are shown"
    if shown >= MOST_ROWS:
        st.caption(f"{told} and saved. Filters narrow them down.")
        return
    more_saved = f"; the CSV file holds up to {words.number(saved)}" if saved > shown else " and saved"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{told}{more_saved}.", width="content")
        more = words.number(min(shown * TIMES_MORE, MOST_ROWS))
        st.button(f"Show up to {more}", key=f"more {title}", on_click=_show_more, args=(title,))


def openable(title: str, shown: pd.DataFrame, columns: Mapping[str, Any] | None = None) -> Sequence[int]:
    """A table whose rows open something; answers the pressed one's index, if one was pressed just now.

    The next such table is another one to Streamlit: whoever comes back, however soon, finds nothing pressed.
    """
    turn: int = st.session_state.get(TURN, 0)
    options = {"on_select": "rerun", "selection_mode": "single-row", "key": f"{title} {turn}"}
    pressed: Sequence[int] = draw(title, shown, columns, **options).selection.rows
    if pressed:
        st.session_state[TURN] = turn + 1
    return pressed


def records(title: str, frame: pd.DataFrame, asked: Callable[[int], pd.DataFrame]) -> None:
    """Records of whatever kind as a table; its CSV holds more than it shows: what is `asked` for so many."""
    if frame.empty:
        st.caption("There are none.")
        return
    zone = visit.view().zone
    shown = readable.records(frame, zone)
    pick(
        title,
        shown,
        list(frame["external_id"]),
        saved=lambda: readable.records(asked(MOST_ROWS)[list(frame.columns)], zone),
    )


def pick(
    title: str,
    shown: pd.DataFrame,
    ids: Sequence[str],
    columns: Mapping[str, Any] | None = None,
    saved: Callable[[], pd.DataFrame] | None = None,
) -> None:
    """A table of records with its CSV, of what is shown or `saved`; a pressed row opens its record."""
    st.caption(HOW_TO_OPEN.format("record"))
    pressed = openable(title, shown, columns)
    more = len(ids) >= limit(title)
    if more:
        _cut(title, saved=MOST_ROWS if saved else limit(title))
    save(title, saved if saved and more else shown)
    for index in pressed:
        go("quality", None, **{RECORD: ids[index]})
