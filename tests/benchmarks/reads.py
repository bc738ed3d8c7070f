"""Every question that a page asks the database, by its name, over all time and without filters.

`tests/unit/test_benchmarks.py` holds that none is missing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sqlalchemy import Connection

from core import __version__, figures, lookup, queries, reports, silence, standing
from core.figures import COUNTS, Filters
from core.periods import Unit
from core.rules import SEEDED_AUTOMATIONS, name_key
from core.settings import Settings

Read = Callable[[Connection], object]
LIMIT, RUNS, SLOTS, MOST_FOUND = 500, 500, 200, 50
ALL = Filters()


@dataclass(frozen=True, slots=True)
class Known:
    """What a database holds that narrow questions ask for."""

    record: str
    user: str
    clients: tuple[int, ...]
    """The largest clinics, as many as are drawn apart."""
    run: int


def known(connection: Connection) -> Known:
    """What this database holds."""
    newest = figures.conversations(connection, ALL, "conversations", 1)
    last = queries.last_completed(connection)
    assert last is not None
    largest = figures.by_clinic(connection, ALL)["id"].head(figures.CLINICS_IN_MULTIPLES)
    return Known(str(newest["external_id"][0]), "JC-1", tuple(map(int, largest)), last["id"])


def figure_reads() -> dict[str, Read]:
    """What Overview, Rates and Clinics draw from."""
    found: dict[str, Read] = {
        "figures.totals": partial(figures.totals, filters=ALL),
        "figures.by_clinic": partial(figures.by_clinic, filters=ALL),
        "figures.by_automation": partial(figures.by_automation, filters=ALL),
        "figures.by_hour": partial(figures.by_hour, filters=ALL),
        "figures.extent": partial(figures.extent, filters=ALL),
        "figures.active_days": partial(figures.active_days, filters=ALL, window=silence.WINDOW),
        "figures.clinics": figures.clinics,
        "figures.automations": figures.automations,
        # Over years, pages ask for all clinics' months, and for the largest clinics' weeks.
        "figures.clinic_series by month": partial(figures.clinic_series, filters=ALL, unit=Unit.MONTH),
    }
    for unit in Unit:
        found[f"figures.series by {unit}"] = partial(figures.series, filters=ALL, unit=unit)
    for only in COUNTS:
        found[f"figures.conversations, {only}"] = partial(
            figures.conversations, filters=ALL, only=only, limit=LIMIT
        )
    return found


def clinic_reads(clients: tuple[int, ...]) -> dict[str, Read]:
    """What the largest clinic's own view and the largest ones' small charts ask more narrowly."""
    one = Filters(client=clients[0])
    return {
        "figures.clinic_series by week of the largest": partial(
            figures.clinic_series, filters=ALL, unit=Unit.WEEK, clients=clients
        ),
        "figures.totals of a clinic": partial(figures.totals, filters=one),
        "figures.series by week of a clinic": partial(figures.series, filters=one, unit=Unit.WEEK),
        "figures.extent of a clinic": partial(figures.extent, filters=one),
        "figures.conversations of a clinic": partial(
            figures.conversations, filters=one, only="conversations", limit=LIMIT
        ),
    }


def import_reads(run: int) -> dict[str, Read]:
    """What Imports asks."""
    return {
        "figures.runs": partial(figures.runs, limit=RUNS),
        "figures.run": partial(figures.run, import_id=run),
        "figures.earlier_totals": partial(figures.earlier_totals, import_id=run),
        "figures.refused_deletions": partial(figures.refused_deletions, import_id=run, limit=LIMIT),
        "figures.rejected": partial(figures.rejected, import_id=run, limit=LIMIT),
        "figures.slots": partial(figures.slots, limit=SLOTS),
    }


def validation_reads(settings: Settings) -> dict[str, Read]:
    """What Validation asks."""
    seeded = [name_key(name) for name in SEEDED_AUTOMATIONS]
    years = settings.booking_years
    found: dict[str, Read] = {
        "reports.validation": partial(reports.validation, settings=settings),
        "queries.totals": partial(queries.totals, until=settings.expected_as_of),
        "figures.course": partial(figures.course, limit=200),
    }
    for code in (*figures.READ_BEHIND, "rejected_records"):
        found[f"figures.behind, {code}"] = partial(
            figures.behind, code=code, booking_years=years, seeded=seeded, limit=LIMIT
        )
    return found


def quality_reads(record: str, user: str) -> dict[str, Read]:
    """What Data quality asks."""
    return {
        "lookup.rejection_counts": lookup.rejection_counts,
        "lookup.rejections, open": partial(lookup.rejections, reason="too_long", resolved=False, limit=LIMIT),
        "lookup.rejections, resolved": partial(
            lookup.rejections, reason="too_long", resolved=True, limit=LIMIT
        ),
        "lookup.conversations by record": partial(lookup.conversations, wanted=record, limit=MOST_FOUND),
        "lookup.conversations by User ID": partial(lookup.conversations, wanted=user, limit=MOST_FOUND),
        "lookup.rejections_of": partial(
            lookup.rejections_of, wanted=user, user_id="User ID", limit=MOST_FOUND
        ),
        "lookup.contact": partial(lookup.contact, external_id=record),
    }


def every_read(settings: Settings, now: datetime, known: Known) -> Mapping[str, Read]:
    """All of them, by their names and what is particular about their arguments."""
    return {
        "standing.read": partial(standing.read, settings=settings, now=now),
        "reports.health": partial(
            reports.health, settings=settings, now=now, version=__version__, conversations=0
        ),
        "queries.live_count": queries.live_count,
        **figure_reads(),
        **clinic_reads(known.clients),
        **import_reads(known.run),
        **validation_reads(settings),
        **quality_reads(known.record, known.user),
    }
