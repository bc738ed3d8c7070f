"""The composition root: builds everything from the settings, once a process, and takes it down again."""

import os
import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Self, TypeVar

from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import Connection

from core import __version__, alerts, database, queries, reports, runs, slots, store
from core.airtable import PATIENCE, Reader, ReadingState
from core.clock import Clock
from core.control import Control
from core.demo import DEMO_BASE_ID, DEMO_TABLE_NAME, DEMO_TOKEN
from core.demo.server import DemoServer, demo_server
from core.embedded import EmbeddedServer
from core.errors import (
    DatabaseError,
    ImportRunningError,
    NoImportRunningError,
    NothingImportedError,
    ProductError,
    SourceMismatchError,
)
from core.freshness import missed_slots
from core.importer import Import, Order, Plant, check_source
from core.listings import Source
from core.log import Log
from core.pacer import Pacer
from core.people import People
from core.probe import ConnectionReport, probe
from core.pulse import Pulse
from core.records import Column
from core.rules import SEEDED_AUTOMATIONS, Ruleset, name_key
from core.runs import Mode, Status, Trigger
from core.scheduler import Scheduler
from core.settings import Settings
from core.timetable import Timetable

REAL_CLOCK = Clock(now=lambda: datetime.now(UTC), monotonic=time.monotonic)
DEMO_DATABASE, REAL_DATABASE = "jointchiro_demo", "jointchiro"
# The demo's server is our own and has no limit; its pages come as fast as they can be read.
DEMO_REQUESTS_PER_SECOND = 1000.0
# An import that is asked to stop ends within its current batch; its row is told at the next start otherwise.
STOP_SECONDS = 4.0
# Between two imports the lock is free a moment after the row has ended, and held a moment before it is made.
HANDOVER_SECONDS = 2.0
HANDOVER_PAUSE_SECONDS = 0.05
HEALTH_MILLISECONDS = 1500
# How often it is looked whether the startup import has ended.
WATCH_SECONDS = 0.2

T = TypeVar("T")
log = Log("server")
schedule_log = Log("scheduler")


class StoppingError(ProductError):
    """Nothing new is begun by a process that is being stopped."""

    code = "stopping"

    def __init__(self) -> None:
        """There is but one thing to say."""
        super().__init__("The server is being stopped.")


