"""Every page's figures are those of SQL that joins the tables, whatever the filters."""

from collections.abc import Callable, Mapping
from datetime import date, timedelta

import pytest
from streamlit.testing.v1 import AppTest

from core import periods, words
from core.periods import Period
from tests.support.site import Site
from tests.support.standin import START

AUTOMATIONS = ("Website Chatbot", "SMS Follow-up", "Reactivation Campaign")
NAMES = ["Conversations", "Bookings", "Leads", "Engaged"]
PERIOD = Period(date(2025, 12, 10), date(2025, 12, 20))
BOUNDED = {"period": "Custom", "from": str(PERIOD.first), "to": str(PERIOD.last)}
TRUTH = """
    SELECT {key}, count(*), count(b.id), count(l.id), count(*) FILTER (WHERE v.engaged)
    FROM conversations v JOIN clients c ON c.id = v.client_id JOIN automations a ON a.id = v.automation_id
    LEFT JOIN bookings b ON b.conversation_id = v.id LEFT JOIN leads l ON l.conversation_id = v.id
    WHERE v.deleted_at IS NULL
      AND CAST(v.occurred_at AT TIME ZONE 'America/New_York' AS date) BETWEEN %s AND %s
      AND c.name LIKE %s AND a.name LIKE %s
    GROUP BY 1
"""
EVERY = pytest.mark.parametrize(
    "query",
    [
        {},
        BOUNDED,
        {"clinic": "Clinic 3"},
        {"automation": "SMS Follow-up"},
        BOUNDED | {"clinic": "Clinic 3", "automation": "SMS Follow-up"},
    ],
)


@pytest.fixture
def mixed(make_site: Callable[..., Site]) -> Site:
    """Six weeks of three automations, by day and by night; some deleted, some rejected."""
    site = make_site()
    table = site.standin.table
    for index, record in enumerate(table.records()):
        moment = START - timedelta(days=45) + timedelta(hours=5 * index)
        cells = {"Conversation Date": moment.isoformat(), "Automation": AUTOMATIONS[index % 3]}
        table.update(record.id, cells, at=START)
    for cells in ({"User ID": "lost-1"}, {"User ID": "lost-2"}, {"Clinic": "Clinic 1"}):
        table.create(cells, at=START)
    site.import_all()
    for record in table.records()[:7]:
        table.delete(record.id)
    assert site.import_all() == (2, "succeeded")
    return site


def truth(
    site: Site, query: Mapping[str, str], key: str = "'all'", period: Period = PERIOD
) -> dict[str, list[int]]:
    """The four totals by a key, within what the query asks for."""
    bounded = "period" in query or period != PERIOD
    first, last = (period.first, period.last) if bounded else (date.min, date.max)
    names = (query.get("clinic", "%"), query.get("automation", "%"))
    rows = site.ask(TRUTH.format(key=key), first, last, *names)
    return {str(row[0]): [int(str(count)) for count in row[1:]] for row in rows}


def shown(app: AppTest, column: str) -> dict[str, list[int]]:
    """The counts of the first table that begins with this column."""
    frame = next(table.value for table in app.dataframe if table.value.columns[0] == column)
    return {str(row[column]): [int(row[name]) for name in NAMES] for row in frame.to_dict("records")}


@EVERY
def test_the_cards_of_the_overview(mixed: Site, query: dict[str, str]) -> None:
    """And their change, where the period is bounded."""
    metrics = mixed.visit(**query).metric
    (now,) = truth(mixed, query).values()
    assert [metric.value for metric in metrics] == [words.number(count) for count in now]
    if "period" in query:
        earlier = periods.before(PERIOD)
        assert earlier is not None
        (then,) = truth(mixed, query, period=earlier).values()
        changes = [words.change(count, before) for count, before in zip(now, then, strict=True)]
        assert [metric.delta or None for metric in metrics] == changes


@EVERY
def test_the_tables_of_rates(mixed: Site, query: dict[str, str]) -> None:
    """By day, by clinic and by automation."""
    app = mixed.visit("rates", by="Day", **query)
    assert shown(app, "Clinic") == truth(mixed, query, "c.name")
    assert shown(app, "Automation") == truth(mixed, query, "a.name")
    days = truth(mixed, query, "CAST(v.occurred_at AT TIME ZONE 'America/New_York' AS date)")
    assert {day: counts for day, counts in shown(app, "Day from").items() if counts[0]} == days


@EVERY
def test_the_table_of_clinics_or_a_clinics_own_view(mixed: Site, query: dict[str, str]) -> None:
    """Every clinic's counts; of one clinic its cards and its automations."""
    app = mixed.visit("clinics", **query)
    if "clinic" not in query:
        assert {name: counts for name, counts in shown(app, "Clinic").items() if counts[0]} == truth(
            mixed, query, "c.name"
        )
        return
    (now,) = truth(mixed, query).values()
    assert [metric.value for metric in app.metric] == [words.number(count) for count in now]
    assert shown(app, "Automation") == truth(mixed, query, "a.name")


def test_validation_system_and_data_quality(mixed: Site) -> None:
    """Totals, conversations in the database, and open rejections by reason, whatever the filters."""
    (now,) = truth(mixed, {}).values()
    table = mixed.visit("validation", **BOUNDED).table[0].value
    assert list(table["Actual"]) == [words.number(count) for count in now]
    assert f"{now[0]} conversations" in list(mixed.visit("system", **BOUNDED).table[0].value["More"])
    open_ones = mixed.ask(
        "SELECT reason, count(*) FROM rejected_records WHERE resolved_at IS NULL GROUP BY 1 ORDER BY 1"
    )
    assert open_ones == [("missing_clinic", 2), ("missing_user_id", 1)]
    boxes = [box.label for box in mixed.visit("quality", **BOUNDED).expander]
    assert boxes == ["**2** The Clinic cell is empty", "**1** The User ID cell is empty"]
