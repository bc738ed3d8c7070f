"""The filters of every page; they live in the address, so that a link shows the same view."""

from datetime import date

import streamlit as st

from core import figures, links, periods, questions, visit, words
from core.figures import Filters
from core.links import ALL_AUTOMATIONS, ALL_CLINICS
from core.people import LOCAL, Role
from core.periods import Period
from core.signin import SIGN_OUT
from core.standing import Standing
from core.visit import View

CHOICES = "_choices"
ROLES = {Role.OPERATOR: "operator", Role.VIEWER: "viewer, may look only"}
# In the same tab: Streamlit's own links to addresses open another one, and this page would stay. In the
# theme's own colour: a browser's blue is hard to read on dark.
SIGN_OUT_LINK = f'<a href="{SIGN_OUT}" target="_self" style="color: inherit">Sign out</a>'
UNFILTERED = frozenset({"imports", "validation", "quality", "system"})


def learn(standing: Standing) -> None:
    """Learn the names of clinics and automations; raises as `ask` does."""
    st.session_state[CHOICES] = (
        questions.remembered(standing.version, "clinics", (), figures.clinics),
        questions.remembered(standing.version, "automations", (), figures.automations),
    )


def known() -> bool:
    """Whether the names were learnt, in this run of the script or an earlier one."""
    return CHOICES in st.session_state


def filters(today: date) -> tuple[Filters, tuple[str, ...]]:
    """The sidebar's filters, which live in the address; answers them, and in words."""
    clinics, automations = st.session_state[CHOICES]
    links.follow(clinics, automations)
    with st.sidebar:
        preset = st.selectbox("Period", [*periods.PRESETS, periods.CUSTOM], key="period", bind="query-params")
        custom = _custom_period() if preset == periods.CUSTOM else Period()
        clinic = st.selectbox("Clinic", [ALL_CLINICS, *clinics], key="clinic", bind="query-params")
        automation = st.selectbox(
            "Automation", [ALL_AUTOMATIONS, *automations], key="automation", bind="query-params"
        )
    period = periods.chosen(preset, today, custom)
    names = (
        words.span(period) if period != periods.ALL_TIME else "",
        clinic if clinic in clinics else "",
        automation if automation in automations else "",
    )
    return (
        Filters(period, clinics.get(clinic), automations.get(automation)),
        tuple(name for name in names if name),
    )


def _custom_period() -> Period:
    return Period(
        st.date_input("From", value=None, key="from", bind="query-params", format="YYYY-MM-DD"),
        st.date_input("To", value=None, key="to", bind="query-params", format="YYYY-MM-DD"),
    )


def note(view: View) -> None:
    """What the filters apply to, and where days begin."""
    with st.sidebar:
        if view.page in UNFILTERED:
            st.caption("This page counts all data. The filters apply to Overview, Rates and Clinics.")
        st.caption(f"Days and times in {view.zone}.")


def signed_in() -> None:
    """Who looks, as what, and the way out; nothing where nobody had to sign in."""
    person = visit.person()
    if person == LOCAL:
        return
    with st.sidebar, st.container(key="person", gap="xsmall"):
        st.caption(f"Signed in as **{words.plain(person.name)}** ({ROLES[person.role]}).")
        if visit.may_sign_out():
            st.html(SIGN_OUT_LINK)
        else:
            st.caption("To sign out, do so where you signed in.")
