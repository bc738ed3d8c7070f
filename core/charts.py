"""Figures out of frames: the only importer of plotly. Titles stand on the page, beside the table.

Every mark tells in its hover what it is, its count and its rate. Fonts, grid and text follow Streamlit's
theme; data are drawn in the palette's colours, dashes and marks.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, datetime
from html import escape
from typing import Any, cast
from zoneinfo import ZoneInfo

import pandas as pd
import plotly.graph_objects as go

from core import axes, tabular
from core.gathered import Group, Mark, gathered
from core.palette import GUIDE, INTENSITY, MEASURES, ON_COLOUR, RATES, RESULTS, Ink
from core.periods import Unit
from core.queries import Totals
from core.rates import rate
from core.words import NOTHING, WEEKDAYS, bucket, duration, moment, number, share, short
from core.words import rate as rate_words

HEIGHT = 240
DAY_MS = 86_400_000
SPARK_HEIGHT = 56
ROW_HEIGHT = 22
MOST_ROWS = 40
# A course that moves less than this is drawn flat, so that no tick repeats another.
FLAT = 8
# A rate of fewer conversations than this is left blank in the field of hours: it would set the scale.
ENOUGH_AN_HOUR = 5
LABEL_LENGTH = 28
HOVER_TITLES: Mapping[Unit, str] = {
    Unit.DAY: "%{x|%a %-d %b %Y}",
    Unit.WEEK: "Week of %{x|%-d %b %Y}",
    Unit.MONTH: "%{x|%B %Y}",
}
OPEN_NOTE = "not over yet"
UNKNOWN_NOTE = "bookings of that year are not counted"

# No tool bar over the data, and a finger that scrolls the page does not zoom the chart.
CONFIG: Mapping[str, object] = {"displayModeBar": False, "scrollZoom": False, "doubleClick": False}


def inked(drawn: go.Figure | dict[int, go.Figure], colour: str) -> go.Figure | dict[int, go.Figure]:
    """What was drawn, with its words in this colour: Streamlit's own grey is too pale for small ones."""
    for figure in drawn.values() if isinstance(drawn, dict) else (drawn,):
        figure.update_layout(font={"color": colour}, legend={"font": {"color": colour}})
        figure.update_xaxes(tickfont={"color": colour})
        figure.update_yaxes(tickfont={"color": colour})
    return drawn


class _Finished(go.Figure):  # type: ignore[misc]  # plotly has no types
    """A figure that nobody changes any more: plotly would copy all of it at each showing."""

    def __init__(self, figure: go.Figure) -> None:
        super().__init__(figure)
        self._copied = super().to_dict()

    def to_dict(self) -> Any:  # noqa: ANN401 (plotly's)
        return self._copied


def finished(
    colour: str,
    draw: Callable[..., go.Figure | dict[int, go.Figure]],
    *given: object,
    **named: object,
) -> go.Figure | dict[int, go.Figure]:
    """What a function of this module draws, with its words in this colour; nobody changes it any more."""
    drawn = inked(draw(*given, **named), colour)
    if isinstance(drawn, dict):
        return {name: _Finished(figure) for name, figure in drawn.items()}
    return _Finished(drawn)


def conversations(frame: pd.DataFrame, unit: Unit, unfinished: Collection[date]) -> go.Figure:
    """Bars of conversations by `start`; buckets that are not over yet are hatched."""
    starts = list(frame["start"])
    ink = MEASURES["conversations"]
    bars = go.Bar(
        x=starts,
        y=frame["conversations"],
        name=ink.label,
        marker={
            "color": ink.colour,
            "pattern": {"shape": ["/" if start in unfinished else "" for start in starts]},
        },
        width=axes.DAYS[unit] * DAY_MS * 0.85 if len(starts) == 1 else None,
        customdata=[
            _noted(f"{bucket(row.start, unit)}<br>{number(row.conversations)} conversations", row, unfinished)
            for row in tabular.rows(frame)
        ],
        hovertemplate="%{customdata}<extra></extra>",
    )
    figure = _figure([bars])
    figure.update_layout(bargap=0.15, showlegend=False)
    figure.update_xaxes(axes.buckets(starts, unit))
    figure.update_yaxes(axes.counts(list(frame["conversations"])))
    return figure


