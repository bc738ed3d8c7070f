"""Reports as lines for a person at a terminal."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from core import printed
from core.probe import ConnectionReport
from core.reports import (
    Job,
    LastCompleted,
    Progress,
    RunState,
    SchedulerState,
    Stats,
    StatsReport,
    StatusReport,
    Totals,
    Validation,
    down,
)
from core.validation import Metric, compare

ZONE = ZoneInfo("America/New_York")
ENDED = datetime(2026, 11, 24, 11, 0, 2, tzinfo=UTC)
COMING = datetime(2026, 11, 24, 23, 0, tzinfo=UTC)
TOTALS = {"conversations": 20077, "bookings": 3122, "leads": 13908, "engaged": 7910}
SUCCESS = LastCompleted(import_id=7, completed_at=ENDED, total_processed=20077, stats=Totals(**TOTALS))


def status(**parts: Any) -> list[str]:  # noqa: ANN401 (any of a report's parts)
    """The lines of a status, at rest where nothing else is said."""
    usual = {
        "status": RunState(is_running=False, current_import_id=None, scheduler_initialized=True),
        "progress": None,
        "scheduler": schedule(COMING),
        "last_completed": SUCCESS,
    }
    return list(printed.status(StatusReport.model_validate(usual | parts), ZONE))


def schedule(coming: datetime | None) -> SchedulerState:
    """A schedule that runs, or is paused."""
    jobs = [Job(id="import", next_run=coming)]
    return SchedulerState(running=coming is not None, next_run=coming, timezone="UTC", jobs=jobs)


def test_the_status_is_told_in_sentences() -> None:
    """Moments in the zone, counts with their thousands separated."""
    assert status() == [
        "No import runs.",
        "Next import (changes): 24 Nov 2026, 18:00 EST.",
        "Last success: import 7, 24 Nov 2026, 06:00 EST, 20,077 records read.",
        "It left 20,077 conversations, 3,122 bookings, 13,908 leads, 7,910 engaged.",
    ]


def test_a_running_import_says_how_far_it_is() -> None:
    """In the words of the import itself."""
    running = RunState(is_running=True, current_import_id=8, scheduler_initialized=True)
    known = Progress(
        phase="reading",
        message="Reading.",
        pages=12,
        records=1200,
        records_per_second=2400.4,
        fraction=0.06,
        seconds_left=8.2,
        waiting_until=None,
    )
    said = "Import 8 runs: Reading. 1,200 records, 2,400 a second, about 8 s left"
    assert status(status=running, progress=known)[0] == said
    assert status(status=running)[0] == "Import 8 runs: Starting."


def test_a_schedule_that_rests_says_why() -> None:
    """Paused by a person, or no server that would keep it."""
    none = RunState(is_running=False, current_import_id=None, scheduler_initialized=False)
    assert status(scheduler=schedule(None))[1] == "The schedule is paused."
    assert status(status=none, scheduler=schedule(None))[1] == printed.NO_SERVER
    assert status(last_completed=None)[2:] == ["No import has succeeded yet."]


@pytest.mark.parametrize(
    ("expected", "told"),
    [
        ({"leads": 13908}, ["All totals are as expected."]),
        ({"leads": 13908, "bookings": 1}, ["Not as expected: bookings, 3,122 instead of 1."]),
        ({}, ["No expected totals are set."]),
    ],
)
def test_the_figures_are_told_with_their_verdict(expected: dict[str, int | None], told: list[str]) -> None:
    """Rates to two decimals beside their counts, as on the validation page."""
    metrics: list[Metric] = compare(expected, TOTALS, 0)
    found = Validation.model_validate(
        {"ok": all(metric.ok for metric in metrics), "metrics": metrics, "inconsistencies": []},
        from_attributes=True,
    )
    stats = Stats(
        **TOTALS,
        booking_rate=15.55,
        lead_rate=69.27,
        engagement_rate=39.4,
        clients=40,
        locations=40,
        customers=17056,
        automations=6,
        rejected=0,
        first_conversation_at=None,
        last_conversation_at=ENDED,
    )
    lines = list(printed.stats(StatsReport(stats=stats, validation=found), ZONE))
    assert lines == [
        "Conversations: 20,077",
        "Bookings: 3,122 (15.55 % of conversations)",
        "Leads: 13,908 (69.27 % of conversations)",
        "Engaged: 7,910 (39.40 % of conversations)",
        "Clients: 40",
        "Locations: 40",
        "Customers: 17,056",
        "Automations: 6",
        "Rejected: 0",
        "First conversation: –",
        "Last conversation: 24 Nov 2026, 06:00 EST",
        *told,
    ]


def test_a_health_of_which_nothing_is_known_has_dashes() -> None:
    """Without a database nobody knows what comes next, or how much there is."""
    assert list(printed.health(down("1"), ZONE)) == [
        "Status: down",
        "Database: down",
        "Schedule: unknown",
        "Next import: –",
        "Conversations: –",
        "Version: 1",
    ]


def test_a_connection_test_tells_its_columns_or_why_there_are_none() -> None:
    """A refused one has nothing but its reason."""
    there = ConnectionReport(ok=True, source="demo", table="T", fields=["Clinic", "Name"], latency_ms=14.6)
    assert list(printed.connection(there)) == [
        "Source: demo, table T",
        "Answered in < 0.1 s",
        "Columns that are there: Clinic, Name",
        "Columns that are missing: –",
    ]
    refused = ConnectionReport(ok=False, source="demo", table="T", code="c", message="Refused.")
    assert list(printed.connection(refused)) == ["Source: demo, table T", "Refused."]
