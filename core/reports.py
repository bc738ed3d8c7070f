"""What the API and the command line answer: one object each, the same for both (spec, section 6)."""

from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel
from sqlalchemy import Connection, RowMapping

from core import queries, timetable
from core import validation as validation_rules
from core.rates import rate
from core.rules import SEEDED_AUTOMATIONS, name_key
from core.settings import Settings

# A server writes its heartbeat every few seconds; without one for this long, none runs.
HEARTBEAT_SECONDS = 90


class Report(BaseModel):
    """A JSON object with names in camel case."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)

    def as_json(self) -> dict[str, Any]:
        """The object as JSON types; moments are ISO 8601 in UTC with `Z`."""
        return self.model_dump(mode="json", by_alias=True)


class Totals(Report):
    """The four totals; null where a run has not left any yet."""

    conversations: int | None
    bookings: int | None
    leads: int | None
    engaged: int | None


class RunState(Report):
    """Whether an import runs, in whatever process."""

    is_running: bool
    current_import_id: int | None
    scheduler_initialized: bool


class Progress(Report):
    """How far a run is (spec, section 3)."""

    phase: str
    message: str
    pages: int
    records: int
    records_per_second: float
    fraction: float | None
    seconds_left: float | None
    waiting_until: datetime | None


class Job(Report):
    """One thing the scheduler does, and when next."""

    id: str
    next_run: datetime | None


class SchedulerState(Report):
    """The scheduler as its heartbeat tells."""

    running: bool
    next_run: datetime | None
    timezone: str
    jobs: list[Job]


class LastCompleted(Report):
    """The newest import that succeeded."""

    import_id: int
    completed_at: datetime
    total_processed: int
    stats: Totals


class StatusReport(Report):
    """`GET /api/import/status`."""

    status: RunState
    progress: Progress | None
    scheduler: SchedulerState
    last_completed: LastCompleted | None


class ErrorEntry(Report):
    """Why a run did not succeed."""

    code: str
    message: str


class Run(Report):
    """One import of the history."""

    id: int
    trigger: str
    triggered_by: str
    mode: str
    status: str
    started_at: datetime
    completed_at: datetime | None
    duration_ms: int | None
    records_per_second: float | None
    processed: int
    created: int
    updated: int
    unchanged: int
    deleted: int
    rejected: int
    missed: int
    retries: int
    errors: list[ErrorEntry]
    notes: str | None
    stats: Totals


class HistoryReport(Report):
    """`GET /api/import/history`."""

    imports: list[Run]


class Stats(Report):
    """The figures of all live data."""

    conversations: int
    bookings: int
    leads: int
    engaged: int
    booking_rate: float | None
    lead_rate: float | None
    engagement_rate: float | None
    clients: int
    locations: int
    customers: int
    automations: int
    rejected: int
    first_conversation_at: datetime | None
    last_conversation_at: datetime | None


class Metric(Report):
    """One total against its expectation."""

    metric: str
    expected: int
    actual: int
    difference: int
    difference_percent: float | None
    ok: bool


class Inconsistency(Report):
    """Something in the data that should not be."""

    code: str
    count: int
    message: str


class Validation(Report):
    """Whether the totals are what they should be."""

    ok: bool
    metrics: list[Metric]
    inconsistencies: list[Inconsistency]


class StatsReport(Report):
    """`GET /api/import/stats`."""

    stats: Stats
    validation: Validation


class BriefHealthReport(Report):
    """`GET /health` as anonymous callers of a guarded server see it."""

    status: Literal["ok", "degraded", "down"]
    version: str


class DatabaseHealth(Report):
    """Whether PostgreSQL answers."""

    status: Literal["ok", "down"]


class SchedulerHealth(Report):
    """Whether imports come by themselves."""

    status: Literal["running", "paused", "stopped", "unknown"]
    next_run: datetime | None


class DataHealth(Report):
    """How much there is."""

    conversations: int | None


class HealthReport(Report):
    """`GET /health`."""

    status: Literal["ok", "degraded", "down"]
    database: DatabaseHealth
    scheduler: SchedulerHealth
    data: DataHealth
    version: str


def status(connection: Connection, settings: Settings, now: datetime) -> StatusReport:
    """Whether an import runs and how far it is, what the scheduler does, and the last success."""
    running, last = queries.running(connection), queries.last_completed(connection)
    beat = heartbeat(connection, now)
    return StatusReport(
        status=RunState(
            is_running=running is not None,
            current_import_id=running["id"] if running else None,
            scheduler_initialized=beat["seen_at"] is not None,
        ),
        progress=Progress.model_validate(running["progress"]) if running and running["progress"] else None,
        scheduler=scheduler(beat, settings),
        last_completed=LastCompleted(
            import_id=last["id"],
            completed_at=last["completed_at"],
            total_processed=last["processed"],
            stats=_totals(last),
        )
        if last
        else None,
    )


def scheduler(beat: RowMapping, settings: Settings) -> SchedulerState:
    """The scheduler's part of the status, from `queries.scheduler`."""
    paused = bool(beat["paused"])
    jobs = [_job(job, paused=paused) for job in beat["jobs"] or []]
    moments = [job.next_run for job in jobs if job.next_run is not None]
    return SchedulerState(
        running=beat["seen_at"] is not None and not paused,
        next_run=min(moments, default=None),
        timezone=beat["timezone"] or str(settings.timezone),
        jobs=jobs,
    )


