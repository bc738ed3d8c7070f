"""Clinics: the table, one clinic's own view, and the silent ones."""

from datetime import date, timedelta

import pytest

from core import words
from tests.support.site import Site, said

NEWEST = date(2025, 12, 31)


def spread(site: Site, last: date, clinic: str | None = None) -> None:
    """Give every clinic, or one, a conversation on each of its last 40 days up to `last`."""
    site.change(
        """UPDATE conversations v SET local_date = %s - CAST(n.place AS int)
           FROM (SELECT id, row_number() OVER (PARTITION BY client_id ORDER BY id) - 1 AS place
                 FROM conversations) n, clients c
           WHERE n.id = v.id AND c.id = v.client_id AND c.name = coalesce(%s, c.name)""",
        last,
        clinic,
    )


def test_the_table_shows_each_clinics_counts_and_rates(site: Site) -> None:
    """The same as SQL that joins the tables."""
    table = site.visit("clinics").dataframe[0].value
    truth = site.ask(
        """SELECT c.name, count(*), count(b.id), count(l.id), count(*) FILTER (WHERE v.engaged)
           FROM conversations v JOIN clients c ON c.id = v.client_id
           LEFT JOIN bookings b ON b.conversation_id = v.id LEFT JOIN leads l ON l.conversation_id = v.id
           GROUP BY 1"""
    )
    names = ["Clinic", "Conversations", "Bookings", "Leads", "Engaged"]
    assert {tuple(row) for row in table[names].itertuples(index=False)} == set(truth)
    assert "Change (%)" not in table


def test_a_bounded_period_is_compared_clinic_by_clinic(site: Site) -> None:
    """With what it changed from, and with whom there is no more."""
    site.change("UPDATE conversations SET local_date = DATE '2025-12-06'")
    site.change(
        """UPDATE conversations v SET local_date = DATE '2025-12-05'
           FROM (SELECT id, row_number() OVER (PARTITION BY client_id ORDER BY id) AS place
                 FROM conversations) n, clients c
           WHERE n.id = v.id AND c.id = v.client_id AND (mod(n.place, 4) = 0 OR c.name = 'Clinic 4')"""
    )
    app = site.visit("clinics", period="Custom", **{"from": "2025-12-06", "to": "2025-12-06"})
    assert "Changes are from 5 Dec 2025." in said(app)
    table = app.dataframe[0].value.set_index("Clinic")
    assert table["Change (%)"].to_dict() == {
        "Clinic 0": 200.0,
        "Clinic 1": 200.0,
        "Clinic 2": 200.0,
        "Clinic 3": 200.0,
        "Clinic 4": -100.0,
    }
    assert table["Conversations"]["Clinic 4"] == 0
    # The first columns are all that a phone shows.
    assert list(table.columns[:2]) == ["Change (%)", "Conversations"]


def test_each_clinic_has_its_course(site: Site) -> None:
    """Over the same days for all, so that lines can be compared."""
    spread(site, NEWEST)
    spread(site, NEWEST - timedelta(days=20), "Clinic 2")
    table = site.visit("clinics").dataframe[0].value.set_index("Clinic")
    courses = table["Course"].to_dict()
    assert {len(course) for course in courses.values()} == {len(courses["Clinic 0"])}
    assert courses["Clinic 2"][-1] == 0 < courses["Clinic 0"][-1]


def test_a_clinic_has_a_view_of_its_own(site: Site) -> None:
    """By a link that names it; with its own totals, and the way back."""
    app = site.visit("clinics", clinic="Clinic 3")
    assert [title.value for title in app.title] == ["Clinic 3"]
    assert [metric.value for metric in app.metric] == ["40", "0", "20", "14"]
    back = next(link for link in app.main.page_link if link.proto.label == "All clinics")
    assert "show-clinic=All+clinics" in back.proto.query_string


def test_no_clinic_is_silent_where_all_ended_together(site: Site) -> None:
    """Data that end earlier than today are no silence."""
    spread(site, NEWEST)
    app = site.visit("clinics")
    assert list(app.warning) == []
    assert set(app.dataframe[-1].value["State"]) == {"As usual"}


@pytest.mark.parametrize("period", ["All time", "Last 30 days"])
def test_a_silent_clinic_is_named_whatever_the_period(site: Site, period: str) -> None:
    """On the table's page, on its own, and first in the list of newest conversations."""
    spread(site, NEWEST)
    spread(site, NEWEST - timedelta(days=5), "Clinic 2")
    app = site.visit("clinics", period=period)
    assert app.warning[0].value == ("Silent, though conversations usually come daily: Clinic 2 (5 days).")
    newest = app.dataframe[-1].value
    assert list(newest.iloc[0]) == ["Clinic 2", "Silent", "26 Dec 2025", 5]
    assert (
        "26 Dec 2025, 5 days before the newest" in site.visit("clinics", clinic="Clinic 2").warning[0].value
    )
    assert list(site.visit("clinics", clinic="Clinic 1").warning) == []


def test_a_date_to_come_makes_nobody_silent(site: Site) -> None:
    """One mistyped date lies years ahead; it is no newest conversation."""
    spread(site, NEWEST)
    site.change("UPDATE conversations SET local_date = DATE '2062-01-01' WHERE id = 1")
    assert list(site.visit("clinics").warning) == []


def test_a_clinics_name_is_no_markup(site: Site) -> None:
    """Nor may it break the page."""
    site.change("UPDATE clients SET name = '*Bold* $x$ :red[y]' WHERE name = 'Clinic 1'")
    app = site.visit("clinics", clinic="*Bold* $x$ :red[y]")
    assert app.title[0].value == words.plain("*Bold* $x$ :red[y]")
