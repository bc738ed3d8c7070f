"""Imports: what ran, what runs, run it now; and one import's own view by `?run=`."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from core import (
    actions,
    charts,
    figures,
    grids,
    live,
    loglines,
    outcome,
    panels,
    readable,
    timetable,
    visit,
    words,
)
from core.emptiness import never_imported
from core.links import RUN, go, link
from core.names import COUNTERS, JOBS, MODES, TRIGGERS, WELL
from core.palette import RESULTS, WORDS
from core.questions import ask_now
from core.standing import Standing

RUNS, SLOTS, LINES = 500, 200, 200
NO_RUN = "–"
# What a result is called; missed and paused are what becomes of slots.
IMPORT_RESULTS = {name: ink.label for name, ink in RESULTS.items() if name not in {"missed", "paused"}}


def panels_of(standing: Standing) -> None:
    """What runs and what comes next, of one height."""
    left, right = st.columns([3, 2])
    with left:
        panel(standing)
    with right:
        schedule(standing)


def panel(standing: Standing) -> None:
    """What runs now, or how the last import ended."""
    with st.container(border=True, key="panel", height="stretch"):
        running, progress = standing.running, standing.report.progress
        if running is None:
            st.header("No import is running", anchor=False)
            last_one()
            return
        st.header(f"Import {running['id']} is running", anchor=False)
        st.caption(f"{MODES[running['mode']]}. Started by: {words.plain(readable.starter({**running}))}.")
        st.progress(outcome.share(standing), text=outcome.doing(standing))
        numbers = {
            "Records": words.number(progress.records if progress else 0),
            "Records a second": words.number(round(progress.records_per_second)) if progress else NO_RUN,
            "Time left": words.duration(round(progress.seconds_left))
            if progress and progress.seconds_left
            else NO_RUN,
        }
        with st.container(horizontal=True, gap="large"):
            for name, value in numbers.items():
                st.metric(name, value, width="content")
        if running["cancel_requested_by"]:
            st.caption(f"{words.plain(running['cancel_requested_by'])} asked it to stop.")


def last_one() -> None:
    """How the last import ended, or that there was none."""
    runs = ask_now(figures.runs, 1)
    if not runs:
        st.caption(never_imported(view))
        return
    st.caption("The last one:")
    outcome.line(runs[0])
    if runs[0]["status"] not in WELL and runs[0]["errors"]:
        st.markdown(words.plain(runs[0]["errors"][-1]["message"]))


def schedule(standing: Standing) -> None:
    """What comes next by itself, and the switch."""
    with st.container(border=True, key="schedule", height="stretch"):
        beat, jobs = standing.beat, standing.report.scheduler.jobs
        if beat["paused"]:
            st.header("The schedule is paused", anchor=False)
            st.caption(f"By {words.plain(beat['changed_by'])}, {view.told(beat['changed_at'])}.")
        else:
            st.header("Next imports", anchor=False)
            for job in jobs:
                told = words.soon(job.next_run, view.now, view.zone)
                st.markdown(f"{JOBS.get(job.id, job.id)}: **{told}**")
            if not jobs:
                st.caption("No server keeps the schedule just now.")
        actions.schedule_button(paused=bool(beat["paused"]))


def several(label: str, options: Mapping[str, str], key: str) -> list[str]:
    """A choice of several, kept in the address; nothing chosen means all."""
    picked = st.multiselect(
        label,
        list(options),
        placeholder="All",
        format_func=options.__getitem__,
        key=key,
        bind="query-params",
    )
    return picked or list(options)


def choose(rows: list[dict[str, Any]]) -> None:
    """The table of imports; a pressed row opens the import."""
    if not rows:
        st.caption("No import is like that.")
        return
    st.caption(grids.HOW_TO_OPEN.format("import"))
    shown = readable.runs(rows, view.told)
    pressed = grids.openable("All imports", shown)
    grids.save("Imports", shown)
    for index in pressed:
        go("imports", run=str(rows[index]["id"]))


def one(import_id: int) -> None:
    """An import's own view."""
    link("imports", "All imports", ":material/arrow_back:")
    run = ask_now(figures.run, import_id)
    if run is None:
        st.title(f"Import {import_id}", anchor=False)
        st.warning("There is no such import.", icon=":material/search_off:")
        return
    headline(run)
    if run["status"] == "running":
        live.show(panel)
        return
    outcome.reasons(run)
    made_up_for(run)
    refused(run)
    counters(run)
    details(run)


def headline(run: Mapping[str, Any]) -> None:
    """Which import it is, how it ended, and the button that stops it or runs it again."""
    running = run["status"] == "running"
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        with st.container(horizontal=True, vertical_alignment="center", width="content"):
            st.title(f"Import {run['id']}", anchor=False, width="content")
            outcome.badge(run["status"])
        with st.container(horizontal=True, width="content"):
            if running:
                actions.import_buttons()
            elif run["status"] != "succeeded" and since(run) is None:
                actions.run_again_button(run)
    told = f"{MODES[run['mode']]}. Started by: {words.plain(readable.starter(run))}, "
    pages, batches = words.counted(run["pages"], "page"), words.counted(run["batches"], "batch", "batches")
    took = "" if running else f", took {words.duration(readable.seconds(run))}, {pages} in {batches}"
    st.markdown(f"{told}{view.told(run['started_at'])}{took}.")
    if run["notes"]:
        st.info(words.plain(run["notes"]), icon=":material/sticky_note_2:")