class Service:
    """Everything one process needs; use as a context manager."""

    def __init__(self, settings: Settings, clock: Clock = REAL_CLOCK) -> None:
        """Start nothing yet."""
        self.settings = settings
        self.clock = clock
        self._embedded = EmbeddedServer(settings.data_dir) if settings.database_url is None else None
        self._demo: DemoServer | None = None
        self._source: Source | None = None
        self._lock = threading.Lock()
        self._close_lock = threading.Lock()
        self._source_lock = threading.Lock()
        self._closing = threading.Event()
        self._running: tuple[Control, threading.Thread] | None = None
        self._startup: threading.Thread | None = None
        self._startup_fault: str | None = None
        self._scheduler: Scheduler | None = None
        self._suspected: int | None = None
        self.people = People(settings, clock)
        self.pulse = Pulse(self.health, reports.down(__version__), clock)
        rate = DEMO_REQUESTS_PER_SECOND if settings.demo else settings.airtable_requests_per_second
        self._pacer = Pacer(rate, settings.airtable_penalty_seconds, clock)
        urls = settings.alert_urls.get_secret_value() if settings.alert_urls else ""
        self._alerts = alerts.Alerts(self.write, alerts.addresses(urls), clock)
        self._timetable = Timetable(settings.timezone, settings.schedule_hours, settings.reconcile_day)

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
            self._quick_engine = database.engine(_impatient(self.conninfo))
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
            self.interrupt()

    def close(self) -> None:
        """Stop the work, and everything that this process started; may be repeated, from any thread."""
        self.stop_work()
        with self._close_lock:
            self._take_down()

    def _take_down(self) -> None:
        if self._demo is not None:
            self._demo.stop()
            self._demo = None
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
        database.migrate(self.conninfo)
        self.tell_dead()

    def migrate_to(self, revision: str) -> None:
        """Bring the tables up, or back, to a revision; raises as `database.migrate` does."""
        database.migrate(self.conninfo, revision)

    def _check_place(self, connection: Connection) -> None:
        """Refuse a database that is another source's, or where the demo would lie among other tables."""
        if queries.has_tables(connection):
            check_source(runs.source_held(connection), self.settings.source)
        elif self.settings.demo and queries.holds_other_tables(connection):
            raise SourceMismatchError(
                f"DATABASE_URL: the {database.place(self.conninfo)} holds another program's tables, and the "
                "demo starts only in an empty database. Set AIRTABLE_API_KEY, or another DATABASE_URL."
            )

    def seed(self) -> None:
        """Make the automations that every clinic may have (spec, section 2)."""
        names = {name_key(name): name for name in SEEDED_AUTOMATIONS}
        self.write(lambda connection: store.put_places(connection, {}, names))

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
        """Empty the database, so that another source may be imported.

        Raises:
            ImportRunningError: an import is running.
        """
        self.write(runs.reset)

    def tell_dead(self) -> None:
        """Mark imports whose process died as interrupted."""
        for import_id in self.write(lambda connection: runs.tell_dead(connection, self.clock.now())):
            log.warning("dead_import_told", import_id=import_id)

    def look_after(self) -> None:
        """One round of what a live process does for all; raises as `write` does.

        Raises:
            EmbeddedServerError: the embedded server is down and could not be started again.
        """
        if self._embedded is not None:
            self._embedded.keep_up()
        self.tell_dead_twice_seen()
        self.check_alerts()

    def tell_dead_twice_seen(self) -> None:
        """The same, of a run without its lock for the second time: one may be regaining its connection."""
        suspected = self.ask(runs.lockless_id)
        if suspected is not None and suspected == self._suspected:
            self.tell_dead()
        self._suspected = suspected

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
        control = Control()
        with self._lock:
            if self._closing.is_set():
                raise StoppingError
            run = self._begin_after_handover(order, control)
            thread = threading.Thread(
                target=self._run_and_tell, args=(run,), name=f"import-{run.import_id}", daemon=True
            )
            self._running = (control, thread)
            thread.start()
        return run

    def _run_and_tell(self, run: Import) -> None:
        run.run()
        self.check_alerts()

    def check_alerts(self) -> None:
        """Tell the receivers of ALERT_URLS what is new and what is over; never raises."""
        try:
            self._alerts.check(self.ask(self._causes))
        except DatabaseError as error:
            log.failure("alerts_not_checked", error)

    def _causes(self, connection: Connection) -> alerts.Causes:
        """What there is to tell; totals say nothing while an import runs, nor before one has succeeded."""
        last = queries.last_completed(connection)
        if last is None:
            return alerts.causes(alerts.last_run(connection), None, 0)
        running = queries.import_lock_held(connection)
        metrics = None if running else reports.metrics(connection, self.settings)
        now = self.clock.now()
        paused = queries.scheduler(connection, now)["paused"]
        missed = 0 if paused else missed_slots(last["watermark"], now, self._timetable)
        return alerts.causes(alerts.last_run(connection), metrics, missed)

    def _begin_after_handover(self, order: Order, control: Control) -> Import:
        """Begin, trying again while the lock is held by nobody whose row says so: it is changing hands."""
        until = self.clock.monotonic() + HANDOVER_SECONDS
        while True:
            try:
                return self.begin_import(order, control)
            except ImportRunningError as error:
                if error.import_id is not None or self.clock.monotonic() > until:
                    raise
            if self._closing.wait(HANDOVER_PAUSE_SECONDS):
                raise StoppingError

    def cancel_import(self, by: str) -> int:
        """Ask the running import, of whatever process, to stop; answers its id.

        Raises:
            NoImportRunningError: nothing runs.
        """
        import_id = self.write(lambda connection: runs.request_cancel(connection, by, self.clock.now()))
        if import_id is None:
            raise NoImportRunningError("No import is running.")
        return import_id

    def interrupt(self) -> None:
        """End this process's own import, as interrupted, and wait until its row says so."""
        if self._lock.acquire(timeout=HANDOVER_SECONDS):  # one that is just beginning becomes known first
            self._lock.release()
        if self._running is not None:
            control, thread = self._running
            control.interrupt()
            thread.join(STOP_SECONDS)

    def wait_for_import(self) -> None:
        """Wait until this process's own import has ended."""
        if self._running is not None:
            self._running[1].join()

    # The server

    def serve(self) -> None:
        """What the server does beside answering: prepare, schedule, and the startup import in the background.

        Raises:
            DatabaseError: PostgreSQL refuses or cannot be reached.
            SourceMismatchError: the database holds another source.
        """
        self.prepare()
        self.seed()
        self._scheduler = Scheduler(self, self._timetable, self.clock, _process_name(self.clock.now()))
        self._scheduler.open(startup_import=self.settings.import_on_startup)
        if self.settings.import_on_startup:
            self._startup = threading.Thread(target=self._start_up, name="startup", daemon=True)
            self._startup.start()

    def pause_scheduler(self, by: str) -> None:
        """Let slots pass, in every process and after a restart, until somebody resumes; raises as `write`."""
        self._set_paused(by, paused=True)

    def resume_scheduler(self, by: str) -> None:
        """Let slots be run again; raises as `write` does."""
        self._set_paused(by, paused=False)

    def _set_paused(self, by: str, *, paused: bool) -> None:
        now = self.clock.now()
        if self.write(lambda connection: slots.set_paused(connection, by, now, paused=paused)):
            schedule_log.info("scheduler_paused" if paused else "scheduler_resumed")

    def wait_for_startup(self) -> str | None:
        """Wait until the startup import has ended; why it did not succeed, null where it did or none was."""
        if self._startup is not None:
            self._startup.join()
        return self._startup_fault

    def _start_up(self) -> None:
        """The startup import; another process's import stands for it where that one succeeds."""
        order = Order(Mode.INCREMENTAL, Trigger.STARTUP, "startup")
        own = False
        while not own:
            try:
                import_id: int | None = self.start_import(order)
                own = True
            except ImportRunningError as error:
                import_id = error.import_id
            except ProductError as error:
                log.failure("startup_import_not_begun", error, code=error.code)
                self._startup_fault = error.message
                return
            self._startup_fault = self._fault_of(import_id)
            own = own or self._startup_fault is None

    def _fault_of(self, import_id: int | None) -> str | None:
        """Wait for an import's end; why it did not succeed, null where it did."""
        while True:
            try:
                running = self.ask(queries.running)
                row = self.ask(lambda connection: queries.run(connection, import_id or 0))
            except DatabaseError as error:
                return error.message
            if row is not None and row["status"] == Status.SUCCEEDED:
                return None
            if row is None or running is None or running["id"] != import_id:
                errors = (row["errors"] if row is not None else []) or [runs.DIED]
                return str(errors[-1]["message"])
            if self._closing.wait(WATCH_SECONDS):
                return StoppingError().message

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
                return reports.health(connection, self.settings, self.clock.now(), __version__)
        except DatabaseError:
            return reports.down(__version__)

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
        source = self._make_source()
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
        source = self._make_source()
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

    def _make_source(self) -> Source:
        """Where to read; the demo's server is started when it is first needed."""
        with self._source_lock:
            if self._source is None:
                self._source = self._demo_source() if self.settings.demo else real_source(self.settings)
            return self._source

    def _demo_source(self) -> Source:
        self._demo = demo_server(self.clock.now)
        columns = {column: column.value for column in Column}
        return Source(self._demo.start(), DEMO_BASE_ID, DEMO_TABLE_NAME, None, columns, DEMO_TOKEN)


