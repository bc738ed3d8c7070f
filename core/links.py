"""Ways from page to page: links that keep the filters, and links that change them."""

from collections.abc import Collection, Mapping

import streamlit as st

from core import periods, visit
from core.settings import ROOT

PAGES = ROOT / "pages"
RECORD, RUN = "record", "run"
ALL_CLINICS, ALL_AUTOMATIONS = "All clinics", "All automations"
SHOW, HERE = "show-", "show-here"
# The filters' names in the address, with what stands for no filter.
DEFAULTS: Mapping[str, str | None] = {
    "period": next(iter(periods.PRESETS)),
    "from": None,
    "to": None,
    "clinic": ALL_CLINICS,
    "automation": ALL_AUTOMATIONS,
}


def address(**others: str) -> dict[str, str]:
    """The query of a link that keeps the filters, with others beside them."""
    kept = {key: str(st.session_state[key]) for key in DEFAULTS if st.session_state.get(key) is not None}
    return {key: value for key, value in kept.items() if DEFAULTS[key] != value} | others


def link(page: str, label: str, icon: str | None = None, **others: str) -> None:
    """A link to a page that keeps the filters.

    A link within a page does not reach the browser's address: `HERE` makes the page put it there.
    """
    here = {HERE: "1"} if page == visit.view().page else {}
    st.page_link(PAGES / f"{page}.py", label=label, icon=icon, query_params=address(**others) | here)


def link_to(page: str, label: str, icon: str | None = None, **filters: str) -> None:
    """A link to a page that changes filters.

    What a drawn filter shows outweighs its name in the address, and one not drawn yet takes its value from
    there alone: so the link says both `clinic=…` and `show-clinic=…`.
    """
    merged = {**address(), **filters}
    named = {key: value for key, value in merged.items() if DEFAULTS[key] != value}
    wanted = {f"{SHOW}{key}": value for key, value in filters.items()}
    st.page_link(PAGES / f"{page}.py", label=label, icon=icon, query_params=named | wanted)


def go(page: str, filters: Mapping[str, str] | None = None, **others: str) -> None:
    """Go to a page at once, with these filters changed; a filter's own name may not be set by a program."""
    wanted = {f"{SHOW}{key}": value for key, value in (address() | dict(filters or {})).items()}
    st.switch_page(st.Page(PAGES / f"{page}.py"), query_params=wanted | others)


def follow(clinics: Collection[str], automations: Collection[str]) -> None:
    """Set the filters that a link wants, before they are drawn; a value that does not exist is ignored."""
    if HERE in st.query_params:
        del st.query_params[HERE]
    known = {
        "period": {*periods.PRESETS, periods.CUSTOM},
        "clinic": {ALL_CLINICS, *clinics},
        "automation": {ALL_AUTOMATIONS, *automations},
    }
    for key in DEFAULTS:
        wanted = st.query_params.get(f"{SHOW}{key}")
        if wanted is None:
            continue
        del st.query_params[f"{SHOW}{key}"]
        if key not in known:
            st.session_state[key] = periods.day_or_none(wanted)
        elif wanted in known[key]:
            st.session_state[key] = wanted