def since(run: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The later import that succeeded and that the state of things rests on; null where there is none."""
    last = view.standing.last_ended
    if last is None or last["status"] != "succeeded" or last["id"] <= run["id"]:
        return None
    return {**last}


def made_up_for(run: Mapping[str, Any]) -> None:
    """Whether an import that did not succeed still matters, and then whose it is to mend it."""
    later = since(run)
    if run["status"] == "succeeded":
        return
    if later is None:
        outcome.leave_to_operators()
    else:
        link(
            "imports",
            f"Import {later['id']} has succeeded since",
            ":material/check_circle:",
            run=str(later["id"]),
        )


def counters(run: Mapping[str, Any]) -> None:
    """What was counted, and how the four totals changed."""
    left, right = st.columns(2)
    with left:
        st.header("Records", anchor=False)
        frame = pd.DataFrame(
            [{"What": shown, "Records": words.number(run[name])} for name, shown in COUNTERS.items()]
        )
        st.table(frame, border="horizontal", hide_index=True)
    with right:
        st.header("Totals", anchor=False)
        if run["conversations"] is None:
            st.caption("It ended before its totals were counted.")
            return
        before = ask_now(figures.earlier_totals, run["id"])
        st.table(readable.change_of_totals(before, run), border="horizontal", hide_index=True)


def refused(run: Mapping[str, Any]) -> None:
    """A mass deletion that was refused: what would go, and the button that allows it."""
    if not run["refused_deletions"]:
        return
    st.header("Deletions that were refused", anchor=False)
    st.write(
        f"Airtable no longer shows {words.counted(len(run['refused_deletions']), 'record')}. Look whether "
        "its table and view are right. If they are really gone, an operator may allow it: all is read again, "
        "and what is absent is deleted."
    )
    title = "Refused deletions"

    def asked(limit: int) -> pd.DataFrame:
        return ask_now(figures.refused_deletions, run["id"], limit)

    standing = asked(grids.limit(title))
    if standing.empty:
        st.caption("Since then they were deleted: none of them is in the figures any more.")
        return
    actions.allow_deletion_button()
    grids.records(title, standing, asked)


def details(run: Mapping[str, Any]) -> None:
    """Rejected records and log lines."""
    title = f"Rejected by import {run['id']}"

    def asked(limit: int) -> pd.DataFrame:
        return ask_now(figures.rejected, run["id"], limit)

    rejected = asked(grids.limit(title))
    more = "+" if len(rejected) >= grids.limit(title) else ""
    with st.expander(f"Newly rejected records ({words.number(len(rejected))}{more})"):
        if run["rejected"] > len(rejected) and not more:
            st.caption("Records that an earlier import had rejected stand there, and in Data quality.")
        grids.records(title, rejected, asked)
    period = run["started_at"], run["completed_at"]
    lines = loglines.of_import(view.settings.log_dir, run["id"], *period, LINES)
    with st.expander(f"Log lines ({words.number(len(lines))})", expanded=run["status"] not in WELL):
        st.caption(f"Newest first, {LINES} at most, from {loglines.FILE}.")
        if lines:
            grids.draw("Log lines", loglines.table(lines[::-1], view.zone))
            grids.save_lines("Log lines", lambda: loglines.written(lines), f"import-{run['id']}.log")


view = visit.view()
wanted = st.query_params.get(RUN, "")
if wanted.isdecimal():
    one(int(wanted))
    st.stop()

with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
    with st.container(width="content"):
        panels.heading("Imports", "What ran, what runs, and what comes next.")
    with st.container(horizontal=True, width="content"):
        actions.import_buttons()
live.show(panels_of)

runs = ask_now(figures.runs, RUNS)
as_of = view.standing.as_of
passed = timetable.of(view.settings).unserved(as_of, view.now) if as_of else []
slots = ask_now(figures.slots, SLOTS, passed)
if not runs:
    st.stop()

panels.chart(
    "Imports by start, and the seconds they took",
    charts.inked(charts.timeline(runs, slots, view.zone), WORDS[visit.theme()]),
    readable.runs(runs, view.told),
    "A mark for each result; a number tells how many lie together. Scheduled imports that did not run "
    "stand on the base line.",
)
if not slots.empty:
    with st.expander(f"Scheduled imports that did not run ({words.number(len(slots))})"):
        grids.draw("Scheduled imports that did not run", readable.missed(slots, view.told))

st.header("All imports", anchor=False)
left, middle, right = st.columns(3)
with left:
    results = several("Result", IMPORT_RESULTS, "result")
with middle:
    modes = several("Reads", MODES, "mode")
with right:
    triggers = several("Started by", TRIGGERS, "trigger")
choose(
    [run for run in runs if run["status"] in results and run["mode"] in modes and run["trigger"] in triggers]
)
