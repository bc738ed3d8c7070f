"""Rates: how do bookings, leads and engagement develop, and where?"""

from dataclasses import replace
from datetime import date
from typing import Any

import streamlit as st

from core import charts, figures, panels, periods, readable, tabular, uncounted, visit, words
from core.emptiness import empty
from core.figures import CLINICS_IN_MULTIPLES
from core.links import link_to
from core.palette import RATES
from core.periods import Period, Unit
from core.questions import ask, drawn, made

AUTOMATIC = "Automatic"
UNITS = {"Day": Unit.DAY, "Week": Unit.WEEK, "Month": Unit.MONTH}
IN_A_ROW = 3

view = visit.view()
panels.heading(
    "Rates", "Bookings, leads and engagement, in percent of conversations.", panels.uncounted_years()
)
if empty(view):
    st.stop()

left, right = st.columns(2)
with left:
    by = st.radio("Rates by", [AUTOMATIC, *UNITS], key="by", bind="query-params", horizontal=True)
with right:
    measure = st.radio(
        "By clinic, automation and hour",
        list(RATES),
        format_func=RATES.__getitem__,
        key="rate",
        bind="query-params",
        horizontal=True,
    )
extent = ask(figures.extent, view.filters)
unit = UNITS.get(by) or periods.fitting_unit(extent.first or view.today, extent.last or view.today)
rate_name = RATES[measure]
counted = view.settings.booking_years
bookings_known = panels.bookings_known()

total = ask(figures.totals, view.filters)
course = made(uncounted.by_start, ask(figures.series, view.filters, unit), unit, view.filters.period, counted)
clinics = made(uncounted.by_extent, ask(figures.by_clinic, view.filters), counted)
automations = made(uncounted.by_extent, ask(figures.by_automation, view.filters), counted)
hours = made(uncounted.all_of, ask(figures.by_hour, view.filters), extent, counted)
steps = Unit.WEEK if unit is Unit.DAY else unit
largest = clinics.head(CLINICS_IN_MULTIPLES)
multiples = made(
    uncounted.by_start,
    ask(figures.clinic_series, view.filters, steps, tuple(map(int, largest["id"]))),
    steps,
    view.filters.period,
    counted,
)
unfinished = view.unfinished(course, unit)

left, right = st.columns([5, 3])
with left:
    point = panels.chart(
        f"Rates by {unit}, in percent of conversations",
        drawn(charts.rates, course, unit, unfinished),
        made(readable.counted, course, {"start": f"{unit.capitalize()} from"}),
        "Press a point for its records."
        + (f" Hollow: a {unit} that is not over or not whole." if unfinished else ""),
        on_select="rerun",
        selection_mode="points",
        key=f"course-{unit}",
    )
with right:
    panels.chart(
        "From conversation to booking",
        drawn(charts.funnel, total, known=bookings_known),
        made(readable.funnel, total, known=bookings_known),
        "Counts, and their share of conversations.",
    )
for picked in panels.selected_points(point)[:1]:
    start = date.fromisoformat(str(picked["x"])[:10])
    within = periods.overlap(Period(start, periods.following(start, unit) - periods.DAY), view.filters.period)
    panels.behind(f"Conversations of {words.span(within)}", view.filters.within(within), "conversations")

if measure == "bookings" and not bookings_known:
    st.info(
        f"{panels.uncounted_years()} So there is no booking rate by clinic, automation or hour; the other "
        "rates are there.",
        icon=":material/info:",
    )
    st.stop()

left, right = st.columns(2)
with left:
    bar = panels.chart(
        f"{rate_name} by clinic",
        drawn(charts.rates_by_name, clinics, measure, total),
        made(readable.counted, clinics, {"name": "Clinic"}),
        "Dashed: all together. Press a bar for its records."
        + (f" Shown: the {charts.MOST_ROWS} largest." if len(clinics) > charts.MOST_ROWS else ""),
        on_select="rerun",
        selection_mode="points",
        key=f"clinics-{measure}",
    )
with right:
    panels.chart(
        f"{rate_name} by automation",
        drawn(charts.rates_by_name, automations, measure, total),
        made(readable.counted, automations, {"name": "Automation"}),
        "Dashed: all together.",
    )
    panels.chart(
        f"{rate_name} by weekday and hour",
        drawn(charts.hours, hours, measure),
        made(readable.counted, made(readable.named_hours, hours), {"weekday": "Weekday", "hour": "Hour"}),
        f"In {view.zone}. A dash: fewer than {charts.ENOUGH_AN_HOUR} conversations.",
    )
for picked in panels.selected_points(bar)[:1]:
    client = int(picked["customdata"][1])
    name = clinics.set_index("id")["name"][client]
    panels.behind(f"Newest {measure} of {name}", replace(view.filters, client=client), measure)


def small(clinic: Any) -> None:  # noqa: ANN401 (a frame's row)
    """One of the many small charts, with the clinic's own counts."""
    with st.container(border=True, height="stretch"):
        link_to("rates", words.plain(words.short(clinic.name)), clinic=clinic.name)
        count, of = getattr(clinic, measure), clinic.conversations
        told = words.rate(count, of) if tabular.known(clinic, measure) else words.NOTHING
        st.caption(f"**{told}** · {words.share(count, of)}")
        st.plotly_chart(
            small_charts[clinic.id],
            config={**charts.CONFIG},
            key=f"small-{clinic.id}",
            alt=f"{rate_name}, {clinic.name}",
        )


if len(largest) > 1:
    unfinished_steps = view.unfinished(multiples, steps)
    small_charts = drawn(charts.multiples, multiples, measure, steps, unfinished_steps)
    panels.headed(
        f"{rate_name} of the {len(largest)} largest clinics",
        made(readable.counted, multiples, {"name": "Clinic", "start": f"{steps.capitalize()} from"}),
        f"By {steps}, all on one scale, in percent of conversations."
        + (f" Hollow: a {steps} that is not over or not whole." if unfinished_steps else ""),
    )
    shown = tabular.rows(largest)
    for first in range(0, len(shown), IN_A_ROW):
        for column, clinic in zip(st.columns(IN_A_ROW), shown[first : first + IN_A_ROW], strict=False):
            with column:
                small(clinic)