def rates(frame: pd.DataFrame, unit: Unit, unfinished: Collection[date]) -> go.Figure:
    """The three rates by `start`, in percent of conversations; hollow marks are not over yet."""
    figure = _figure([_rate_line(frame, measure, unfinished) for measure in RATES])
    figure.update_layout(hovermode="x unified", legend=_LEGEND)
    figure.update_xaxes(
        axes.buckets(list(frame["start"]), unit), unifiedhovertitle={"text": HOVER_TITLES[unit]}
    )
    figure.update_yaxes(axes.percents([value for line in figure.data for value in line.y]))
    return figure


def rates_by_name(frame: pd.DataFrame, measure: str, total: Totals) -> go.Figure:
    """One rate of each `name`, highest first, the `MOST_ROWS` largest; dashed is all of them together."""
    largest = frame.nlargest(MOST_ROWS, "conversations").reset_index(drop=True)
    rows = (
        largest.assign(rate=pd.Series(tabular.rates(largest, measure), dtype=float))
        .dropna(subset="rate")
        .sort_values("rate", kind="stable")
    )
    # Beside a bar its number would stand in the way of the dashed line.
    names = [f"{_short(row.name)}  {_rate(row, measure)}" for row in tabular.rows(rows)]
    bars = go.Bar(
        x=rows["rate"],
        y=list(range(len(rows))),
        orientation="h",
        marker={"color": MEASURES[measure].colour, "line": _EDGE | {"color": MEASURES[measure].colour}},
        customdata=[
            [f"{escape(row.name)}<br>{_rate_sentence(row, measure)}", row.id] for row in tabular.rows(rows)
        ],
        hovertemplate="%{customdata[0]}<extra></extra>",
    )
    figure = _figure([bars], height=max(len(rows) * ROW_HEIGHT + 60, 140))
    overall = rate(getattr(total, measure), total.conversations)
    if overall is not None:
        figure.add_vline(x=overall, line={"color": GUIDE, "dash": "dash", "width": 1.5})
    figure.update_layout(showlegend=False, bargap=0.25)
    figure.update_xaxes(axes.percents(list(rows["rate"])), nticks=6)
    figure.update_yaxes(tickvals=list(range(len(rows))), ticktext=names, showgrid=False)
    return figure


def funnel(total: Totals, *, known: bool) -> go.Figure:
    """How many of all conversations were engaged, became leads and booked, and whether that rate is known."""
    shares = {name: known or name != "bookings" for name in MEASURES}
    counts = {name: getattr(total, name) for name in ("conversations", "engaged", "leads", "bookings")}
    steps = list(reversed(counts.items()))
    bars = go.Bar(
        x=[count for _, count in steps],
        y=[MEASURES[name].label for name, _ in steps],
        orientation="h",
        marker={
            "color": [MEASURES[name].colour for name, _ in steps],
            "line": _EDGE | {"color": [MEASURES[name].colour for name, _ in steps]},
        },
        text=[
            f"{number(count)} · {rate_words(count, total.conversations) if shares[name] else NOTHING}"
            for name, count in steps
        ],
        textposition=["inside" if 2 * count > total.conversations else "outside" for _, count in steps],
        constraintext="none",
        textfont={"size": 11},
        insidetextfont={"color": ON_COLOUR},
        cliponaxis=False,
        customdata=[
            f"{MEASURES[name].label}<br>{_of_all(count, total.conversations, known=shares[name])}"
            for name, count in steps
        ],
        hovertemplate="%{customdata}<extra></extra>",
    )
    figure = _figure([bars], height=HEIGHT)
    figure.update_layout(showlegend=False, bargap=0.3)
    figure.update_xaxes(showticklabels=False, showgrid=False, rangemode="tozero")
    figure.update_yaxes(showgrid=False)
    return figure


