"""Imports: what ran, what runs, run it now; and one import's own view by `?run=`."""

import streamlit as st

from core import charts, figures, ui
from core.palette import RESULTS

RUNS = 500
SLOTS = 200

view = ui.view()
wanted = st.query_params.get("run", "")
if wanted.isdecimal():
    ui.run_view(int(wanted))
    st.stop()

with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
    with st.container(width="content"):
        ui.heading("Imports", "What ran, what runs, and what comes next.")
    with st.container(horizontal=True, width="content"):
        ui.import_buttons()

left, right = st.columns([3, 2])
with left:
    ui.live(ui.import_panel)
with right:
    ui.live(ui.schedule_panel)

runs = ui.ask_now(figures.runs, RUNS)
slots = ui.ask_now(figures.slots, SLOTS)
if not runs:
    st.info("No import has run yet.", icon=":material/info:")
    st.stop()

ui.chart(
    "Imports by start, and how many seconds they took",
    charts.timeline(runs, slots, ui.told_moment),
    ui.runs_table(runs, slots),
    "Marks differ by result. Slots of the schedule that did not run stand on the base line.",
)

st.subheader("All imports", anchor=False)
with st.container(horizontal=True):
    results = st.pills(
        "Result",
        [result for result in RESULTS if any(run["status"] == result for run in runs)],
        selection_mode="multi",
        format_func=lambda result: RESULTS[result].label,
        key="result",
        bind="query-params",
    )
    modes = st.pills(
        "Reads",
        ["full", "incremental"],
        selection_mode="multi",
        format_func=ui.MODES.__getitem__,
        key="mode",
        bind="query-params",
    )
    triggers = st.pills(
        "Started by",
        list(ui.TRIGGERS),
        selection_mode="multi",
        format_func=ui.TRIGGERS.__getitem__,
        key="trigger",
        bind="query-params",
    )
ui.choose_run(
    [
        run
        for run in runs
        if (not results or run["status"] in results)
        and (not modes or run["mode"] in modes)
        and (not triggers or run["trigger"] in triggers)
    ]
)
