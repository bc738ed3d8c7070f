"""Figures: what they show, and that it is told apart without colour."""

import tomllib
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from plotly.graph_objects import Figure

from core import charts, tabular
from core.palette import MEASURES, RATES, RESULTS, WORDS
from core.periods import Unit
from core.queries import Totals
from core.settings import ROOT

ZONE = ZoneInfo("America/New_York")
WEEKS = pd.DataFrame(
    {
        "start": [date(2026, 3, 2), date(2026, 3, 9), date(2026, 3, 16)],
        "conversations": [2000, 0, 10],
        "engaged": [788, 0, 1],
        "leads": [1385, 0, 7],
        "bookings": [311, 0, 0],
    }
)
CLINICS = pd.DataFrame(
    {
        "id": [7, 8],
        "name": ["North", "A clinic with a name that is longer than its place"],
        "conversations": [10, 40],
        "engaged": [5, 10],
        "leads": [5, 10],
        "bookings": [1, 20],
    }
)
TOTAL = Totals(conversations=50, bookings=21, leads=15, engaged=15)
RUN: dict[str, Any] = {
    "id": 3,
    "status": "failed",
    "started_at": datetime(2026, 3, 10, 11, 0, tzinfo=UTC),
    "completed_at": datetime(2026, 3, 10, 11, 0, 4, tzinfo=UTC),
    "processed": 20077,
    "records_per_second": 5019.25,
}
SLOTS = pd.DataFrame(
    {"slot_at": [datetime(2026, 3, 10, 22, 0, tzinfo=UTC)], "job": ["import"], "state": ["missed"]}
)


def test_rates_differ_in_colour_dash_and_mark() -> None:
    """Whoever sees no colours tells the lines apart by dash and mark."""
    lines = charts.rates(WEEKS, Unit.WEEK, ()).data
    assert [line.name for line in lines] == list(RATES.values())
    assert len({line.line.color for line in lines}) == 3
    assert len({line.line.dash for line in lines}) == 3
    assert len({line.marker.symbol[0] for line in lines}) == 3


def test_a_point_tells_rate_and_counts() -> None:
    """Hover shows both."""
    bookings = charts.rates(WEEKS, Unit.WEEK, ()).data[0]
    assert bookings.customdata[0] == "Booking rate 15.6 %, 311 of 2,000"


def test_a_week_without_conversations_has_no_rate() -> None:
    """Nothing over nothing is a gap in the line, not zero."""
    bookings = charts.rates(WEEKS, Unit.WEEK, ()).data[0]
    assert list(bookings.y) == [15.55, None, 0.0]
    assert bookings.connectgaps is False


def test_what_is_not_over_is_marked() -> None:
    """A hollow mark, a hatched bar, and a word in the hover."""
    last = {date(2026, 3, 16)}
    line = charts.rates(WEEKS, Unit.WEEK, last).data[0]
    bars = charts.conversations(WEEKS, Unit.WEEK, last).data[0]
    assert [mark.endswith("-open") for mark in line.marker.symbol] == [False, False, True]
    assert list(bars.marker.pattern.shape) == ["", "", "/"]
    assert charts.OPEN_NOTE in line.customdata[2]
    assert charts.OPEN_NOTE in bars.customdata[2]


def test_bars_are_sorted_and_know_whom_they_show() -> None:
    """The highest rate stands at the top; a pressed bar leads to its clinic."""
    figure = charts.rates_by_name(CLINICS, "bookings", TOTAL)
    (bars,) = figure.data
    assert list(bars.x) == [10.0, 50.0]
    assert [one[1] for one in bars.customdata] == [7, 8]
    assert "20 of 40" in bars.customdata[1][0]
    assert figure.layout.yaxis.ticktext[1].endswith("…  50.0 %")
    assert figure.layout.shapes[0].x0 == 42.0


def test_a_name_is_no_markup() -> None:
    """Plotly draws some of HTML: a clinic named `<b>` must show as it is."""
    figure = charts.rates_by_name(CLINICS.assign(name="<b>Bold</b> & Co"), "bookings", TOTAL)
    assert figure.layout.yaxis.ticktext[0].startswith("&lt;b&gt;Bold&lt;/b&gt; &amp; Co  ")
    assert figure.data[0].customdata[0][0].startswith("&lt;b&gt;Bold&lt;/b&gt; &amp; Co<br>")


