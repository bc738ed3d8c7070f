"""Reports as lines for a person at a terminal: counts with thousands separated, moments in the zone. Pure."""

from collections.abc import Iterator, Mapping
from zoneinfo import ZoneInfo

from core import words
from core.names import COUNT_NAMES, JOBS
from core.palette import RATES
from core.probe import ConnectionReport
from core.reports import (
    HealthReport,
    HistoryReport,
    Run,
    SchedulerState,
    Stats,
    StatsReport,
    StatusReport,
    Validation,
)

NO_SERVER = "No server keeps the schedule: start one with `make start`."


def status(report: StatusReport, zone: ZoneInfo) -> Iterator[str]:
    """Whether an import runs and how far it is, what comes next, and the last success."""
    if report.status.is_running:
        said = progress(report.progress.as_json()) if report.progress else "Starting."
        yield f"Import {report.status.current_import_id} runs: {said}"
    else:
        yield "No import runs."
    yield from _schedule(report.scheduler, zone) if report.status.scheduler_initialized else [NO_SERVER]
    last = report.last_completed
    if last is None:
        yield "No import has succeeded yet."
        return
    read = words.counted(last.total_processed, "record")
    yield f"Last success: import {last.import_id}, {words.moment(last.completed_at, zone)}, {read} read."
    left = ", ".join(f"{words.number(count)} {name}" for name, count in last.stats.as_json().items())
    yield f"It left {left}."


def _schedule(state: SchedulerState, zone: ZoneInfo) -> Iterator[str]:
    if not state.running:
        yield "The schedule is paused."
        return
    for job in state.jobs:
        yield f"Next import ({JOBS[job.id].lower()}): {words.moment(job.next_run, zone)}."


def history(report: HistoryReport) -> Iterator[str]:
    """One import a line, newest first."""
    return map(summary, report.imports)


def summary(row: Run) -> str:
    """One import in one line."""
    counted = ", ".join(
        f"{getattr(row, name):,} {name}"
        for name in ("processed", "created", "updated", "unchanged", "deleted", "rejected")
    )
    took = f" in {row.duration_ms / 1000:.1f} s" if row.duration_ms is not None else ""
    return (
        f"Import {row.id} ({row.mode}, {row.trigger} by {row.triggered_by}): {row.status}{took}. {counted}."
    )


def progress(known: Mapping[str, object]) -> str:
    """How far an import is, from its JSON object."""
    said = f"{known['message']} {known['records']:,} records, {known['recordsPerSecond']:,.0f} a second"
    left, waiting = known["secondsLeft"], known["waitingUntil"]
    if waiting is not None:
        return f"{said}, waiting for Airtable"
    return f"{said}, about {left:,.0f} s left" if isinstance(left, float) else said


def stats(report: StatsReport, zone: ZoneInfo) -> Iterator[str]:
    """The figures, whether they are as expected, and what in the data is odd."""
    yield from _figures(report.stats, zone)
    yield from _verdict(report.validation)
    for odd in report.validation.inconsistencies:
        yield odd.message


def _figures(found: Stats, zone: ZoneInfo) -> Iterator[str]:
    yield f"Conversations: {words.number(found.conversations)}"
    for measure in RATES:
        count = getattr(found, measure)
        rate = words.rate(count, found.conversations, 2)
        yield f"{COUNT_NAMES[measure]}: {words.number(count)} ({rate} of conversations)"
    for name in ("clients", "locations", "customers", "automations", "rejected"):
        yield f"{name.capitalize()}: {words.number(getattr(found, name))}"
    yield f"First conversation: {words.moment(found.first_conversation_at, zone)}"
    yield f"Last conversation: {words.moment(found.last_conversation_at, zone)}"


def _verdict(found: Validation) -> Iterator[str]:
    if not found.metrics:
        yield "No expected totals are set."
    elif found.ok:
        yield "All totals are as expected."
    for metric in found.metrics:
        if not metric.ok:
            actual, expected = words.number(metric.actual), words.number(metric.expected)
            yield f"Not as expected: {COUNT_NAMES[metric.metric].lower()}, {actual} instead of {expected}."


def health(report: HealthReport, zone: ZoneInfo) -> Iterator[str]:
    """Each part, and whether all is well."""
    coming = report.scheduler.next_run
    yield f"Status: {report.status}"
    yield f"Database: {report.database.status}"
    yield f"Schedule: {report.scheduler.status}"
    yield f"Next import: {words.moment(coming, zone)}"
    yield f"Conversations: {words.number(report.data.conversations)}"
    yield f"Version: {report.version}"


def connection(report: ConnectionReport) -> Iterator[str]:
    """Whether the source answers, and which of its columns are there."""
    yield f"Source: {report.source}, table {report.table}"
    if report.latency_ms is not None:
        yield f"Answered in {words.duration(report.latency_ms / 1000)}"
        yield f"Columns that are there: {', '.join(report.fields) or words.NOTHING}"
        yield f"Columns that are missing: {', '.join(report.missing_fields) or words.NOTHING}"
    if report.message:
        yield report.message