def hours(frame: pd.DataFrame, measure: str) -> go.Figure:
    """A field of weekday by hour: counts of conversations, or one rate."""
    rows = {(row.weekday, row.hour): row for row in tabular.rows(frame)}
    cells = [[rows.get((day, hour)) for hour in range(24)] for day in range(1, 8)]
    values = [[_hour_value(cell, measure) for cell in line] for line in cells]
    # Of nothing but zeros plotly would make a scale from -0.5 to 0.5.
    scale = {} if any(value for line in values for value in line) else {"zmin": 0, "zmax": 1}
    field = go.Heatmap(
        x=list(range(24)),
        y=list(range(len(WEEKDAYS))),
        z=values,
        **scale,
        customdata=[
            [_hour_words(cell, measure, day, hour) for hour, cell in enumerate(line)]
            for day, line in enumerate(cells)
        ],
        hovertemplate="%{customdata}<extra></extra>",
        colorscale=[list(stop) for stop in INTENSITY],
        colorbar={"thickness": 10, "ticksuffix": "" if measure == "conversations" else " %", "title": ""},
        xgap=1,
        ygap=1,
    )
    figure = _figure([field, _dashes(values)])
    figure.update_layout(showlegend=False)
    ticks = list(range(0, 24, 6))
    figure.update_xaxes(range=[-0.5, 23.5], tickvals=ticks, ticktext=[f"{hour:02d}:00" for hour in ticks])
    days = list(range(len(WEEKDAYS)))
    figure.update_yaxes(
        range=[6.5, -0.5], tickvals=days, ticktext=list(WEEKDAYS), showgrid=False, zeroline=False
    )
    return figure


def _dashes(values: Sequence[Sequence[float | None]]) -> go.Scatter:
    """A dash where a field has no value: on a dark page nothing looks much like zero."""
    blank = [
        (hour, day) for day, line in enumerate(values) for hour, value in enumerate(line) if value is None
    ]
    return go.Scatter(
        x=[hour for hour, _ in blank],
        y=[day for _, day in blank],
        mode="text",
        text=[NOTHING] * len(blank),
        textfont={"size": 11},
        hoverinfo="skip",
    )


def multiples(
    frame: pd.DataFrame, measure: str, unit: Unit, unfinished: Collection[date]
) -> dict[int, go.Figure]:
    """Small charts of one rate by clinic id, all over the same time and up to the same rate."""
    span = axes.same(sorted(set(frame["start"])), unit)
    top = _top(frame, measure)
    figures = {}
    for clinic, own in frame.groupby("id"):
        line = _rate_line(own, measure, unfinished)
        figures[cast("int", clinic)] = _multiple(line, unit, list(own["start"]), span, top)
    return figures


def _multiple(
    line: go.Scatter, unit: Unit, starts: Sequence[date], span: Mapping[str, object], top: float
) -> go.Figure:
    line.cliponaxis = False
    line.customdata = [
        f"{bucket(start, unit)}<br>{told}" for start, told in zip(starts, line.customdata, strict=True)
    ]
    figure = _figure([line], height=110)
    figure.update_layout(showlegend=False, margin={"l": 4, "r": 8, "t": 8, "b": 4})
    figure.update_xaxes(span, tickfont={"size": 10})
    figure.update_yaxes(range=[0, top], nticks=3, ticksuffix=" %", tickfont={"size": 10})
    return figure


def _top(frame: pd.DataFrame, measure: str) -> float:
    """The top of a scale that holds all these rates, in percent."""
    highest = max((value for value in tabular.rates(frame, measure) if value is not None), default=0.0)
    return min(100.0, highest * 1.1) or axes.LEAST_TOP


def spark(frame: pd.DataFrame, measure: str, unit: Unit) -> go.Figure:
    """One count's course as a small line without axes."""
    ink = MEASURES[measure]
    rows = tabular.rows(frame)
    line = go.Scatter(
        x=list(frame["start"]),
        y=[getattr(row, measure) if tabular.known(row, measure) else None for row in rows],
        mode="lines",
        line={"color": ink.colour, "width": 1.5},
        fill="tozeroy",
        customdata=[
            f"{bucket(row.start, unit)}<br>{number(getattr(row, measure))} {ink.label.lower()}"
            for row in rows
        ],
        hovertemplate="%{customdata}<extra></extra>",
    )
    figure = _figure([line], height=SPARK_HEIGHT)
    figure.update_layout(margin={"l": 0, "r": 0, "t": 2, "b": 2}, showlegend=False)
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False, rangemode="tozero")
    return figure