def test_only_the_largest_are_drawn() -> None:
    """A chart of five hundred bars says nothing; the table beside it holds them all."""
    many = pd.concat([CLINICS.iloc[[0]]] * (charts.MOST_ROWS + 5), ignore_index=True)
    assert len(charts.rates_by_name(many, "bookings", TOTAL).data[0].x) == charts.MOST_ROWS


def test_the_funnel_tells_counts_and_shares() -> None:
    """From the bottom up, in the palette's colours."""
    (bars,) = charts.funnel(TOTAL, known=True).data
    assert list(bars.x) == [21, 15, 15, 50]
    assert bars.text[0] == "21 · 42.0 %"
    assert bars.marker.color[0] == MEASURES["bookings"].colour


@pytest.mark.parametrize(("measure", "expected"), [("conversations", 4), ("bookings", None)])
def test_an_hour_of_few_conversations_sets_no_scale(measure: str, expected: float | None) -> None:
    """One booking of two conversations at night is no 50 % that everything else is measured by."""
    frame = pd.DataFrame(
        [{"weekday": 1, "hour": 3, "conversations": 4, "engaged": 1, "leads": 1, "bookings": 2}]
    )
    field, _ = charts.hours(frame, measure).data
    assert field.z[0][3] == expected
    assert "2 of 4" in field.customdata[0][3] or measure == "conversations"
    assert "no conversations" in field.customdata[0][4]


def test_an_hour_without_a_value_has_a_dash() -> None:
    """Zero percent and nothing at all look alike on a dark page; by the dash they differ."""
    frame = pd.DataFrame(
        [{"weekday": 1, "hour": 3, "conversations": 9, "engaged": 0, "leads": 0, "bookings": 0}]
    )
    field, dashes = charts.hours(frame, "bookings").data
    assert field.z[0][3] == 0.0
    assert (3, 0) not in set(zip(dashes.x, dashes.y, strict=True))
    assert len(dashes.x) == 7 * 24 - 1
    assert set(dashes.text) == {"–"}


def test_a_rate_that_is_not_known_is_a_gap_with_a_word() -> None:
    """Where bookings are not counted, 0 % would be wrong; other rates stay, and the count in the hover."""
    weeks = WEEKS.assign(**{tabular.KNOWN: [False, True, True]})
    bookings, leads, _ = charts.rates(weeks, Unit.WEEK, ()).data
    assert list(bookings.y) == [None, None, 0.0]
    assert leads.y[0] == 69.25
    assert bookings.customdata[0] == f"Booking rate –, 311 of 2,000 ({charts.UNKNOWN_NOTE})"
    assert charts.spark(weeks, "bookings", Unit.WEEK).data[0].y[0] is None
    assert charts.spark(weeks, "leads", Unit.WEEK).data[0].y[0] == 1385


def test_a_funnel_of_bookings_that_are_not_counted_has_no_share() -> None:
    """Their count stands alone."""
    (bars,) = charts.funnel(TOTAL, known=False).data
    assert bars.text[:2] == ("21 · –", "15 · 30.0 %")


def test_words_are_read_on_their_grounds() -> None:
    """4.5:1 or more: words in bars on each bar's colour, a chart's words on each theme's backgrounds."""
    theme = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["theme"]
    (bars,) = charts.funnel(TOTAL, known=True).data
    pairs = [(bars.insidetextfont.color, colour) for colour in bars.marker.color]
    for name, ink in WORDS.items():
        pairs += [(ink, theme[name]["backgroundColor"]), (ink, theme[name]["secondaryBackgroundColor"])]
    assert {pair: contrast(*pair) for pair in pairs if contrast(*pair) < 4.5} == {}


def contrast(one: str, other: str) -> float:
    """The contrast of two colours by WCAG 2.2, from 1 to 21."""

    def luminance(colour: str) -> float:
        channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in channels]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_a_finished_figure_is_what_was_drawn_in_its_theme() -> None:
    """What a page shows again and again is not copied; it equals what plotly would make of it."""
    figure = charts.finished("#123456", charts.funnel, TOTAL, known=True)
    copied = charts.funnel(TOTAL, known=True)
    charts.inked(copied, "#123456")
    assert isinstance(figure, Figure)
    assert figure.to_dict() is figure.to_dict()
    assert figure.to_dict() == copied.to_dict()


