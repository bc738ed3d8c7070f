"""Every figure of the pages against SQL that uses none of the columns that the pages read."""

from collections.abc import Iterator
from datetime import date, timedelta
from functools import partial
from typing import Any

import pandas as pd
import psycopg
import pytest
from psycopg.rows import dict_row
from sqlalchemy import Connection, text

from core import figures, queries, reports, standing
from core.database import engine
from core.figures import COUNTS, Filters
from core.importer import Order
from core.periods import ALL_TIME, Period, Unit
from core.rules import SEEDED_AUTOMATIONS, name_key
from core.runs import Mode, Trigger
from core.service import Service
from tests.support.postgres import Postgres
from tests.support.services import ended, service_on
from tests.support.standin import START, StandIn, conversations

# Local days from the moment itself, bookings and leads from their tables, engagement from the source's words:
# no local_date, local_hour, booked or lead_created.
TRUTH = """
    SELECT v.external_id, c.name AS clinic, a.name AS automation,
           CAST(v.occurred_at AT TIME ZONE 'America/New_York' AS date) AS day,
           CAST(extract(isodow FROM v.occurred_at AT TIME ZONE 'America/New_York') AS int) AS weekday,
           CAST(extract(hour FROM v.occurred_at AT TIME ZONE 'America/New_York') AS int) AS hour,
           v.engaged, b.id IS NOT NULL AS booked, l.id IS NOT NULL AS lead
    FROM conversations v
    JOIN locations p ON p.id = v.location_id JOIN clients c ON c.id = p.client_id
    JOIN automations a ON a.id = v.automation_id
    LEFT JOIN bookings b ON b.conversation_id = v.id LEFT JOIN leads l ON l.conversation_id = v.id
    WHERE v.deleted_at IS NULL
"""
ODD: list[dict[str, object]] = [
    {"Clinic": "Clinic 1", "User ID": "odd-1", "Booking": "2025, some day", "Lead Created": "Yes"},
    {"Clinic": "Clinic 1", "User ID": "odd-2", "Booking": "3/14/2024", "Automation": "Carrier pigeon"},
    {"Clinic": "Clinic 2", "User ID": "odd-3", "Booking": "3/14/2026", "Conversation Date": "some day"},
    {"Clinic": "", "User ID": "odd-4"},
]
ODDITIES = """
    SELECT count(*) FILTER (WHERE b.id IS NOT NULL AND b.booked_for IS NULL) AS unreadable_bookings,
           count(*) FILTER (WHERE v.other_booking_text IS NOT NULL) AS bookings_of_other_years,
           count(*) FILTER (WHERE v.other_booking_text LIKE '%%2026%%') AS bookings_of_a_new_year,
           count(*) FILTER (WHERE l.id IS NOT NULL AND NOT v.engaged) AS leads_without_engagement,
           count(*) FILTER (WHERE a.name_key <> ALL(%s)) AS automations_not_seeded,
           count(*) FILTER (WHERE v.date_status = 'unreadable') AS unreadable_dates
    FROM conversations v JOIN automations a ON a.id = v.automation_id
    LEFT JOIN bookings b ON b.conversation_id = v.id LEFT JOIN leads l ON l.conversation_id = v.id
    WHERE v.deleted_at IS NULL
"""
DELETE_OF_CLINIC = text("""
    UPDATE conversations SET deleted_at = now(), booked = false, contact_name = NULL, contact_email = NULL,
                             contact_phone = NULL, other_booking_text = NULL
    WHERE client_id = (SELECT id FROM clients WHERE name = :clinic)
""")
FILTERS = ("all", "period", "clinic", "automation", "everything", "nothing")


@pytest.fixture(scope="module")
def url(postgres: Postgres, template_database: str) -> Iterator[str]:
    """A database of this module's own."""
    with postgres.database(template_database) as url:
        yield url


@pytest.fixture(scope="module")
def service(url: str) -> Iterator[Service]:
    """A service whose database holds 600 conversations of two months, and odd ones."""
    table = conversations(600, at=START - timedelta(days=60), cells=ODD)
    for index, record in enumerate(table.records()[:600]):
        moment = START - timedelta(days=60) + timedelta(hours=2.4 * index)
        cells: dict[str, object] = {"Conversation Date": moment.isoformat()}
        if index % 7 == 0:
            cells["Automation"] = "SMS Follow-up"
        table.update(record.id, cells, at=START)
    with StandIn(table) as standin, service_on(url, standin) as service:
        import_id = service.start_import(Order(Mode.FULL, Trigger.MANUAL, "cli:test"))
        assert ended(service, import_id) == "succeeded"
        yield service


