"""An import in a badge, a line or a bar: how it ended, or how far it is."""

from collections.abc import Mapping
from typing import Any, cast

import streamlit as st

from core import visit, words
from core.links import link
from core.names import WELL
from core.palette import RESULTS
from core.standing import Standing

# The pages that have the import buttons themselves.
WITH_BUTTONS = frozenset({"overview", "imports"})
# Each result's colour and icon.
MARKS: Mapping[str, tuple[str, str]] = {
    "succeeded": ("green", ":material/check_circle:"),
    "partial": ("orange", ":material/warning:"),
    "failed": ("red", ":material/error:"),
    "cancelled": ("gray", ":material/cancel:"),
    "interrupted": ("violet", ":material/power_off:"),
    "running": ("blue", ":material/sync:"),
}


def last(ended: Mapping[str, Any]) -> None:
    """How the last import ended, and the way to why where it did not succeed."""
    color, icon = MARKS[ended["status"]]
    label = RESULTS[ended["status"]].label.lower()
    st.badge(f"Last import {label}", icon=icon, color=cast("Any", color))
    if ended["status"] not in WELL:
        link("imports", "See why", ":material/arrow_forward:", run=str(ended["id"]))


def incomplete(standing: Standing) -> None:
    """That every figure lacks records, and what completes them; nothing once an import has succeeded."""
    if not standing.broken_off:
        return
    with st.container(border=True, key="incomplete", gap="xsmall"):
        st.markdown(
            ":red[:material/error:] **The figures are incomplete.** The first import did not succeed, and "
            f"records are missing from all figures. To complete them, {ask_for('import everything')}."
        )
        if visit.view().person.may_press and visit.view().page not in WITH_BUTTONS:
            link("imports", "Go to Imports", ":material/arrow_forward:")


def ask_for(deed: str) -> str:
    """What is to be done, by whom: a viewer is not told to do what operators alone may."""
    return deed if visit.view().person.may_press else f"ask an operator to {deed}"


def reasons(ended: Mapping[str, Any]) -> None:
    """What an import says of its end, as grave as its result."""
    box = {"failed": st.error, "cancelled": st.info}.get(ended["status"], st.warning)
    for error in ended["errors"]:
        box(words.plain(error["message"]), icon=MARKS[ended["status"]][1])


def leave_to_operators() -> None:
    """Tell a viewer, who is advised to mend something, whose work that is; nothing to operators."""
    if not visit.view().person.may_press:
        st.caption("You may look only: ask an operator to see to it.")


def trouble(ended: Mapping[str, Any]) -> None:
    """Why the last import did not succeed, in words, and the way to its own view; nothing where it did."""
    if ended["status"] in WELL:
        return
    color, icon = MARKS[ended["status"]]
    when = words.soon(ended["started_at"], visit.view().now, visit.view().zone)
    with st.container(border=True, key="trouble", gap="xsmall"):
        st.markdown(
            f":{color}[{icon}] **Import {ended['id']} {RESULTS[ended['status']].label.lower()}**, {when}. "
            f"{words.plain(ended['errors'][-1]['message'])}"
        )
        leave_to_operators()
        again = ", run it again" if visit.view().person.may_press else ""
        link("imports", f"See what happened{again}", ":material/arrow_forward:", run=str(ended["id"]))


def badge(status: str) -> None:
    """An import's result as a badge."""
    color, icon = MARKS[status]
    st.badge(RESULTS[status].label, icon=icon, color=cast("Any", color))


def line(run: Mapping[str, Any]) -> None:
    """One line of an import that leads to its own view; short, for a link does not wrap."""
    when = words.soon(run["started_at"], visit.view().now, visit.view().zone)
    told = words.listed(
        (
            f"**#{run['id']}** {RESULTS[run['status']].label.lower()}",
            when,
            words.counted(run["processed"], "record"),
        )
    )
    link("imports", told, MARKS[run["status"]][1], run=str(run["id"]))


def share(standing: Standing) -> float:
    """How much of a running import is done, 0 where nobody can know."""
    known = standing.report.progress
    return known.fraction or 0.0 if known else 0.0


def doing(standing: Standing) -> str:
    """What a running import does just now."""
    known = standing.report.progress
    if known is None:
        return "Starting"
    until = words.soon(known.waiting_until, visit.now(), visit.view().zone) if known.waiting_until else ""
    return words.listed((known.message.removesuffix("."), f"waiting until {until}" if until else ""))


def progress(standing: Standing) -> str:
    """What a running import does, and how far it is."""
    known = standing.report.progress
    if known is None:
        return doing(standing)
    parts = [
        doing(standing),
        words.counted(known.records, "record"),
        f"{words.number(round(known.records_per_second))} a second" if known.records else "",
        f"about {words.duration(round(known.seconds_left))} left" if known.seconds_left else "",
    ]
    return words.listed(parts)
