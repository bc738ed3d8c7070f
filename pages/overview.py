"""Overview: is it fresh, complete, and how are we doing?"""

import pandas as pd
import streamlit as st

from core import (
    actions,
    charts,
    figures,
    outcome,
    panels,
    periods,
    questions,
    readable,
    tabular,
    uncounted,
    visit,
    words,
)
from core.emptiness import empty
from core.links import link, link_to
from core.names import COUNT_NAMES
from core.periods import Unit
from core.questions import ask, ask_now, drawn, made

# A rate of fewer conversations than this says little about a clinic.
ENOUGH = 30
NONE_RANKED = f"No clinic has {ENOUGH} conversations or more."
SHOWN = 5
DAYS_IN_CARD = 45


def validation_line() -> None:
    """The validation in one line, with a link to its page."""
    report = questions.validation()
    off = [metric for metric in report.metrics if not metric.ok]
    found = len(report.inconsistencies)
    more = ""
    if view.unsettled:
        told, icon = "Totals not compared yet", ":material/hourglass_empty:"
        more = "They are compared once the first import has succeeded."
    elif not report.metrics:
        told, icon = "No expected totals are set", ":material/help:"
    elif off:
        told, icon = "Totals not as expected", ":material/warning:"
        differences = (f"{COUNT_NAMES[metric.metric]} {words.signed(metric.difference)}" for metric in off)
        more = f"Differences: {words.listed(differences)}"
    else:
        told, icon = "Totals as expected", ":material/verified:"
    odd = f"{found} {'things look' if found != 1 else 'thing looks'} odd" if found else "nothing odd"
    link("validation", words.listed((told, odd)), icon)
    if more:
        # Below the link, which does not wrap on a narrow screen.
        st.caption(more)


def ranking(clinics: pd.DataFrame) -> None:
    """Clinics by booking rate, each leading to its rates."""
    for row in tabular.rows(clinics):
        told = f"**{words.rate(row.bookings, row.conversations)}**"
        counts = words.share(row.bookings, row.conversations)
        link_to("rates", f"{told} · {counts} · {words.plain(words.short(row.name))}", clinic=row.name)


view = visit.view()
compared = periods.before(view.filters.period)
against = f"Changes are from {words.span(compared)}." if compared else ""
with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
    with st.container(width="content"):
        panels.heading("Overview", "What came in, and what became of it.", against)
    with st.container(horizontal=True, width="content"):
        actions.import_buttons()

standing = view.standing
if standing.holds_data and standing.last_ended is not None and not standing.first_runs:
    outcome.trouble({**standing.last_ended})
if empty(view):
    st.stop()

total = ask(figures.totals, view.filters)
earlier = ask(figures.totals, view.filters.within(compared)) if compared else None
years = view.settings.booking_years
counted = ask(figures.series, view.filters, Unit.DAY)
within = view.filters.period
days = made(uncounted.by_start, counted, Unit.DAY, within, years)
weeks = made(uncounted.by_start, made(figures.folded, counted, Unit.WEEK), Unit.WEEK, within, years)
clinics = made(uncounted.by_extent, ask(figures.by_clinic, view.filters), years)

open_days, open_weeks = view.unfinished(days, Unit.DAY), view.unfinished(weeks, Unit.WEEK)
# Few days are shown one by one; what is not over yet would end the line in a fall.
unit = Unit.DAY if len(days) <= DAYS_IN_CARD else Unit.WEEK
course, unfinished = (days, open_days) if unit is Unit.DAY else (weeks, open_weeks)
whole = made(tabular.without, course, unfinished)

columns = st.columns(4)
for column, measure in zip(columns, ("conversations", "bookings", "leads", "engaged"), strict=True):
    with column:
        panels.card(measure, total, earlier, whole, unit)
validation_line()

uncounted_years = panels.uncounted_years()
left, right = st.columns(2)
with left:
    panels.chart(
        "Conversations by day",
        drawn(charts.conversations, days, Unit.DAY, open_days),
        made(readable.counted, days, {"start": "Day"}),
        "Hatched: a day that is not over yet." if open_days else "Each conversation on its own date.",
    )
with right:
    panels.chart(
        "Rates by week, in percent of conversations",
        drawn(charts.rates, weeks, Unit.WEEK, open_weeks),
        made(readable.counted, weeks, {"start": "Week from"}),
        f"{'Hollow: a week that is not over or not whole' if open_weeks else 'Weeks start on Monday'}. "
        + (uncounted_years or f"Bookings: those of {', '.join(years)}."),
    )

enough = clinics[(clinics["conversations"] >= ENOUGH) & clinics[tabular.KNOWN]]
ranked = enough.assign(order=enough["bookings"] / enough["conversations"]).sort_values("order")
# Where there are few, no clinic stands in both lists.
listed = min(SHOWN, (len(ranked) + 1) // 2)
none = NONE_RANKED if panels.bookings_known() else uncounted_years
best, worst, recent = st.columns(3)
with best:
    st.header("Highest booking rates", anchor=False)
    ranking(ranked.iloc[::-1].head(listed))
    among = words.counted(len(ranked), "clinic")
    st.caption(f"Among the {among} with {ENOUGH} conversations or more." if listed else none)
with worst:
    st.header("Lowest booking rates", anchor=False)
    ranking(ranked.head(min(listed, len(ranked) // 2)))
    if len(ranked) < 2:  # noqa: PLR2004 (a single one stands among the highest)
        st.caption("There is no other clinic to compare." if listed else none)
with recent:
    st.header("Last imports", anchor=False)
    for run in ask_now(figures.runs, SHOWN):
        outcome.line(run)