@pytest.fixture(scope="module")
def truth(service: Service, url: str) -> pd.DataFrame:
    """One row for each live conversation."""
    assert service.conninfo == url
    with psycopg.connect(url, row_factory=dict_row) as connection:
        return pd.DataFrame(connection.execute(TRUTH).fetchall())


@pytest.fixture(params=FILTERS)
def filtered(
    request: pytest.FixtureRequest, service: Service, truth: pd.DataFrame
) -> tuple[Filters, pd.DataFrame]:
    """Filters, and the true rows that they leave."""
    middle = sorted(truth["day"])[len(truth) // 2]
    period = Period(middle - timedelta(days=20), middle + timedelta(days=3))
    clinic = service.ask(figures.clinics)["Clinic 3"]
    automation = service.ask(figures.automations)["SMS Follow-up"]
    days = (truth["day"] >= period.first) & (truth["day"] <= period.last)
    own, texted = truth["clinic"] == "Clinic 3", truth["automation"] == "SMS Follow-up"
    return {
        "all": (Filters(), truth),
        "period": (Filters(period), truth[days]),
        "clinic": (Filters(client=clinic), truth[own]),
        "automation": (Filters(automation=automation), truth[texted]),
        "everything": (Filters(period, clinic, automation), truth[days & own & texted]),
        "nothing": (Filters(Period(date(1999, 1, 1), date(1999, 1, 2))), truth[:0]),
    }[request.param]


def counts(rows: pd.DataFrame) -> tuple[int, int, int, int]:
    """The four counts of true rows, in the order of COUNTS."""
    return len(rows), int(rows["engaged"].sum()), int(rows["lead"].sum()), int(rows["booked"].sum())


def found(frame: pd.DataFrame, *keys: str) -> dict[Any, tuple[int, ...]]:
    """A frame's counts by its keys, without those of nothing."""
    rows = frame[frame["conversations"] > 0].to_dict("records")
    return {tuple(row[key] for key in keys): tuple(row[name] for name in COUNTS) for row in rows}


def true(rows: pd.DataFrame, *keys: str) -> dict[Any, tuple[int, ...]]:
    """The same of the true rows."""
    return {key: counts(group) for key, group in rows.groupby(list(keys))} if len(rows) else {}


def test_totals_are_true(service: Service, filtered: tuple[Filters, pd.DataFrame]) -> None:
    """The four cards."""
    filters, rows = filtered
    total = service.ask(lambda connection: figures.totals(connection, filters))
    assert (total.conversations, total.engaged, total.leads, total.bookings) == counts(rows)


def started(rows: pd.DataFrame, unit: Unit) -> pd.DataFrame:
    """True rows with the first day of their day, week or month."""
    starts = {
        Unit.DAY: lambda day: day,
        Unit.WEEK: lambda day: day - timedelta(days=day.weekday()),
        Unit.MONTH: lambda day: day.replace(day=1),
    }
    return rows.assign(start=rows["day"].map(starts[unit]))


@pytest.mark.parametrize("unit", list(Unit))
def test_a_course_is_true(service: Service, filtered: tuple[Filters, pd.DataFrame], unit: Unit) -> None:
    """Each day, week and month; what lies between is there as nothing."""
    filters, rows = filtered
    frame = service.ask(lambda connection: figures.series(connection, filters, unit))
    assert found(frame, "start") == true(started(rows, unit), "start")
    if unit is Unit.DAY and len(rows):
        assert len(frame) == (max(rows["day"]) - min(rows["day"])).days + 1


def test_clinics_and_automations_are_true(service: Service, filtered: tuple[Filters, pd.DataFrame]) -> None:
    """Bars, tables and rankings."""
    filters, rows = filtered
    clinics = service.ask(lambda connection: figures.by_clinic(connection, filters))
    automations = service.ask(lambda connection: figures.by_automation(connection, filters))
    assert found(clinics, "name") == true(rows, "clinic")
    assert found(automations, "name") == true(rows, "automation")
    assert list(clinics["conversations"]) == sorted(clinics["conversations"], reverse=True)


@pytest.mark.parametrize("unit", list(Unit))
def test_small_charts_are_true(service: Service, filtered: tuple[Filters, pd.DataFrame], unit: Unit) -> None:
    """Each clinic's days, weeks and months, in their order."""
    filters, rows = filtered
    frame = service.ask(lambda connection: figures.clinic_series(connection, filters, unit))
    assert found(frame, "name", "start") == true(started(rows, unit), "clinic", "start")
    assert len(frame) == len(found(frame, "name", "start"))
    assert all(own["start"].is_monotonic_increasing for _, own in frame.groupby("id"))


def test_small_charts_of_some_clinics_are_theirs(service: Service, truth: pd.DataFrame) -> None:
    """Where only the largest are drawn, only they are counted."""
    known = service.ask(figures.clinics)
    wanted = [known["Clinic 1"], known["Clinic 3"]]

    def theirs(connection: Connection) -> pd.DataFrame:
        return figures.clinic_series(connection, Filters(), Unit.WEEK, wanted)

    rows = truth[truth["clinic"].isin(["Clinic 1", "Clinic 3"])]
    assert found(service.ask(theirs), "name", "start") == true(started(rows, Unit.WEEK), "clinic", "start")
    assert service.ask(lambda one: figures.clinic_series(one, Filters(), Unit.WEEK, [])).empty


def test_active_days_are_true(service: Service, filtered: tuple[Filters, pd.DataFrame]) -> None:
    """Each clinic's days with conversations, of the ten up to its own newest one."""
    filters, rows = filtered
    frame = service.ask(lambda connection: figures.active_days(connection, filters, 10))
    wanted = {
        (clinic, day)
        for clinic, own in rows.groupby("clinic")
        for day in own["day"]
        if day > max(own["day"]) - timedelta(days=10)
    }
    assert set(zip(frame["name"], frame["day"], strict=True)) == wanted
    assert len(frame) == len(wanted)


def test_hours_are_true(service: Service, filtered: tuple[Filters, pd.DataFrame]) -> None:
    """Weekday by hour, in the zone and not in UTC."""
    filters, rows = filtered
    frame = service.ask(lambda connection: figures.by_hour(connection, filters))
    assert found(frame, "weekday", "hour") == true(rows, "weekday", "hour")


def test_the_extent_is_true(service: Service, filtered: tuple[Filters, pd.DataFrame]) -> None:
    """An empty period leads to the last conversation."""
    filters, rows = filtered
    period = service.ask(lambda connection: figures.extent(connection, filters))
    assert period == (Period(min(rows["day"]), max(rows["day"])) if len(rows) else ALL_TIME)


@pytest.mark.parametrize(
    ("only", "column"), [("conversations", None), ("leads", "lead"), ("bookings", "booked")]
)
def test_the_records_behind_a_figure_are_its_own(
    service: Service, filtered: tuple[Filters, pd.DataFrame], only: str, column: str | None
) -> None:
    """As many as the figure says, and those; of their contacts only which there are."""
    filters, rows = filtered
    frame = service.ask(lambda connection: figures.conversations(connection, filters, only, 10_000))
    wanted = rows if column is None else rows[rows[column]]
    assert set(frame["external_id"]) == set(wanted["external_id"])
    assert set(frame["contact"]) <= {"name, email, phone", ""}


def test_what_the_conversations_lead_to_is_counted(service: Service, url: str) -> None:
    """Clinics, customers and automations with a live conversation, and the first and the last moment."""
    with psycopg.connect(url, row_factory=dict_row) as connection:
        counted = connection.execute("""
            SELECT count(DISTINCT client_id) AS clients, count(DISTINCT location_id) AS locations,
                   count(DISTINCT customer_id) AS customers, count(DISTINCT automation_id) AS automations,
                   min(occurred_at) AS first_at, max(occurred_at) AS last_at
            FROM conversations WHERE deleted_at IS NULL
        """).fetchone()
    assert service.ask(queries.extent) == {**(counted or {}), "rejected": 1}


def test_nothing_leads_to_nothing(database_url: str) -> None:
    """An empty database has no first conversation, and no count is missing."""
    made = engine(database_url)
    with made.connect() as connection:
        counted = queries.extent(connection)
        totals, odd = queries.reckoning(connection, ("2025",), ())
    made.dispose()
    assert {*counted.values()} == {0, None}
    assert {*odd.values(), *totals.as_dict().values()} == {0}


def test_what_is_deleted_counts_nowhere(url: str) -> None:
    """A clinic whose conversations are all deleted is in no figure, though indexes still hold its rows."""
    made = engine(url)
    with made.connect() as connection:
        before = queries.extent(connection)
        connection.execute(DELETE_OF_CLINIC, {"clinic": "Clinic 3"})
        after = queries.extent(connection)
        frames = [
            figures.by_clinic(connection, Filters()),
            figures.clinic_series(connection, Filters(), Unit.MONTH),
            figures.active_days(connection, Filters(), 28),
        ]
    made.dispose()
    assert (after["clients"], after["locations"]) == (before["clients"] - 1, before["locations"] - 1)
    assert after["customers"] < before["customers"]
    assert all("Clinic 3" not in set(frame["name"]) for frame in frames)


def test_inconsistencies_are_counted(service: Service, url: str) -> None:
    """Each thing that should not be, against one plain reading of the whole table."""
    seeded = [name_key(name) for name in SEEDED_AUTOMATIONS]
    with psycopg.connect(url, row_factory=dict_row) as connection:
        counted = connection.execute(ODDITIES, (seeded,)).fetchone()
    years = service.settings.booking_years
    totals, found_odd = service.ask(lambda one: queries.reckoning(one, years, seeded))
    assert totals == service.ask(queries.totals)
    assert found_odd == {**(counted or {}), "rejected_records": 1, "source_count": 0}
    assert all(count for code, count in found_odd.items() if code != "source_count")


def test_totals_are_reckoned_up_to_a_day(service: Service, truth: pd.DataFrame) -> None:
    """EXPECTED_AS_OF bounds the four totals; what is odd is counted whenever it was."""
    day = sorted(truth["day"])[len(truth) // 2]
    years = service.settings.booking_years
    before, odd = service.ask(lambda one: queries.reckoning(one, years, (), day))
    of_all, odd_of_all = service.ask(lambda one: queries.reckoning(one, years, ()))
    until = truth[truth["day"] <= day]
    assert (before.conversations, before.engaged, before.leads, before.bookings) == counts(until)
    assert (of_all.conversations, of_all.engaged, of_all.leads, of_all.bookings) == counts(truth)
    assert service.ask(lambda one: queries.totals(one, day)) == before
    assert odd == odd_of_all


def test_every_inconsistency_has_its_records(service: Service) -> None:
    """The count on the validation page is the number of records behind it."""
    years, seeded = service.settings.booking_years, [name_key(name) for name in SEEDED_AUTOMATIONS]
    report = service.ask(lambda connection: reports.validation(connection, service.settings))
    assert {one.code for one in report.inconsistencies} >= {*figures.READ_BEHIND, "rejected_records"}
    for one in report.inconsistencies:
        frame = service.ask(
            partial(figures.behind, code=one.code, booking_years=years, seeded=seeded, limit=10_000)
        )
        assert frame is not None
        assert len(frame) == one.count, one.code


def test_no_more_records_are_read_than_wanted(service: Service) -> None:
    """A table of half a million rows would freeze the page."""

    def two(connection: Connection) -> pd.DataFrame:
        return figures.conversations(connection, Filters(), "conversations", 2)

    newest = service.ask(two)
    assert len(newest) == 2
    assert newest["occurred_at"].iloc[0] >= newest["occurred_at"].iloc[1]


def test_the_version_moves_with_every_batch(service: Service, url: str) -> None:
    """Figures that were read while an import ran are not remembered beyond its next batch."""

    def version() -> str:
        now = service.clock.now()
        return service.ask(lambda connection: standing.read(connection, service.settings, now)).version

    before = version()
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE import_logs SET batches = batches + 1 WHERE changed_data")
    assert version() != before


def test_an_import_knows_what_it_changed(service: Service) -> None:
    """The totals before the first import are nothing, before the next what the first one left."""
    first = service.history(100).imports[-1].id
    second = service.start_import(Order(Mode.INCREMENTAL, Trigger.MANUAL, "cli:test"))
    assert ended(service, second) == "succeeded"
    left = service.ask(lambda connection: figures.run(connection, first))
    earlier = service.ask(lambda connection: figures.earlier_totals(connection, second))
    assert service.ask(lambda connection: figures.earlier_totals(connection, first)) is None
    assert left is not None
    assert earlier is not None
    assert earlier.as_dict() == {name: left[name] for name in earlier.as_dict()}


def test_the_course_runs_from_the_oldest_import(service: Service) -> None:
    """Totals import by import."""
    course = service.ask(lambda connection: figures.course(connection, 100))
    assert list(course["id"]) == sorted(course["id"])
    assert course["conversations"].iloc[0] == 603


def test_frames_keep_their_columns_when_they_are_empty(service: Service) -> None:
    """A page that finds nothing shows an empty table, not a traceback."""
    nothing = Filters(client=-1)
    frame = service.ask(lambda connection: figures.series(connection, nothing, Unit.WEEK))
    assert list(frame.columns) == ["start", *COUNTS]
    slots = service.ask(lambda connection: figures.slots(connection, 10))
    assert list(slots.columns) == ["slot_at", "job", "state"]
