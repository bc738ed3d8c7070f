"""What a live process looks after unasked: imports whose process died, and what alerts are to tell."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from core import alerts, queries, reports, runs
from core.clock import Clock
from core.errors import DatabaseError
from core.log import Log
from core.settings import Settings
from core.timetable import Timetable

T = TypeVar("T")
log = Log("server")


class Office(Protocol):
    """What the watch needs of the service."""

    def ask(self, question: Callable[[Connection], T]) -> T:
        """Answer one question from the database."""

    def write(self, change: Callable[[Connection], T]) -> T:
        """Make one change in a transaction of its own."""


class Watch:
    """Asked by the schedule's rounds and after each import."""

    def __init__(self, office: Office, settings: Settings, timetable: Timetable, clock: Clock) -> None:
        """Nothing is looked at yet."""
        self._office = office
        self._settings = settings
        self._timetable = timetable
        self._clock = clock
        self._suspected: int | None = None
        urls = settings.alert_urls.get_secret_value() if settings.alert_urls else ""
        self._alerts = alerts.Alerts(office.write, alerts.addresses(urls), clock)

    def tell_dead(self) -> None:
        """Mark imports whose process died as interrupted; raises as `Office.write` does."""
        now = self._clock.now()
        for import_id in self._office.write(lambda connection: runs.tell_dead(connection, now)):
            log.warning("dead_import_told", import_id=import_id)

    def tell_dead_twice_seen(self) -> None:
        """The same, of a run without its lock for the second time: one may be regaining its connection."""
        suspected = self._office.ask(runs.lockless_id)
        if suspected is not None and suspected == self._suspected:
            self.tell_dead()
        self._suspected = suspected

    def check_alerts(self) -> None:
        """Tell the receivers of ALERT_URLS what is new and what is over; never raises."""
        try:
            self._alerts.check(self._office.ask(self._causes))
        except DatabaseError as error:
            log.failure("alerts_not_checked", error)

    def _causes(self, connection: Connection) -> alerts.Causes:
        """What there is to tell.

        Nothing of totals while an import runs, of slots while the schedule rests, nor of either before an
        import has succeeded.
        """
        last = queries.last_completed(connection)
        if last is None:
            return alerts.causes(alerts.last_run(connection), None, None)
        running = queries.import_lock_held(connection)
        metrics = None if running else reports.metrics(connection, self._settings)
        now = self._clock.now()
        paused = queries.scheduler(connection, now)["paused"]
        missed = None if paused else len(self._timetable.unserved(last["watermark"], now))
        return alerts.causes(alerts.last_run(connection), metrics, missed)
