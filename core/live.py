"""Parts of a page that refresh by themselves."""

from collections.abc import Callable

import streamlit as st

from core import visit
from core.errors import DatabaseError
from core.standing import Standing

# How often live parts ask (seconds): while an import runs, otherwise, and while the database is down.
BUSY, IDLE, DOWN = 1.0, 10.0, 2.0


def show(part: Callable[[Standing], None], *, rarely: bool = False) -> None:
    """A part of the page that refreshes alone; when an import begins or ends, the whole page does.

    It refreshes once a second while an import runs, unless it need only be `rarely`.
    """
    before, theme = visit.view().standing, visit.theme()

    @visit.while_served()
    def refresh() -> None:
        if not visit.person().may_look:
            st.rerun()
        try:
            standing = visit.recent_standing()
        except DatabaseError:
            st.rerun()
        # Charts are drawn for one theme.
        if _mark(standing) != _mark(before) or visit.theme() != theme:
            st.rerun()
        part(standing)

    st.fragment(refresh, run_every=BUSY if before.running and not rarely else IDLE)()


def _mark(standing: Standing) -> tuple[object, ...]:
    """What makes the whole page another one when it changes."""
    running = standing.running
    return (running["id"] if running else standing.version, bool(standing.beat["paused"]))


def until_up() -> None:
    """Draw the page again as soon as the database answers, or who looks may no longer."""

    @visit.while_served()
    def retry() -> None:
        if not visit.person().may_look:
            st.rerun()
        try:
            visit.standing()
        except DatabaseError:
            return
        st.rerun()

    st.fragment(retry, run_every=DOWN)()