def timeline(runs: Sequence[Mapping[str, Any]], slots: pd.DataFrame, zone: ZoneInfo) -> go.Figure:
    """Imports by start (in `zone`) and duration, a mark for each result; slots without one at the bottom.

    Those that lie together are one mark with their number, whose hover tells each.
    """
    marks = [
        *(_run_mark(run, zone) for run in runs),
        *(_slot_mark(slot, zone) for slot in tabular.rows(slots)),
    ]
    groups = gathered(marks, axes.LEAST_SPAN)
    traces = [
        _result_trace(ink, own)
        for result, ink in RESULTS.items()
        if (own := [group for group in groups if group.kind == result])
    ]
    figure = _figure(traces, height=240)
    figure.update_layout(legend=_LEGEND, showlegend=True)
    figure.update_xaxes(axes.moments([moment for trace in traces for moment in trace.x]))
    top = max((mark for trace in traces for mark in trace.y), default=0.0)
    brief: dict[str, Any] = {"range": [0, 1]} if top < 1 else {}
    figure.update_yaxes(rangemode="tozero", ticksuffix=" s", **brief)
    return figure


def course(frame: pd.DataFrame, measure: str, expected: int | None, zone: ZoneInfo) -> go.Figure:
    """One total as each import left it, with what is expected as a dashed line."""
    ink = MEASURES[measure]
    rows = frame.dropna(subset=measure)
    line = go.Scatter(
        x=list(range(len(rows))),
        y=rows[measure],
        mode="lines+markers",
        line={"color": ink.colour, "shape": "hv"},
        marker={"symbol": ink.mark, "size": 7},
        customdata=[
            f"Import {row.id}, {moment(row.started_at, zone)}<br>{number(int(getattr(row, measure)))} "
            f"{ink.label.lower()}{_against(int(getattr(row, measure)), expected)}"
            for row in tabular.rows(rows)
        ],
        hovertemplate="%{customdata}<extra></extra>",
    )
    figure = _figure([line], height=200)
    if expected is not None:
        figure.add_hline(y=expected, line={"color": GUIDE, "dash": "dash", "width": 1.5})
    ids = list(rows["id"])
    step = max(len(ids) // 6, 1)
    figure.update_layout(showlegend=False)
    figure.update_xaxes(tickvals=list(range(len(ids)))[::step], ticktext=[f"#{one}" for one in ids[::step]])
    values = [*rows[measure], *([] if expected is None else [expected])]
    if values and max(values) - min(values) < FLAT:
        figure.update_yaxes(range=[min(values) - FLAT, max(values) + FLAT])
    figure.update_yaxes(tickformat=",d", nticks=5)
    return figure


# Parts

# A bar of nothing has its number too where it has an edge.
_EDGE: dict[str, Any] = {"width": 0.5}
_LEGEND = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "xanchor": "left", "title": ""}


def _figure(traces: Sequence[Any], height: int = HEIGHT) -> go.Figure:
    figure = go.Figure(data=list(traces))
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 28, "b": 8},
        dragmode=False,
        hoverlabel={"align": "left"},
    )
    # The theme keeps room for titles, which stand on the page.
    figure.update_xaxes(title={"text": "", "standoff": 0}, fixedrange=True, automargin=True)
    figure.update_yaxes(title={"text": "", "standoff": 0}, fixedrange=True, automargin=True)
    return figure


def _rate_line(frame: pd.DataFrame, measure: str, unfinished: Collection[date]) -> go.Scatter:
    ink = MEASURES[measure]
    starts = list(frame["start"])
    many = len(starts) > 60  # noqa: PLR2004 (more marks than this run into each other)
    return go.Scatter(
        x=starts,
        y=tabular.rates(frame, measure),
        name=RATES[measure],
        mode="lines+markers",
        line={"color": ink.colour, "dash": ink.dash, "width": 2},
        marker={
            "symbol": [f"{ink.mark}-open" if start in unfinished else ink.mark for start in starts],
            "size": [8 if start in unfinished else 3 if many else 6 for start in starts],
            "color": ink.colour,
        },
        customdata=[_noted(_rate_sentence(row, measure), row, unfinished) for row in tabular.rows(frame)],
        hovertemplate="%{customdata}<extra></extra>",
        connectgaps=False,
    )


