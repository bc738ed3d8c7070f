"""Years whose bookings are not counted, on the pages: no rate, no change, and a word why."""

import pytest
from streamlit.testing.v1 import AppTest

from tests.support.site import Site, said

NOTE = "Bookings of 2024 are not counted."
YEAR = {"period": "Custom", "from": "2024-01-01", "to": "2024-12-31"}
NEXT = {"period": "Custom", "from": "2025-01-01", "to": "2025-11-30"}


@pytest.fixture
def two_years(site: Site) -> Site:
    """Every third conversation was in the summer of 2024, the others a year later."""
    site.change(
        "UPDATE conversations SET local_date = CASE mod(id, 3) WHEN 0 THEN DATE '2024-07-01'"
        " ELSE DATE '2025-07-01' END"
    )
    return site


def card(app: AppTest, name: str) -> tuple[str, str]:
    """A card's number and its change."""
    (metric,) = (metric for metric in app.metric if metric.label == name)
    return metric.value, metric.delta


@pytest.mark.parametrize("page", ["overview", "rates", "clinics"])
def test_the_years_are_named_where_they_are_shown(two_years: Site, page: str) -> None:
    """And only there."""
    assert NOTE in said(two_years.visit(page))
    assert NOTE in said(two_years.visit(page, clinic="Clinic 1"))
    assert "not counted" not in said(two_years.visit(page, **NEXT))


@pytest.mark.parametrize("query", [{}, {"clinic": "Clinic 0"}])
def test_bookings_are_not_compared_with_a_year_that_is_not_counted(
    two_years: Site, query: dict[str, str]
) -> None:
    """They would have grown by thousands of percent; all else is compared."""
    app = two_years.visit("clinics" if query else "overview", **NEXT, **query)
    assert card(app, "Bookings")[1] == "–"
    assert card(app, "Leads")[1].endswith(" %")
    (metric,) = (metric for metric in app.metric if metric.label == "Bookings")
    assert metric.proto.delta_description == "2024 not counted"


def test_a_year_that_is_not_counted_has_counts_and_no_booking_rate(two_years: Site) -> None:
    """What was booked into a counted year stays a count (spec, section 2)."""
    app = two_years.visit("overview", **YEAR)
    assert card(app, "Bookings") == ("13", "–")
    assert "**–** booking rate" in said(app)
    assert said(app).count(NOTE) == 3, "at the chart and at both rankings"


def test_rates_tell_why_there_is_none_by_clinic(two_years: Site) -> None:
    """Instead of charts of nothing; another rate has its charts."""
    app = two_years.visit("rates", **YEAR)
    assert f"{NOTE} So there is no booking rate" in said(app)
    course = app.dataframe[0].value
    assert course["Booking rate (%)"].isna().all()
    assert course["Lead rate (%)"].notna().any()
    assert "Lead rate by clinic" in said(two_years.visit("rates", rate="Lead rate", **YEAR))
