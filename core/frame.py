"""The frame around every page: menu, status line, filters, and what is said where no page can be."""

from typing import Any

import streamlit as st

from core import actions, live, logviewer, outcome, service, sidebar, statusline, visit
from core.errors import DatabaseError
from core.links import PAGES
from core.settings import ROOT
from core.standing import Standing
from core.visit import View

TITLE = "JointChiro Data Dashboard"
FAVICON = ROOT / "assets" / "favicon.png"


def pages() -> list[Any]:
    """The pages of the menu."""
    return [
        st.Page(PAGES / "overview.py", title="Overview", icon=":material/dashboard:", default=True),
        st.Page(PAGES / "imports.py", title="Imports", icon=":material/sync:"),
        st.Page(PAGES / "rates.py", title="Rates", icon=":material/trending_up:"),
        st.Page(PAGES / "clinics.py", title="Clinics", icon=":material/storefront:"),
        st.Page(PAGES / "validation.py", title="Validation", icon=":material/fact_check:"),
        st.Page(PAGES / "quality.py", title="Data quality", icon=":material/rule:"),
        st.Page(PAGES / "system.py", title="System", icon=":material/settings:"),
    ]


@visit.while_served()
def around(page: Any) -> None:  # noqa: ANN401 (Streamlit does not name the class that it returns)
    """Status line and filters around one page; a database that is down is what the page then shows."""
    actions.close_contact()
    if not visit.person().may_look:
        _show_signed_out()
        return
    try:
        standing = visit.standing()
        sidebar.learn(standing)
        looked = _look(standing, page.url_path or "overview")
        visit.begin(looked)
        sidebar.note(looked)
        sidebar.signed_in()
        live.show(statusline.draw, rarely=statusline.told_below(standing))
        outcome.incomplete(standing)
        actions.show_answer()
        page.run()
    except DatabaseError as error:
        _show_down(error, page.url_path)


def _look(standing: Standing, page: str) -> View:
    settings, now = service.current().settings, visit.now()
    filters, names = sidebar.filters(now.astimezone(settings.timezone).date())
    return View(settings, now, standing, filters, names, visit.person(), page)


def _show_down(error: DatabaseError, page: str) -> None:
    """Say that the database is down, and come back when it is up again; System still has its logs."""
    if sidebar.known():
        sidebar.filters(visit.now().date())  # a filter that is not drawn would leave the address
    sidebar.signed_in()
    st.title("The database cannot be reached")
    st.error(error.message, icon=":material/database_off:")
    settings, logs_follow = service.current().settings, page == "system"
    where = "below" if logs_follow else "System"
    st.write(
        "Figures and imports need the database. This page tries again every two seconds and comes back by "
        f"itself. `error.log` in `{settings.log_dir.name}` has more: see {where}."
    )
    live.until_up()
    if logs_follow:
        logviewer.draw(settings, database_up=False)


def _show_signed_out() -> None:
    """An open page outlives its sign-in: from then on it shows nothing."""
    st.title("Your sign-in has ended")
    st.info("Reload the page to sign in again.", icon=":material/lock:")
