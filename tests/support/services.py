"""A service on a test's own database and stand-in for Airtable, by a clock that the test sets."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from core.clock import Clock
from core.service import Service
from core.settings import Settings, load
from tests.support.standin import StandIn
from tests.support.waiting import until

NO_FILE = Path("no-such-file")


def variables_for(url: str, standin: StandIn) -> dict[str, str]:
    """The variables of a product that reads from the stand-in into the database."""
    return {
        "DATABASE_URL": url,
        "AIRTABLE_API_KEY": standin.token,
        "AIRTABLE_BASE_ID": standin.base_id,
        "AIRTABLE_TABLE_NAME": standin.table.name,
        "AIRTABLE_ENDPOINT_URL": standin.url,
        "AIRTABLE_REQUESTS_PER_SECOND": "1000",
        "TIMEZONE": "America/New_York",
    }


def settings_for(url: str, standin: StandIn, **variables: str) -> Settings:
    """The settings that read from the stand-in into the database; `variables` add to them or replace them."""
    return load(variables_for(url, standin) | variables, NO_FILE)


@contextmanager
def service_on(
    url: str, standin: StandIn, now: datetime | None = None, **variables: str
) -> Iterator[Service]:
    """A service that serves nothing by itself; its clock stands at `now`, or goes with the machine's."""
    clock = Clock(now=lambda: now or datetime.now(UTC), monotonic=time.monotonic)
    with Service(settings_for(url, standin, **variables), clock) as service:
        yield service


def ended(service: Service, import_id: int) -> str:
    """Wait until an import of this service has ended; answers its status."""

    def status() -> str:
        return next(run.status for run in service.history(100).imports if run.id == import_id)

    until(lambda: status() != "running", f"the end of import {import_id}")
    return status()


def idle(service: Service) -> None:
    """Wait until no import runs in this service's database."""
    until(lambda: not service.status().status.is_running, "the end of every import")
