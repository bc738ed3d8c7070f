"""The log viewer: the newest lines of a log file by level and import; it needs no database."""

import streamlit as st

from core import grids, loglines, words
from core.settings import Settings

ANY_LEVEL = "All levels"
LEVELS = {name.capitalize(): name for name in loglines.LEVELS}
LINES = 500


def draw(settings: Settings, *, database_up: bool) -> None:
    """What to show, and the lines; with a database also as CSV, whose name says what the data are as of."""
    st.header("Logs", anchor=False)
    file, level, run = _chosen()
    levels = loglines.LEVELS if level == ANY_LEVEL else (LEVELS[level],)
    lines = loglines.read(settings.log_dir, file, levels, run, LINES)
    if not lines:
        st.info("There are no such lines in the current file.", icon=":material/info:")
        return
    shown = loglines.table(lines[::-1], settings.timezone, of_all=True)
    folder = words.plain(str(settings.log_dir))
    st.caption(f"{words.counted(len(lines), 'line')}, newest first, {LINES} at most, from {folder}.")
    grids.draw("Log lines", shown)
    with st.container(horizontal=True):
        if database_up:
            grids.save("Log lines", shown)
        grids.save_lines("Log lines", lambda: loglines.written(lines), file)


def _chosen() -> tuple[str, str, int | None]:
    """File, level and import, which live in the address."""
    left, middle, right = st.columns(3)
    with left:
        file = st.selectbox("File", loglines.FILES, key="file", bind="query-params")
    with middle:
        level = st.selectbox("Level", [ANY_LEVEL, *LEVELS], key="level", bind="query-params")
    with right:
        run = st.number_input(
            "Import",
            min_value=1,
            value=None,
            step=1,
            placeholder="All imports",
            key="import",
            bind="query-params",
        )
    return file, level, run
