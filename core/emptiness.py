"""Pages without a figure to show: why that is, and what to do."""

import streamlit as st

from core import figures, outcome, periods, words
from core.figures import Filters
from core.links import ALL_AUTOMATIONS, ALL_CLINICS, link, link_to
from core.outcome import WITH_BUTTONS
from core.questions import ask
from core.visit import View


def empty(view: View) -> bool:
    """Whether there is nothing to show here; if so, says why and what to do."""
    if ask(figures.totals, view.filters).conversations:
        return False
    if not unfilled(view):
        _show_empty_period(view)
    return True


def unfilled(view: View) -> bool:
    """Whether no import has brought any data yet; if so, says why and what to do."""
    if ask(figures.totals, Filters()).conversations:
        return False
    ended = view.standing.last_ended
    if view.standing.running is not None:
        st.info("The first import is running. Figures appear as it goes on.", icon=":material/sync:")
    elif ended is not None and ended["errors"]:
        told = words.plain(ended["errors"][-1]["message"])
        st.error(f"There are no data yet. {told}", icon=":material/error:")
        outcome.leave_to_operators()
        link("imports", "See what happened", ":material/arrow_forward:", run=str(ended["id"]))
    elif ended is not None and ended["rejected"]:
        _show_all_rejected(ended["rejected"])
    elif ended is not None:
        st.info("The table that is imported holds no conversations.", icon=":material/info:")
    else:
        st.info(never_imported(view), icon=":material/info:")
        if view.page not in WITH_BUTTONS:
            link("imports", "Go to Imports", ":material/arrow_forward:")
    return True


def never_imported(view: View) -> str:
    """That there was no import yet, and how the first one begins."""
    begin = outcome.ask_for(f"start the first import, which reads all records of {view.source}")
    return f"Nothing is imported yet. To fill the pages, {begin}."


def _show_all_rejected(count: int) -> None:
    st.warning(
        f"{words.counted(count, 'record was', 'records were')} read, and none could be taken.",
        icon=":material/block:",
    )
    link("quality", "See why", ":material/arrow_forward:")


def _show_empty_period(view: View) -> None:
    last = ask(figures.extent, view.filters.within(periods.ALL_TIME)).last
    if last is None:
        st.info("There are no conversations with these filters at any time.", icon=":material/info:")
        link_to("overview", "Show all conversations", clinic=ALL_CLINICS, automation=ALL_AUTOMATIONS)
        return
    month = periods.whole_month(last)
    st.info(
        f"There are no conversations in this period ({words.span(view.filters.period)}). "
        f"The last one was on {words.day(last)}.",
        icon=":material/event_busy:",
    )
    ends = {"from": str(month.first), "to": str(month.last)}
    link_to(view.page, f"Show {words.span(month)}", ":material/arrow_forward:", period=periods.CUSTOM, **ends)
