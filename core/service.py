"""The composition root: builds everything from the settings, once a process, and takes it down again."""

import os
import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self, TypeVar

from sqlalchemy import Connection

from core import __version__, database, queries, reports, runs, slots, standing, store, timetable
from core.airtable import PATIENCE, Reader, ReadingState
from core.background import Background
from core.clock import Clock
from core.control import Control
from core.embedded import EmbeddedServer
from core.errors import DatabaseError, NoImportRunningError, NothingImportedError, SourceMismatchError
from core.importer import Import, Order, Plant, check_source
from core.log import Log
from core.origin import Origin
from core.pacer import Pacer
from core.people import People
from core.probe import ConnectionReport, probe
from core.pulse import Pulse
from core.recent import Recent
from core.rules import SEEDED_AUTOMATIONS, Ruleset, name_key
from core.settings import Settings
from core.standing import Standing
from core.startup import StartupImport
from core.watch import Watch

REAL_CLOCK = Clock(now=lambda: datetime.now(UTC), monotonic=time.monotonic)
DEMO_DATABASE, REAL_DATABASE = "jointchiro_demo", "jointchiro"

if TYPE_CHECKING:
    from core.scheduler import Scheduler

T = TypeVar("T")
log = Log("scheduler")


class Service:
    """Everything one process needs; use as a context manager."""

    def __init__(self, settings: Settings, clock: Clock = REAL_CLOCK) -> None:
        """Start nothing yet."""
        self.settings = settings
        self.clock = clock
        self._embedded = EmbeddedServer(settings.data_dir) if settings.database_url is None else None
        self._close_lock = threading.Lock()
        self._closing = threading.Event()
        self._origin = Origin(settings, clock.now)
        self._pacer = Pacer(self._origin.requests_per_second, settings.airtable_penalty_seconds, clock)
        self._timetable = timetable.of(settings)
        self._watch = Watch(self, settings, self._timetable, clock)
        self._background = Background(self.begin_import, self._settle, self._closing)
        self._changed: Callable[[str], None] | None = None
        self._settling = threading.Lock()
        self._settled: str | None = None
        self._counted: tuple[str, int] | None = None
        self._scheduler: Scheduler | None = None
        self._startup: StartupImport | None = None
        self.people = People(settings, clock)
        self.pulse = Pulse(self.health, reports.down(__version__), clock)
        self.standing = Recent(self._standing, clock)

    def __enter__(self) -> Self:
        """Start or join the embedded server where no DATABASE_URL is set.

        Raises:
            EmbeddedServerError: it could not be started.
        """
        if self._embedded is not None:
            self._embedded.acquire()
        try:
            self.conninfo = self._database()
            self._engine = database.engine(self.conninfo)
            self._quick_engine = database.quick_engine(self.conninfo)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Take everything down again."""
        self.close()

    def stop_work(self) -> None:
        """Begin nothing more, and end a running import as interrupted; may be repeated, from any thread."""
        self._closing.set()
        with self._close_lock:
            scheduler, self._scheduler = self._scheduler, None
            if scheduler is not None:
                scheduler.close()
            self._background.interrupt()

    def close(self) -> None:
        """Stop the work, and everything that this process started; may be repeated, from any thread."""
        self.stop_work()
        with self._close_lock:
            self._take_down()

    def _take_down(self) -> None:
        self._origin.close()
        if hasattr(self, "_quick_engine"):
            self._engine.dispose()
            self._quick_engine.dispose()
        if self._embedded is not None:
            self._embedded.release()
            self._embedded = None

    # The database

    def prepare(self) -> None:
        """Bring the tables up to date and make sure that the settings fit what the database holds.

        Raises:
            DatabaseError: PostgreSQL refuses or cannot be reached.
            SourceMismatchError: the database holds another source.
        """
        self.ask(self._check_place)
        if not self.ask(queries.has_newest_tables):
            self.migrate_to("head")
        self._watch.tell_dead()

    def migrate_to(self, revision: str) -> None:
        """Bring the tables up, or back, to a revision; raises as `migration.migrate` does."""
        from core.migration import migrate  # noqa: PLC0415 (see there: a tenth of a command's start)

        migrate(self.conninfo, revision)

    def _check_place(self, connection: Connection) -> None:
        """Refuse what cannot hold all text, what is another source's, and for the demo another program's."""
        database.check_encoding(connection, self.conninfo)
        if queries.has_tables(connection):
            check_source(runs.source_held(connection), self.settings.source)
        elif self.settings.demo and queries.holds_other_tables(connection):
            raise SourceMismatchError(
                f"DATABASE_URL: the {database.place(self.conninfo)} holds another program's tables, and the "
                "demo starts only in an empty database. Set AIRTABLE_API_KEY, or another DATABASE_URL."
            )

    def seed(self) -> None:
        """Make the automations that every clinic may have (spec, section 2)."""
        self.write(_seed)

    def _standing(self) -> Standing:
        return self.ask(lambda connection: standing.read(connection, self.settings, self.clock.now()))

    def ask(self, question: Callable[[Connection], T]) -> T:
        """Answer one question from the database.

        Raises:
            DatabaseError: PostgreSQL refuses or cannot be reached; one line for people.
        """
        with database.explained(self.conninfo), self._engine.connect() as connection:
            return question(connection)

    def write(self, change: Callable[[Connection], T]) -> T:
        """Make one change in a transaction of its own; raises as `ask` does."""
        with database.explained(self.conninfo), self._engine.begin() as connection:
            return change(connection)

    def reset(self) -> None:
        """Empty the database, so that another source may be imported, also by a server that runs already.

        Raises:
            ImportRunningError: an import is running.
        """

        def emptied(connection: Connection) -> None:
            runs.reset(connection)
            _seed(connection)

        self.write(emptied)

    def look_after(self) -> None:
        """One round of what a live process does for all; raises as `write` does.

        Raises:
            EmbeddedServerError: the embedded server is down and could not be started again.
        """
        if self._embedded is not None:
            self._embedded.keep_up()
        self._watch.tell_dead_twice_seen()
        self._settle()

    def follow(self, changed: Callable[[str], None]) -> None:
        """Have this called with each new version of the data once no import runs, whichever process made it.

        After each import here and in each round of the schedule; in the background.
        """
        self._changed = changed

    def _settle(self) -> None:
        """What follows an import's end; never raises."""
        self.pulse.forget()
        self.check_alerts()
        if self._changed is None:
            return
        with self._settling:
            try:
                self._tell_version(self._changed)
            except DatabaseError as error:
                log.failure("figures_not_renewed", error)

    def _tell_version(self, changed: Callable[[str], None]) -> None:
        standing = self.standing.renewed()
        if standing.running is None and standing.version != self._settled:
            changed(standing.version)
            self.health()  # it counts the conversations, once for each version
            self._settled = standing.version

    # Imports

    def begin_import(self, order: Order, control: Control) -> Import:
        """Take the lock and make the run's row; the caller runs it. Raises as `Import.begin` does."""
        run = Import(self._make_plant(), order, control)
        run.begin()
        return run

    def start_import(self, order: Order) -> int:
        """Begin an import and run it in the background; answers its id. Raises as `launch` does."""
        return self.launch(order).import_id

    def launch(self, order: Order) -> Import:
        """Begin an import and run it in the background; its row exists when this returns.

        Raises:
            StoppingError: this process is being stopped.
            ImportRunningError, SourceMismatchError, DatabaseError: as `Import.begin` does.
        """
        return self._background.launch(order)

    def check_alerts(self) -> None:
        """Tell the receivers of ALERT_URLS what is new and what is over; never raises."""
        self._watch.check_alerts()

    def cancel_import(self, by: str) -> int:
        """Ask the running import, of whatever process, to stop; answers its id.

        Raises:
            NoImportRunningError: nothing runs.
        """
        import_id = self.write(lambda connection: runs.request_cancel(connection, by, self.clock.now()))
        if import_id is None:
            raise NoImportRunningError("No import is running.")
        return import_id

    # The server

    def serve(self) -> None:
        """What the server does beside answering: prepare, schedule, and the startup import in the background.

        Raises:
            DatabaseError: PostgreSQL refuses or cannot be reached.
            SourceMismatchError: the database holds another source.
        """
        from core.scheduler import Scheduler  # noqa: PLC0415 (a tenth of a command's start, for the server alone)

        self.prepare()
        self.seed()
        self._scheduler = Scheduler(self, self._timetable, self.clock, _process_name(self.clock.now()))
        self._scheduler.open(startup_import=self.settings.import_on_startup)
        if self.settings.import_on_startup:
            self._startup = StartupImport(self, self._closing)
            self._startup.begin()

    def pause_scheduler(self, by: str) -> None:
        """Let slots pass, in every process and after a restart, until somebody resumes; raises as `write`."""
        self._set_paused(by, paused=True)

    def resume_scheduler(self, by: str) -> None:
        """Let slots be run again; raises as `write` does."""
        self._set_paused(by, paused=False)

    def _set_paused(self, by: str, *, paused: bool) -> None:
        now = self.clock.now()
        if self.write(lambda connection: slots.set_paused(connection, by, now, paused=paused)):
            self.pulse.forget()
            log.info("scheduler_paused" if paused else "scheduler_resumed")

    def wait_for_startup(self) -> str | None:
        """Wait until the startup import has ended; why it did not succeed, null where it did or none was."""
        return self._startup.wait() if self._startup is not None else None

    # Reports

    def status(self) -> reports.StatusReport:
        """Whether an import runs and how far it is, what the scheduler does, and the last success."""
        return self.ask(lambda connection: reports.status(connection, self.settings, self.clock.now()))

    def history(self, limit: int) -> reports.HistoryReport:
        """The newest imports, newest first."""
        return self.ask(lambda connection: reports.history(connection, limit))

    def stats(self) -> reports.StatsReport:
        """The figures of all live data, and whether they are what they should be."""
        return self.ask(lambda connection: reports.stats(connection, self.settings))

    def health(self) -> reports.HealthReport:
        """Whether everything is as it should be; a database that is down is an answer, not an error."""
        try:
            with database.explained(self.conninfo), self._quick_engine.connect() as connection:
                count = self._live_count(connection)
                return reports.health(connection, self.settings, self.clock.now(), __version__, count)
        except DatabaseError:
            return reports.down(__version__)

    def troubles(self) -> list[str]:
        """Why the health is `degraded`, a sentence each; raises as `ask` does."""
        return self.ask(lambda connection: reports.troubles(connection, self.settings, self.clock.now()))

    def _live_count(self, connection: Connection) -> int:
        """Counted once for each version of the data: monitors ask every second, data change twice a day."""
        version = queries.data_version(connection)
        if self._counted is None or self._counted[0] != version:
            self._counted = version, queries.live_count(connection)
        return self._counted[1]

    def require_import(self) -> None:
        """Make sure that there is something to report.

        Raises:
            NothingImportedError: no import has begun in this database yet.
        """
        if not self.ask(queries.has_imports):
            raise NothingImportedError(
                "The database is empty: nothing has been imported yet. Run `make import-manual`."
            )

    def test_connection(self) -> ConnectionReport:
        """Ask Airtable for one page, and say which columns it lacks."""
        source = self._origin.source()
        reader = Reader(source, self._pacer, self.clock, ReadingState(self.clock, PATIENCE))
        return probe(reader, source, self.settings.source, self.clock)

    # Parts

    def _database(self) -> str:
        """The libpq URI of the database; demo data live in one of their own in the embedded server."""
        if self._embedded is None:
            assert self.settings.database_url is not None  # noqa: S101 (the constructor decided by it)
            return self.settings.database_url.get_secret_value()
        return self._embedded.ensure_database(DEMO_DATABASE if self.settings.demo else REAL_DATABASE)

    def _make_plant(self) -> Plant:
        source = self._origin.source()
        return Plant(
            engine=self._engine,
            conninfo=self.conninfo,
            source=source,
            identity=self.settings.source,
            ruleset=Ruleset(source.columns, self.settings.booking_years, self.settings.timezone),
            max_delete_percent=self.settings.max_delete_percent,
            pacer=self._pacer,
            clock=self.clock,
        )


_current: list[Service] = []


class NoServiceError(RuntimeError):
    """No server runs in this process, or none any more."""


def current() -> Service:
    """The server's one service.

    Raises:
        NoServiceError: no server runs in this process, or none any more.
    """
    if not _current:
        raise NoServiceError("There is no service: start the app with `make start`.")
    return _current[0]


def set_current(service: Service | None) -> None:
    """Make this the server's one service, or say that there is none any more."""
    _current[:] = [service] if service is not None else []


def _seed(connection: Connection) -> None:
    store.put_places(connection, {}, {name_key(name): name for name in SEEDED_AUTOMATIONS})


def _process_name(started_at: datetime) -> str:
    """This process among all that share the database, now and later."""
    return f"{socket.gethostname()}:{os.getpid()}:{started_at:%Y%m%dT%H%M%S}"
