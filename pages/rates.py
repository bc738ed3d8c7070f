"""Rates: how do bookings, leads and engagement develop, and where?"""

from dataclasses import replace
from datetime import date

import streamlit as st

from core import charts, figures, periods, ui, words
from core.figures import CLINICS_IN_MULTIPLES
from core.palette import RATES
from core.periods import Period, Unit

AUTOMATIC = "Fitting"
UNITS = {"Day": Unit.DAY, "Week": Unit.WEEK, "Month": Unit.MONTH}
# A rate of fewer conversations than this says little; such clinics are left out of the small charts' scale.
ENOUGH = 20

view = ui.view()
ui.heading("Rates", "Bookings, leads and engagement, in percent of conversations.")
if ui.empty(view):
    st.stop()

with st.container(horizontal=True):
    by = st.segmented_control(
        "By", [AUTOMATIC, *UNITS], default=AUTOMATIC, key="by", bind="query-params", required=True
    )
    measure = st.segmented_control(
        "Rate of clinics, automations and hours",
        list(RATES),
        default="bookings",
        format_func=RATES.__getitem__,
        key="rate",
        bind="query-params",
        required=True,
    )
measure = measure or "bookings"
extent = ui.ask(figures.extent, view.filters)
unit = UNITS.get(by or "") or periods.fitting_unit(extent.first or view.today, extent.last or view.today)
rate_name = RATES[measure]

total = ui.ask(figures.totals, view.filters)
course = ui.ask(figures.series, view.filters, unit)
clinics = ui.ask(figures.by_clinic, view.filters)
automations = ui.ask(figures.by_automation, view.filters)
hours = ui.ask(figures.by_hour, view.filters)
multiples = ui.ask(figures.clinic_series, view.filters, Unit.MONTH if unit is Unit.MONTH else Unit.WEEK)
unfinished = ui.unfinished(course, unit)

left, right = st.columns([5, 3])
with left:
    point = ui.chart(
        f"Rates by {unit}, in percent of conversations",
        charts.rates(course, unit, unfinished),
        ui.counted(course, {"start": f"{unit.capitalize()} from"}, RATES),
        f"Hollow: a {unit} that is not over or not whole." if unfinished else "Press a point for its records.",
        on_select="rerun",
        selection_mode="points",
        key=f"course-{unit}",
    )
with right:
    ui.chart(
        "From conversation to booking",
        charts.funnel(total),
        ui.funnel_table(total),
        "Counts, and their share of conversations.",
    )
for picked in ui.selected_points(point)[:1]:
    start = date.fromisoformat(str(picked["x"])[:10])
    within = periods.overlap(Period(start, periods.following(start, unit) - periods.DAY), view.filters.period)
    ui.behind(f"Conversations of {words.span(within)}", view.filters.within(within), "conversations")

left, right = st.columns(2)
with left:
    bar = ui.chart(
        f"{rate_name} by clinic",
        charts.rates_by_name(clinics, measure, total),
        ui.counted(clinics, {"name": "Clinic"}, RATES),
        "Dashed: all together. Press a bar for its records.",
        on_select="rerun",
        selection_mode="points",
        key=f"clinics-{measure}",
    )
with right:
    ui.chart(
        f"{rate_name} by automation",
        charts.rates_by_name(automations, measure, total),
        ui.counted(automations, {"name": "Automation"}, RATES),
        "Dashed: all together.",
    )
    ui.chart(
        f"{rate_name} by weekday and hour",
        charts.hours(hours, measure),
        ui.counted(ui.named_hours(hours), {"weekday": "Weekday", "hour": "Hour"}, RATES),
        f"Each hour of the day in {view.zone}.",
    )
for picked in ui.selected_points(bar)[:1]:
    client = int(picked["customdata"][1])
    name = clinics.set_index("id")["name"][client]
    ui.behind(f"Newest {measure} of {name}", replace(view.filters, client=client), measure, clinic=name)

st.subheader(f"{rate_name} of the {min(len(clinics), CLINICS_IN_MULTIPLES)} largest clinics", anchor=False)
st.caption("All on one scale, in percent of conversations.")
largest = clinics.head(CLINICS_IN_MULTIPLES)
top = ui.top_rate(multiples[multiples["conversations"] >= ENOUGH], measure)
with st.container(horizontal=True):
    for clinic in largest.itertuples(index=False):
        own = multiples[multiples["id"] == clinic.id]
        ui.small_chart(clinic, charts.multiple(own, measure, Unit.WEEK, top), measure)