_current: list[Service] = []


def current() -> Service:
    """The server's one service.

    Raises:
        RuntimeError: no server runs in this process.
    """
    if not _current:
        raise RuntimeError("There is no service: start the app with `make start`.")
    return _current[0]


def set_current(service: Service | None) -> None:
    """Make this the server's one service, or say that there is none any more."""
    _current[:] = [service] if service is not None else []


def _impatient(conninfo: str) -> str:
    """The same database for questions that are better not answered than late (spec, section 6: health)."""
    given = conninfo_to_dict(conninfo)
    options = f"{given.get('options') or ''} -c statement_timeout={HEALTH_MILLISECONDS}".strip()
    quick = {"connect_timeout": "2", "tcp_user_timeout": "2000", "options": options}
    return make_conninfo("", **(given | quick))


def _process_name(started_at: datetime) -> str:
    """This process among all that share the database, now and later."""
    return f"{socket.gethostname()}:{os.getpid()}:{started_at:%Y%m%dT%H%M%S}"


def real_source(settings: Settings) -> Source:
    """The Airtable table that the settings name."""
    assert settings.airtable_api_key is not None  # noqa: S101 (checked when the settings were read)
    assert settings.airtable_base_id is not None  # noqa: S101 (checked when the settings were read)
    return Source(
        endpoint=settings.airtable_endpoint_url,
        base=settings.airtable_base_id,
        table=settings.airtable_table_name,
        view=settings.airtable_view,
        columns=settings.columns,
        key=settings.airtable_api_key.get_secret_value(),
    )