def history(connection: Connection, limit: int) -> HistoryReport:
    """The newest imports, newest first."""
    return HistoryReport(imports=[run(row) for row in queries.history(connection, limit)])


def run(row: RowMapping) -> Run:
    """One import's row as the API shows it."""
    ended = row["completed_at"]
    duration = (ended - row["started_at"]) if ended else None
    return Run(
        **{name: row[name] for name in Run.model_fields if name in row},
        duration_ms=round(duration.total_seconds() * 1000) if duration else None,
        stats=_totals(row),
    )


def stats(connection: Connection, settings: Settings) -> StatsReport:
    """The figures of all live data, and whether they are what they should be."""
    totals, extent = queries.totals(connection), queries.extent(connection)
    figures = totals.as_dict()
    return StatsReport(
        stats=Stats(
            **figures,
            booking_rate=rate(totals.bookings, totals.conversations),
            lead_rate=rate(totals.leads, totals.conversations),
            engagement_rate=rate(totals.engaged, totals.conversations),
            clients=extent["clients"],
            locations=extent["locations"],
            customers=extent["customers"],
            automations=extent["automations"],
            rejected=extent["rejected"],
            first_conversation_at=extent["first_at"],
            last_conversation_at=extent["last_at"],
        ),
        validation=validation(connection, settings),
    )


def metrics(connection: Connection, settings: Settings) -> list[validation_rules.Metric]:
    """The four totals against their expectations (spec, section 4: EXPECTED_…)."""
    return _compared(queries.totals(connection, settings.expected_as_of), settings)


def validation(connection: Connection, settings: Settings) -> Validation:
    """The totals against their expectations, and what was found to be inconsistent."""
    seeded = [name_key(name) for name in SEEDED_AUTOMATIONS]
    until = settings.expected_as_of
    actual, counts = queries.reckoning(connection, settings.booking_years, seeded, until)
    compared = _compared(actual, settings)
    return Validation(
        ok=all(metric.ok for metric in compared),
        metrics=[Metric.model_validate(metric, from_attributes=True) for metric in compared],
        inconsistencies=[
            Inconsistency(code=code, count=count, message=message)
            for code, count, message in validation_rules.found(counts)
        ],
    )


def health(
    connection: Connection, settings: Settings, now: datetime, version: str, conversations: int
) -> HealthReport:
    """Whether everything is as it should be; degraded where a person should look."""
    beat = heartbeat(connection, now)
    alive = beat["seen_at"] is not None
    return HealthReport(
        status="degraded" if _troubles(connection, settings, beat, now) else "ok",
        database=DatabaseHealth(status="ok"),
        scheduler=SchedulerHealth(
            status="paused" if beat["paused"] else "running" if alive else "stopped",
            next_run=scheduler(beat, settings).next_run,
        ),
        data=DataHealth(conversations=conversations),
        version=version,
    )


def troubles(connection: Connection, settings: Settings, now: datetime) -> list[str]:
    """Why the health is `degraded`, a sentence each: the schedule rests, how imports ended, missing ones."""
    return _troubles(connection, settings, heartbeat(connection, now), now)


def heartbeat(connection: Connection, now: datetime) -> RowMapping:
    """Whether the schedule is paused and by whom, and what a server that lives now said last."""
    return queries.scheduler(connection, now - timedelta(seconds=HEARTBEAT_SECONDS))


def _troubles(connection: Connection, settings: Settings, beat: RowMapping, now: datetime) -> list[str]:
    last = queries.last_ended(connection)
    # By this machine's clock: whether it does its work does not hang on Airtable's.
    began = queries.last_reading(connection)
    late = missed(connection, settings, began and began - timetable.OVERLAP, now)
    found = ["The schedule is paused."] if beat["paused"] else []
    if last is not None and last["status"] in {"failed", "partial"}:
        ended = "failed" if last["status"] == "failed" else "is partial"
        found.append(f"Import {last['id']} {ended}.")
    if late:
        found.append(f"{late} scheduled import{'s' if late > 1 else ''} brought no data.")
    return found


def missed(connection: Connection, settings: Settings, since: datetime | None, now: datetime) -> int:
    """How many slots passed without newer data; one that was told as missed counts at once.

    `since` is the data's moment, null where there is none.
    """
    passed = timetable.of(settings).unserved(since, now) if since else []
    return max(len(passed), int(queries.slot_missed(connection)))


def down(version: str) -> HealthReport:
    """The health where PostgreSQL does not answer, or refuses to."""
    return HealthReport(
        status="down",
        database=DatabaseHealth(status="down"),
        scheduler=SchedulerHealth(status="unknown", next_run=None),
        data=DataHealth(conversations=None),
        version=version,
    )


def _job(job: dict[str, object], *, paused: bool) -> Job:
    """A job of the heartbeat; while the schedule is paused nothing will run."""
    return Job.model_validate(job | {"nextRun": None} if paused else job)


def _compared(actual: queries.Totals, settings: Settings) -> list[validation_rules.Metric]:
    expected = {
        "conversations": settings.expected_conversations,
        "bookings": settings.expected_bookings,
        "leads": settings.expected_leads,
        "engaged": settings.expected_engaged,
    }
    return validation_rules.compare(expected, actual.as_dict(), settings.expected_tolerance_percent)


def _totals(row: RowMapping) -> Totals:
    return Totals(**{name: row[name] for name in Totals.model_fields})
