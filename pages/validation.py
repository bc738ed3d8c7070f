"""Validation: are the totals what they should be, and what in the data is odd?"""

import pandas as pd
import streamlit as st

from core import charts, figures, reports, ui, words
from core.rules import SEEDED_AUTOMATIONS, name_key

RUNS = 200

view = ui.view()
ui.heading("Validation", "Do the totals agree with what is expected, and what in the data is odd?")
if view.standing.last_success is None and ui.unfilled(view):
    st.stop()

settings = view.settings
report = ui.ask_now(reports.validation, settings)
course = ui.ask_now(figures.course, RUNS)

ui.verdict(report)
if report.metrics:
    st.table(ui.metrics_table(report), border="horizontal")
    if settings.expected_as_of is not None:
        st.caption(f"Compared are conversations up to {words.day(settings.expected_as_of)}.")
    if settings.expected_tolerance_percent:
        st.caption(f"Differences up to {settings.expected_tolerance_percent:g} % are taken as equal.")

st.subheader("What in the data is odd", anchor=False)
if not report.inconsistencies:
    st.success("Nothing was found.", icon=":material/verified:")
for found in report.inconsistencies:
    with st.expander(f"**{words.number(found.count)}** {ui.INCONSISTENCIES[found.code]}"):
        st.write(found.message)
        seeded = [name_key(name) for name in SEEDED_AUTOMATIONS]
        records = ui.ask_now(figures.behind, found.code, settings.booking_years, seeded, ui.ROWS_SHOWN)
        if records is not None:
            ui.records_table(ui.INCONSISTENCIES[found.code], records)

st.subheader("Totals, import by import", anchor=False)
st.caption("As each import left them. Dashed: what is expected.")
expected = {metric.metric: metric.expected for metric in report.metrics}
columns = st.columns(2)
for place, measure in enumerate(("conversations", "bookings", "leads", "engaged")):
    known = course.dropna(subset=measure)
    with columns[place % 2]:
        ui.chart(
            ui.COUNT_NAMES[measure],
            charts.course(known, measure, expected.get(measure), ui.told_moment),
            ui.course_table(known, measure, expected.get(measure)),
        )
