"""Clinics: which does how, and which has fallen silent; one clinic's own view by the clinic filter."""

from datetime import date

import pandas as pd
import streamlit as st

from core import charts, figures, grids, panels, periods, readable, silence, tabular, uncounted, visit, words
from core.emptiness import empty
from core.figures import Filters
from core.links import ALL_CLINICS, go, link, link_to
from core.periods import Period, Unit
from core.questions import ask, drawn, made

MOST_NAMED = 5
MEASURES = ("conversations", "bookings", "leads", "engaged")


def courses() -> tuple[Unit, pd.DataFrame]:
    """Every clinic's course over the period, by a unit that fits it, without what is not over yet."""
    extent = ask(figures.extent, view.filters)
    unit = periods.fitting_unit(extent.first or view.today, extent.last or view.today)
    course = ask(figures.clinic_series, view.filters, unit)
    return unit, made(tabular.without, course, view.unfinished(course, unit))


def silences() -> pd.DataFrame:
    """How long each clinic has been quiet, whatever the period; dates to come are not counted."""
    until = Period(None, view.as_of_day)
    days = ask(figures.active_days, view.filters.within(until), silence.WINDOW)
    return readable.silence(days, ask(figures.extent, Filters(until)).last)


def quiet_words(quiet: int) -> str:
    """For how long there was nothing."""
    return words.counted(quiet, "day")


# All clinics


def everyone() -> None:
    """The table of clinics; a pressed row opens the clinic."""
    compared = periods.before(view.filters.period)
    against = f"Changes are from {words.span(compared)}." if compared else ""
    about = "How is each clinic doing, and which has fallen silent?"
    panels.heading("Clinics", about, against, panels.uncounted_years())
    if empty(view):
        return
    quiet = silences()
    warn(quiet)
    clinics = made(uncounted.by_extent, ask(figures.by_clinic, view.filters), view.settings.booking_years)
    earlier = ask(figures.by_clinic, view.filters.within(compared)) if compared else None
    unit, course = courses()
    table = made(readable.clinics, clinics, earlier, course)
    known = clinics if earlier is None else pd.concat([clinics, earlier]).drop_duplicates("id")
    open_units = f"a {unit} that is not over{'' if unit is Unit.DAY else ' or not whole'}"
    st.caption(
        f"{grids.HOW_TO_OPEN.format('clinic')} Press a column's name to sort. "
        f"{readable.COURSE}: conversations by {unit}; {open_units} is left out."
    )
    drawn = {
        readable.COURSE: st.column_config.LineChartColumn(y_min=0, width="small"),
        readable.CHANGE: st.column_config.NumberColumn(format="%+.1f"),
    }
    pressed = grids.openable("Clinics", table, drawn)
    grids.save("Clinics", table.drop(columns=readable.COURSE))
    for index in pressed:
        go("clinics", {"clinic": list(known["name"])[index]})
    newest(quiet)


def warn(quiet: pd.DataFrame) -> None:
    """Which clinics have fallen silent, by name where they are few."""
    found = tabular.rows(quiet[quiet["state"] == silence.Quiet.SILENT])
    if not found:
        return
    named = [f"{words.plain(row.name)} ({quiet_words(row.quiet)})" for row in found[:MOST_NAMED]]
    more = f" and {words.number(len(found) - MOST_NAMED)} more" if len(found) > MOST_NAMED else ""
    st.warning(
        f"Silent, though conversations usually come daily: {', '.join(named)}{more}.",
        icon=":material/notifications_off:",
    )


def newest(quiet: pd.DataFrame) -> None:
    """Each clinic's newest conversation, silent ones first."""
    st.header("Newest conversation of each clinic", anchor=False)
    st.caption(
        f"Silent: none for {silence.FEWEST_QUIET} days and longer than ever in the {silence.WINDOW} days "
        f"before, though on {silence.USUALLY_DAILY} of these there were some. Days are counted to the newest "
        "conversation of all."
    )
    shown = pd.DataFrame(
        {
            "Clinic": quiet["name"],
            "State": quiet["state"],
            "Newest conversation": [words.day(day) for day in quiet["last"]],
            "Days without one": quiet["quiet"].astype(int),
        }
    )
    grids.draw("Newest conversation of each clinic", shown)
    grids.save("Newest conversations", shown)


# One clinic


def one(name: str) -> None:
    """A clinic's own view: its totals, its course, what it uses, and its newest conversations."""
    link_to("clinics", "All clinics", ":material/arrow_back:", clinic=ALL_CLINICS)
    compared = periods.before(view.filters.period)
    against = f"Changes are from {words.span(compared)}." if compared else ""
    panels.heading(words.plain(name), "How this clinic is doing.", against, panels.uncounted_years())
    if empty(view):
        return
    warn_of_one()
    extent = ask(figures.extent, view.filters)
    unit = periods.fitting_unit(extent.first or view.today, extent.last or view.today)
    counted = ask(figures.series, view.filters, unit)
    years = view.settings.booking_years
    course = made(uncounted.by_start, counted, unit, view.filters.period, years)
    unfinished = view.unfinished(course, unit)
    cards(course, unit, unfinished, compared)
    link("rates", "See its rates in detail", ":material/trending_up:")
    over_time(course, unit, unfinished)
    panels.behind("Its newest conversations", view.filters, "conversations")


def warn_of_one() -> None:
    """Whether this clinic has fallen silent, and since when."""
    for row in tabular.rows(silences()):
        if row.state == silence.Quiet.SILENT:
            st.warning(
                f"Silent: the newest conversation was on {words.day(row.last)}, "
                f"{quiet_words(row.quiet)} before the newest of all clinics.",
                icon=":material/notifications_off:",
            )


def cards(course: pd.DataFrame, unit: Unit, unfinished: set[date], compared: Period | None) -> None:
    """The four totals."""
    total = ask(figures.totals, view.filters)
    earlier = ask(figures.totals, view.filters.within(compared)) if compared else None
    whole = made(tabular.without, course, unfinished)
    for column, measure in zip(st.columns(4), MEASURES, strict=True):
        with column:
            panels.card(measure, total, earlier, whole, unit)


def over_time(course: pd.DataFrame, unit: Unit, unfinished: set[date]) -> None:
    """Conversations and rates over time, and what the clinic's automations bring."""
    hint = f" a {unit} that is not over or not whole." if unfinished else ""
    table = made(readable.counted, course, {"start": f"{unit.capitalize()} from"})
    left, right = st.columns(2)
    with left:
        figure = drawn(charts.conversations, course, unit, unfinished)
        panels.chart(f"Conversations by {unit}", figure, table, f"Hatched:{hint}" if hint else "")
    with right:
        figure = drawn(charts.rates, course, unit, unfinished)
        panels.chart(
            f"Rates by {unit}, in percent of conversations", figure, table, f"Hollow:{hint}" if hint else ""
        )
    st.header("By automation", anchor=False)
    years = view.settings.booking_years
    automations = made(uncounted.by_extent, ask(figures.by_automation, view.filters), years)
    shown = made(readable.counted, automations, {"name": "Automation"})
    grids.draw("By automation", shown)
    grids.save("By automation", shown)


view = visit.view()
chosen = st.session_state["clinic"]
if view.filters.client is None:
    everyone()
else:
    one(chosen)