@pytest.mark.parametrize(
    ("leads", "top"), [([1, 0, 0], 5.5), ([10, 0, 5], 55.0), ([0, 0, 10], 100.0), ([0, 0, 0], 10.0)]
)
def test_small_charts_share_their_scale(leads: list[int], top: float) -> None:
    """Small charts are compared, so each ends at the same rate, above all points, and at the same week."""
    weeks = WEEKS.assign(conversations=[20, 0, 10], leads=leads)
    three = pd.concat([weeks.head(1).assign(id=7), weeks.assign(id=8)])
    figure = charts.multiples(three, "leads", Unit.WEEK, ())[7]
    assert tuple(figure.layout.yaxis.range) == pytest.approx((0, top))
    assert tuple(figure.layout.xaxis.range) == (date(2026, 3, 2), date(2026, 3, 16))
    assert figure.data[0].customdata[0].startswith("Week of 2 Mar 2026")


def test_a_small_chart_marks_what_is_not_over() -> None:
    """As the large one does."""
    (figure,) = charts.multiples(WEEKS.assign(id=7), "leads", Unit.WEEK, {date(2026, 3, 16)}).values()
    assert figure.data[0].marker.symbol[2].endswith("-open")


def test_the_timeline_stands_on_the_zones_clock() -> None:
    """Plotly would draw UTC: 11:00 UTC is 07:00 in New York in March."""
    failed, missed = charts.timeline([RUN], SLOTS, ZONE).data
    assert failed.x[0] == datetime(2026, 3, 10, 7, 0)  # noqa: DTZ001 (as the clock on the wall shows it)
    assert failed.y[0] == 4.0
    assert "20,077 records, 5,019 a second" in failed.customdata[0]
    assert missed.name == RESULTS["missed"].label
    assert missed.y[0] == 0.0


def test_imports_of_one_minute_are_told_one_by_one() -> None:
    """With their number beside the mark."""
    (failed,) = charts.timeline([RUN, RUN | {"id": 4}], SLOTS.head(0), ZONE).data
    assert (len(failed.x), list(failed.text)) == (1, ["2"])
    assert "Import 3: failed" in failed.customdata[0]
    assert "Import 4: failed" in failed.customdata[0]


def test_results_differ_in_their_marks() -> None:
    """A failed import is told from a succeeded one without colour."""
    assert len({ink.mark for ink in RESULTS.values()}) == len(RESULTS)


def test_a_course_shows_what_is_expected() -> None:
    """A dashed line at the expectation, and the difference in the hover."""
    frame = pd.DataFrame(
        {"id": [1, 2], "started_at": [RUN["started_at"]] * 2, "status": ["succeeded"] * 2, "leads": [90, 100]}
    )
    figure = charts.course(frame, "leads", 100, ZONE)
    assert figure.layout.shapes[0].y0 == 100
    assert figure.data[0].customdata[0].endswith("90 leads, 100 expected (-10)")


def test_a_flat_course_repeats_no_tick() -> None:
    """Two ticks that both say 20,077 are no scale."""
    frame = pd.DataFrame(
        {"id": [1, 2], "started_at": [RUN["started_at"]] * 2, "status": ["succeeded"] * 2, "leads": [9, 9]}
    )
    low, high = charts.course(frame, "leads", None, ZONE).layout.yaxis.range
    assert high - low >= 2 * charts.FLAT


def test_a_spark_has_the_colour_of_its_total() -> None:
    """The same colour for the same thing on all pages."""
    (line,) = charts.spark(WEEKS, "engaged", Unit.WEEK).data
    assert line.line.color == MEASURES["engaged"].colour
    assert line.customdata[0] == "Week of 2 Mar 2026<br>788 engaged"


def test_nothing_has_no_average() -> None:
    """Over no conversations there is no dashed line, and the chart is drawn all the same."""
    nothing = Totals(conversations=0, bookings=0, leads=0, engaged=0)
    figure = charts.rates_by_name(CLINICS.head(0), "bookings", nothing)
    assert (len(figure.layout.shapes), len(figure.data[0].x)) == (0, 0)
