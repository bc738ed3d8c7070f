"""The line at the top of every page: is it fresh, how did the last import end, what runs, what comes next."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

import streamlit as st

from core import outcome, visit, words
from core.freshness import Light, Verdict, verdict
from core.links import RUN
from core.standing import Standing

LIGHTS: Mapping[Light, tuple[str, str]] = {
    Light.GREEN: ("green", ":material/check_circle:"),
    Light.AMBER: ("orange", ":material/warning:"),
    Light.RED: ("red", ":material/error:"),
    Light.NONE: ("gray", ":material/hourglass_empty:"),
}
FIRST = Verdict(Light.NONE, "First import")
DEMO_HELP = (
    "These records are made up. Your own appear once Airtable is connected: whoever runs the server sets its "
    "token and base (`AIRTABLE_API_KEY`, `AIRTABLE_BASE_ID`)."
)


def draw(standing: Standing) -> None:
    """Badges one beside the other, and the bar of a running import."""
    now = visit.now()
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="center", key="status"):
        _freshness_badge(standing, now)
        # While the first import runs, it alone matters: how an earlier try ended would contradict it.
        if standing.last_ended is not None and not standing.first_runs:
            outcome.last({**standing.last_ended})
        _schedule_badge(standing, now)
        if visit.view().settings.demo:
            st.badge("Demo data", icon=":material/science:", color="violet", help=DEMO_HELP)
    if standing.running is not None and not told_below(standing):
        _progress_bar(standing)


def told_below(standing: Standing) -> bool:
    """Whether the page itself shows how far the running import is, and more of it."""
    running = standing.running
    shown = {"", str(running["id"])} if running is not None else set[str]()
    return visit.view().page == "imports" and st.query_params.get(RUN, "") in shown


def _freshness_badge(standing: Standing, now: datetime) -> None:
    as_of, zone = standing.as_of, visit.view().zone
    ended = standing.last_ended["status"] if standing.last_ended else None
    known = verdict(as_of, ended, standing.missed, holds_data=standing.holds_data)
    said = FIRST if standing.first_runs else known
    color, icon = LIGHTS[said.light]
    st.badge(said.words, icon=icon, color=cast("Any", color))
    if as_of is not None:
        told, exactly = words.soon(as_of, now, zone), words.moment(as_of, zone)
        st.badge(
            f"Data as of {told}, {words.age((now - as_of).total_seconds())}",
            icon=":material/database:",
            color=cast("Any", color),
            help=f"All that {visit.view().source} showed on {exactly} is in the figures.",
        )


def _schedule_badge(standing: Standing, now: datetime) -> None:
    if standing.beat["paused"]:
        st.badge("Schedule paused", icon=":material/pause_circle:", color="orange")
    elif standing.report.scheduler.next_run is not None:
        told = words.soon(standing.report.scheduler.next_run, now, visit.view().zone)
        st.badge(f"Next import {told}", icon=":material/schedule:", color="gray")
    else:
        st.badge("No import is scheduled", icon=":material/schedule:", color="gray")


def _progress_bar(standing: Standing) -> None:
    assert standing.running is not None  # noqa: S101 (asked by the callers)
    st.progress(
        outcome.share(standing), text=f"Import {standing.running['id']}: {outcome.progress(standing)}"
    )
