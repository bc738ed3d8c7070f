"""Overview: is it fresh, complete, and how are we doing?"""

import streamlit as st

from core import charts, figures, periods, ui, words
from core.palette import RATES
from core.periods import Unit

# A rate of fewer conversations than this says little about a clinic.
ENOUGH = 30
SHOWN = 5

view = ui.view()
with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
    with st.container(width="content"):
        ui.heading("Overview", "What came in, and what became of it.")
    with st.container(horizontal=True, width="content"):
        ui.import_buttons()

if ui.empty(view):
    st.stop()

total = ui.ask(figures.totals, view.filters)
compared = periods.before(view.filters.period)
earlier = ui.ask(figures.totals, view.filters.within(compared)) if compared else None
days = ui.ask(figures.series, view.filters, Unit.DAY)
weeks = ui.ask(figures.series, view.filters, Unit.WEEK)
clinics = ui.ask(figures.by_clinic, view.filters)

columns = st.columns(4)
for column, measure in zip(columns, ("conversations", "bookings", "leads", "engaged"), strict=True):
    with column:
        ui.card(measure, total, earlier, compared, weeks)
ui.validation_line()

left, right = st.columns(2)
open_days = {day for day in days["start"] if periods.unfinished(day, Unit.DAY, view.as_of_day)}
open_weeks = {
    week
    for week in weeks["start"]
    if periods.unfinished(week, Unit.WEEK, view.as_of_day)
    or periods.cut(week, Unit.WEEK, view.filters.period)
}
with left:
    ui.chart(
        "Conversations by day",
        charts.conversations(days, Unit.DAY, open_days),
        ui.counted(days, {"start": "Day"}, RATES),
        "Hatched: a day that is not over yet." if open_days else "Each conversation on its own date.",
    )
with right:
    ui.chart(
        "Rates by week, in percent of conversations",
        charts.rates(weeks, Unit.WEEK, open_weeks),
        ui.counted(weeks, {"start": "Week from"}, RATES),
        "Hollow: a week that is not over or not whole." if open_weeks else "Weeks start on Monday.",
    )

enough = clinics[clinics["conversations"] >= ENOUGH]
ranked = enough.assign(order=enough["bookings"] / enough["conversations"]).sort_values("order")
best, worst, recent = st.columns(3)
with best:
    st.subheader("Highest booking rates", anchor=False)
    ui.ranking(ranked.iloc[::-1].head(SHOWN))
with worst:
    st.subheader("Lowest booking rates", anchor=False)
    ui.ranking(ranked.head(SHOWN))
with recent:
    st.subheader("Last imports", anchor=False)
    for run in ui.ask_now(figures.runs, SHOWN):
        ui.import_link(run)
st.caption(
    f"Booking rates: among the {words.number(len(ranked))} clinics with {ENOUGH} conversations or more."
)
