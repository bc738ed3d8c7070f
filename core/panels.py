"""What pages of figures are made of: heading, cards, charts, and the records behind a figure."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import pandas as pd
import streamlit as st

from core import charts, figures, grids, periods, uncounted, visit, words
from core.figures import Filters
from core.names import COUNT_NAMES
from core.palette import RATES
from core.periods import Period, Unit
from core.queries import Totals
from core.questions import ask, ask_now, drawn

# By the sign that a change begins with; Streamlit itself knows no minus but the hyphen.
ARROWS = {"+": "up", words.MINUS: "down"}
TABLE_WIDTH = 620  # pixels; less on a narrow screen


def heading(title: str, about: str, *others: str) -> None:
    """The page's title, the question that it answers, and what else it shows."""
    filters = [name for name in visit.view().filter_names if words.plain(name) != title]
    told = f"Showing {words.listed(filters)}." if filters else ""
    with st.container(gap=None):
        st.title(title, anchor=False)
        st.caption(" ".join(part for part in (about, told, *others) if part))


def uncounted_years() -> str:
    """Which of the years shown have bookings that are not counted, as a sentence; blank where none."""
    looked = visit.view()
    return uncounted.sentence(ask(figures.extent, looked.filters), looked.settings.booking_years)


def chart(title: str, figure: Any, frame: pd.DataFrame, about: str = "", **options: Any) -> Any:  # noqa: ANN401 (untyped)
    """A chart under its title, with a table of the same numbers one click away."""
    with st.container(gap=None):
        headed(title, frame, about)
        return st.plotly_chart(figure, config={**charts.CONFIG}, alt=title, width="stretch", **options)


def headed(title: str, frame: pd.DataFrame, about: str = "") -> None:
    """The title of what is drawn below, with a table of the same numbers one click away."""
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", wrap=False
    ):
        st.header(title, anchor=False)
        popover = st.popover("Table", icon=":material/table_chart:", key=f"table {title}")
    with popover, st.container(width=TABLE_WIDTH):
        grids.draw(title, frame)
        grids.save(title, frame)
    if about:
        st.caption(about)


def selected_points(state: Any) -> Sequence[Mapping[str, Any]]:  # noqa: ANN401 (Streamlit's chart state)
    """The points that a person picked in a chart."""
    return cast("Sequence[Mapping[str, Any]]", state["selection"]["points"]) if state else ()


def behind(title: str, filters: Filters, only: str) -> None:
    """The newest conversations behind a figure; contact data stay hidden."""
    with st.container(border=True):
        st.header(title, anchor=False)
        found = ask(figures.conversations, filters, only, grids.limit(title))
        grids.records(
            title,
            found if filters.client is None else found.drop(columns="clinic"),
            lambda limit: ask_now(figures.conversations, filters, only, limit),
        )


def card(measure: str, total: Totals, earlier: Totals | None, course: pd.DataFrame, unit: Unit) -> None:
    """One of the four totals with its rate, its change against the period before, and its course."""
    name = COUNT_NAMES[measure]
    count, then = getattr(total, measure), getattr(earlier, measure) if earlier else None
    unlike = _unlike_years() if measure == "bookings" and then is not None else ""
    with st.container(border=True, height="stretch", key=f"card-{measure}", gap="xsmall"):
        st.metric(name, words.number(count), delta_color="off", **_change(count, then, unlike))
        if len(course) > 1:
            spark = drawn(charts.spark, course, measure, unit)
            st.plotly_chart(spark, config={**charts.CONFIG}, key=f"spark-{measure}", alt=f"{name} by {unit}")
        if then == 0 and not unlike:
            st.caption("There were none in the period before.")
        if measure in RATES:
            _rate_caption(measure, total, None if unlike else earlier)
        else:
            _extent_caption()


def _change(count: int, then: int | None, unlike: str) -> dict[str, Any]:
    """How a metric shows its change; where the years of both periods are not alike, that there is none."""
    if unlike:
        return {"delta": words.NOTHING, "delta_arrow": "off", "delta_description": f"{unlike} not counted"}
    changed = words.change(count, then) if then is not None else None
    if changed is None:
        return {}
    arrow = ARROWS.get(changed[0], "off")
    return {"delta": changed, "delta_arrow": arrow, "delta_description": f"from {words.number(then)}"}


def _unlike_years() -> str:
    """The years whose bookings are not counted, of the period and the one before it; blank where none."""
    looked = visit.view()
    now, before = looked.filters.period, periods.before(looked.filters.period)
    both = Period(before.first, now.last) if before else now
    return uncounted.named(uncounted.years(both, looked.settings.booking_years))


def bookings_known() -> bool:
    """Whether there is a booking rate of what is shown: not where all of it lies in years not counted."""
    looked = visit.view()
    return not uncounted.wholly(ask(figures.extent, looked.filters), looked.settings.booking_years)


def _extent_caption() -> None:
    looked = visit.view()
    extent = ask(figures.extent, looked.filters)
    question = figures.by_clinic if looked.filters.client is None else figures.by_automation
    what = "clinic" if looked.filters.client is None else "automation"
    found = len(ask(question, looked.filters))
    st.markdown(f"**{words.number(found)}** {what if found == 1 else f'{what}s'}")
    st.caption(f"First to last: {words.span(extent)}")


def _rate_caption(measure: str, total: Totals, earlier: Totals | None) -> None:
    count, of = getattr(total, measure), total.conversations
    points = ""
    if earlier is not None and earlier.conversations and of:
        points = f"{words.points(count, of, getattr(earlier, measure), earlier.conversations)} points"
    told = words.rate(count, of) if measure != "bookings" or bookings_known() else words.NOTHING
    st.markdown(f"**{told}** {RATES[measure].lower()}")
    # With its change it would not fit into one line of a card.
    st.caption(
        words.listed(
            (words.share(count, of), points) if points else (f"{words.share(count, of)} conversations",)
        )
    )
