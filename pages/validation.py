"""Validation: are the totals what they should be, and what in the data is odd?"""

from functools import partial
from typing import cast

import pandas as pd
import streamlit as st

from core import charts, figures, grids, panels, queries, questions, readable, visit, words
from core.emptiness import unfilled
from core.names import COUNT_NAMES, INCONSISTENCIES
from core.questions import ask, ask_now, drawn
from core.rules import SEEDED_AUTOMATIONS, name_key

RUNS = 200
UNEXPECTED = (
    "No expected totals are set, so there is nothing to compare with. Whoever runs the server sets them "
    "(`EXPECTED_CONVERSATIONS`, `EXPECTED_BOOKINGS`, `EXPECTED_LEADS`, `EXPECTED_ENGAGED`)."
)


def behind(code: str, limit: int) -> pd.DataFrame:
    """So many of the newest records behind an inconsistency that is one of records."""
    found = ask_now(figures.behind, code, settings.booking_years, seeded, limit)
    return cast("pd.DataFrame", found)


view = visit.view()
panels.heading("Validation", "Do the totals agree with what is expected, and what in the data is odd?")
if unfilled(view):
    st.stop()

settings = view.settings
seeded = [name_key(name) for name in SEEDED_AUTOMATIONS]
report = questions.validation()
totals = ask(queries.totals, settings.expected_as_of)
course = ask_now(figures.course, RUNS)

off = [COUNT_NAMES[metric.metric].lower() for metric in report.metrics if not metric.ok]
if view.standing.first_runs:
    st.info("The first import is running: totals are still on their way.", icon=":material/sync:")
elif view.unsettled:
    st.info("Totals are compared once an import has succeeded.", icon=":material/hourglass_empty:")
elif not report.metrics:
    st.info(UNEXPECTED, icon=":material/info:")
elif off:
    st.warning(f"Not as expected: {', '.join(off)}.", icon=":material/warning:")
else:
    st.success("All totals are as expected.", icon=":material/verified:")
if report.metrics:
    compared = readable.expectations(report, totals)
    shown = compared.drop(columns="Verdict") if view.unsettled else compared
    st.table(shown, border="horizontal", hide_index=True)
    if settings.expected_as_of is not None:
        st.caption(f"Compared are conversations up to {words.day(settings.expected_as_of)}.")
    if settings.expected_tolerance_percent:
        st.caption(f"Differences up to {settings.expected_tolerance_percent:g} % are taken as equal.")

st.header("What in the data is odd", anchor=False)
if not report.inconsistencies:
    st.success("Nothing was found.", icon=":material/verified:")
for found in report.inconsistencies:
    label = f"**{words.number(found.count)}** {INCONSISTENCIES[found.code]}"
    with st.expander(label, key=f"odd {found.code}", on_change="rerun") as box:
        if not box.open:
            continue
        st.write(found.message)
        title = INCONSISTENCIES[found.code]
        records = ask(figures.behind, found.code, settings.booking_years, seeded, grids.limit(title))
        if records is not None:
            grids.records(title, records, partial(behind, found.code))

st.header("Totals, import by import", anchor=False)
st.caption("As each import left them." + (" Dashed: what is expected." if report.metrics else ""))
expected = {metric.metric: metric.expected for metric in report.metrics}
# Row by row: on a narrow screen one column would follow the other.
places = (*st.columns(2), *st.columns(2))
for place, measure in zip(places, ("conversations", "bookings", "leads", "engaged"), strict=True):
    known = course.dropna(subset=measure)
    with place:
        panels.chart(
            COUNT_NAMES[measure],
            drawn(charts.course, known, measure, expected.get(measure), view.zone),
            readable.course(known, measure, expected.get(measure), view.told),
        )