def _rate(row: Any, measure: str) -> str:  # noqa: ANN401 (a frame's row)
    known = tabular.known(row, measure)
    return rate_words(int(getattr(row, measure)), int(row.conversations)) if known else NOTHING


def _rate_sentence(row: Any, measure: str) -> str:  # noqa: ANN401 (a frame's row)
    counts = share(int(getattr(row, measure)), int(row.conversations))
    note = "" if tabular.known(row, measure) else f" ({UNKNOWN_NOTE})"
    return f"{RATES[measure]} {_rate(row, measure)}, {counts}{note}"


def _of_all(count: int, of: int, *, known: bool) -> str:
    if not known:
        return f"{share(count, of)} conversations ({UNKNOWN_NOTE})"
    return f"{rate_words(count, of)} of conversations, {share(count, of)}"


def _noted(words: str, row: Any, unfinished: Collection[date]) -> str:  # noqa: ANN401 (a frame's row)
    return f"{words} ({OPEN_NOTE})" if row.start in unfinished else words


def _hour_value(cell: Any, measure: str) -> float | None:  # noqa: ANN401 (a frame's row)
    if cell is None:
        return None
    if measure == "conversations":
        return float(cell.conversations)
    enough = cell.conversations >= ENOUGH_AN_HOUR and tabular.known(cell, measure)
    return rate(getattr(cell, measure), cell.conversations) if enough else None


def _hour_words(cell: Any, measure: str, day: int, hour: int) -> str:  # noqa: ANN401 (a frame's row)
    when = f"{WEEKDAYS[day]} {hour:02d}:00–{(hour + 1) % 24:02d}:00"
    if cell is None:
        return f"{when}<br>no conversations"
    said = f"{when}<br>{number(cell.conversations)} conversations"
    if measure == "conversations":
        return said
    return f"{when}<br>{_rate_sentence(cell, measure)}"


def _result_trace(ink: Ink, groups: Sequence[Group]) -> go.Scatter:
    return go.Scatter(
        x=[group.at for group in groups],
        y=[group.seconds for group in groups],
        customdata=[group.told for group in groups],
        text=[number(len(group.marks)) if len(group.marks) > 1 else "" for group in groups],
        textposition="middle left",
        name=ink.label,
        mode="markers+text",
        marker={
            "color": ink.colour,
            "symbol": ink.mark,
            "size": 11,
            "line": {"color": ink.colour, "width": 2 if ink.mark.endswith("open") else 0},
        },
        hovertemplate="%{customdata}<extra></extra>",
        cliponaxis=False,
    )


def _run_mark(run: Mapping[str, Any], zone: ZoneInfo) -> Mark:
    seconds = (run["completed_at"] - run["started_at"]).total_seconds() if run["completed_at"] else None
    speed = run["records_per_second"]
    said = (
        f"Import {run['id']}: {RESULTS[run['status']].label.lower()}<br>{moment(run['started_at'], zone)}<br>"
        f"{duration(seconds)}, {number(run['processed'])} records, "
        f"{NOTHING if speed is None else number(round(speed))} a second"
    )
    return Mark(run["status"], _wall(run["started_at"], zone), seconds or 0.0, said)


def _slot_mark(slot: Any, zone: ZoneInfo) -> Mark:  # noqa: ANN401 (a frame's row)
    said = f"{RESULTS[slot.state].label}: the {slot.job} of {moment(slot.slot_at, zone)}"
    return Mark(slot.state, _wall(slot.slot_at, zone), 0.0, said)


def _wall(at: datetime, zone: ZoneInfo) -> datetime:
    """A moment as the clock on the wall shows it: plotly draws every other one in UTC."""
    return at.astimezone(zone).replace(tzinfo=None)


def _against(actual: int, expected: int | None) -> str:
    return "" if expected is None else f", {number(expected)} expected ({actual - expected:+,})"


def _short(name: str) -> str:
    return escape(short(name, LABEL_LENGTH))
