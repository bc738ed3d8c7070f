"""Overview: is it fresh, complete, and how are we doing?"""

import streamlit as st

from core import charts, figures, periods, readable, ui, words
from core.periods import Unit

# A rate of fewer conversations than this says little about a clinic.
ENOUGH = 30
SHOWN = 5
DAYS_IN_CARD = 45

view = ui.view()
compared = periods.before(view.filters.period)
against = f"Changes are from {words.span(compared)}." if compared else ""
with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
    with st.container(width="content"):
        ui.heading("Overview", "What came in, and what became of it.", against)
    with st.container(horizontal=True, width="content"):
        ui.import_buttons()

if ui.empty(view):
    st.stop()

total = ui.ask(figures.totals, view.filters)
earlier = ui.ask(figures.totals, view.filters.within(compared)) if compared else None
days = ui.ask(figures.series, view.filters, Unit.DAY)
weeks = ui.ask(figures.series, view.filters, Unit.WEEK)
clinics = ui.ask(figures.by_clinic, view.filters)

open_days, open_weeks = ui.unfinished(days, Unit.DAY), ui.unfinished(weeks, Unit.WEEK)
# Few days are shown one by one; what is not over yet would end the line in a fall.
unit = Unit.DAY if len(days) <= DAYS_IN_CARD else Unit.WEEK
course, unfinished = (days, open_days) if unit is Unit.DAY else (weeks, open_weeks)
whole = course[~course["start"].isin(list(unfinished))]

columns = st.columns(4)
for column, measure in zip(columns, ("conversations", "bookings", "leads", "engaged"), strict=True):
    with column:
        ui.card(measure, total, earlier, whole, unit)
ui.validation_line()

left, right = st.columns(2)
years = ", ".join(view.settings.booking_years)
with left:
    ui.chart(
        "Conversations by day",
        charts.conversations(days, Unit.DAY, open_days),
        readable.counted(days, {"start": "Day"}),
        "Hatched: a day that is not over yet." if open_days else "Each conversation on its own date.",
    )
with right:
    ui.chart(
        "Rates by week, in percent of conversations",
        charts.rates(weeks, Unit.WEEK, open_weeks),
        readable.counted(weeks, {"start": "Week from"}),
        "Hollow: a week that is not over or not whole."
        if open_weeks
        else f"Weeks start on Monday. Bookings: those of {years}.",
    )

enough = clinics[clinics["conversations"] >= ENOUGH]
ranked = enough.assign(order=enough["bookings"] / enough["conversations"]).sort_values("order")
# Where there are few, no clinic stands in both lists.
listed = min(SHOWN, (len(ranked) + 1) // 2)
best, worst, recent = st.columns(3)
with best:
    st.header("Highest booking rates", anchor=False)
    ui.ranking(ranked.iloc[::-1].head(listed))
with worst:
    st.header("Lowest booking rates", anchor=False)
    ui.ranking(ranked.head(min(listed, len(ranked) // 2)))
with recent:
    st.header("Last imports", anchor=False)
    for run in ui.ask_now(figures.runs, SHOWN):
        ui.import_link(run)
st.caption(
    f"Booking rates: among the {words.number(len(ranked))} clinics with {ENOUGH} conversations or more."
)
