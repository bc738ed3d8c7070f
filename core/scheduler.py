"""The schedule at work: one object a process, any number of processes a database (spec, section 3).

APScheduler wakes it on time; a slow round every few seconds shows that it lives, settles what the alarm
clock missed (a machine asleep, a database away) and tells imports whose process died.
"""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol, TypeVar

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from sqlalchemy import Connection

from core import queries, slots
from core.clock import Clock
from core.errors import DatabaseError, ImportRunningError, ProductError, SlotLostError
from core.importer import Order
from core.log import Log
from core.reports import HEARTBEAT_SECONDS
from core.runs import Mode, Trigger
from core.timetable import Job, Slot, Timetable, catch_up, plan

BEAT_SECONDS = 10.0
# A round under way ends before its server's last word; one that hangs holds nobody up.
ROUND_SECONDS = 2.0
GRACE = timedelta(hours=1)
TAKEN, MISSED = "taken", "missed"
BY = "scheduler"

T = TypeVar("T")
log = Log("scheduler")


class Office(Protocol):
    """What the scheduler needs of the service."""

    def ask(self, question: Callable[[Connection], T]) -> T:
        """Answer one question from the database."""

    def write(self, change: Callable[[Connection], T]) -> T:
        """Make one change in a transaction of its own."""

    def start_import(self, order: Order) -> int:
        """Begin an import in the background; answers its id."""

    def look_after(self) -> None:
        """What a live process does for all: its own database server, dead imports, alerts."""


class Scheduler:
    """Opened once by the service and closed with it; every method may be called from any thread."""

    def __init__(self, office: Office, timetable: Timetable, clock: Clock, process: str) -> None:
        """Nothing runs yet; `process` names this process among all that share the database."""
        self._office = office
        self._timetable = timetable
        self._clock = clock
        self._process = process
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._settled = clock.now()
        self._mine: Slot | None = None
        self._away = False
        self._alarm = BackgroundScheduler(
            timezone=timetable.zone,
            executors={"default": ThreadPoolExecutor(1)},
            job_defaults={"misfire_grace_time": int(GRACE.total_seconds()), "coalesce": True},
        )
        self._round = threading.Thread(target=self._go_round, name="scheduler-round", daemon=True)

    def open(self, *, startup_import: bool) -> None:
        """Own up to slots missed while no server ran, catch up where nothing else does, and begin.

        Raises:
            DatabaseError: PostgreSQL refuses or cannot be reached.
        """
        missed = sorted(self._record_missed() + self._tell_abandoned())
        for job in self._timetable.jobs():
            self._alarm.add_job(
                self._wake, _Due(self._timetable, job), id=job.value, name=job.value, max_instances=1
            )
        self._alarm.start()
        self.beat()
        self._round.start()
        if missed:
            self._catch_up(catch_up(missed, startup_import=startup_import), missed[0])

    def close(self) -> None:
        """Wake no more, and leave word when this server was last here; never raises."""
        self._stop.set()
        if self._alarm.running:
            self._alarm.shutdown(wait=False)
            if self._round.is_alive():
                self._round.join(ROUND_SECONDS)
            self._safely(lambda: self._show([]))

    def beat(self) -> None:
        """Show that this process lives and what it will do when; raises as `Office.write` does."""
        self._show([{"id": job.id, "nextRun": _text(job.next_run_time)} for job in self._alarm.get_jobs()])

    def settle(self) -> None:
        """Deal with every slot that has come due since the last time: run the newest, record the others.

        Raises:
            DatabaseError: PostgreSQL cannot be reached; what is open is dealt with the next time.
        """
        with self._lock:
            now = self._clock.now()
            due = plan(self._timetable.between(self._settled, now), now, GRACE)
            for slot in due.missed:
                self._claim(slot, MISSED, now)
            if due.run is not None and self._claim(due.run, TAKEN, now):
                if self._mine is not None:
                    self._give_up(self._mine)
                self._mine = due.run
            self._settled = max(self._settled, now)
            if self._mine is not None:
                self._do(self._mine, now)

    def make_up(self) -> None:
        """Own up to slots that a process took and died over, and catch up where no import has done so since.

        Raises:
            DatabaseError: PostgreSQL cannot be reached.
        """
        abandoned = self._tell_abandoned()
        still_missed = bool(abandoned) and self._office.ask(queries.slot_missed)
        if still_missed:
            self._catch_up(catch_up(abandoned, startup_import=False), abandoned[0])

    def _tell_abandoned(self) -> list[Slot]:
        alive_since = self._clock.now() - timedelta(seconds=HEARTBEAT_SECONDS)
        abandoned = self._office.write(lambda connection: slots.tell_abandoned(connection, alive_since))
        for slot in abandoned:
            self._tell_missed(slot)
        return abandoned

    def _record_missed(self) -> list[Slot]:
        """The slots that passed since a server last showed itself, those that nobody recorded before."""
        now = self._clock.now()
        self._settled = now
        since = self._office.ask(slots.last_seen)
        passed = self._timetable.between(since, now) if since else []
        return [slot for slot in passed if self._claim(slot, MISSED, now)]

    def _claim(self, slot: Slot, state: str, now: datetime) -> bool:
        """Record the slot; whether it is now recorded as `state`, and by this process."""
        recorded = self._office.write(
            lambda connection: slots.claim(connection, slot, state, self._process, now)
        )
        if recorded is not None:
            log.info("slot_recorded", job=slot.job.value, slot=_text(slot.at), state=recorded)
        return recorded == state

    def _do(self, slot: Slot, now: datetime) -> None:
        """Begin the import of a slot that this process took; it stays open while the database is away."""
        if now - slot.at > GRACE:
            self._give_up(slot)
            return
        try:
            self._office.start_import(_order(slot.job, slot_at=slot.at))
        except ImportRunningError as error:
            if not self._done_by_running(slot, error.import_id):
                return
        except DatabaseError:
            raise
        except SlotLostError:
            log.warning("slot_lost", job=slot.job.value, slot=_text(slot.at))
        except ProductError as error:
            log.failure("scheduled_import_not_begun", error, job=slot.job.value, code=error.code)
            self._give_up(slot)
        self._mine = None

    def _done_by_running(self, slot: Slot, import_id: int | None) -> bool:
        """Take the running import as the slot's own; false while it reads less, or the lock changes hands."""
        if import_id is None:
            return False
        if not self._office.write(lambda connection: slots.done_by(connection, slot.at, import_id)):
            return False
        log.info("slot_done_by_running_import", import_id=import_id)
        return True

    def _give_up(self, slot: Slot) -> None:
        self._office.write(lambda connection: slots.not_done(connection, slot))
        self._tell_missed(slot)
        self._mine = None

    def _tell_missed(self, slot: Slot) -> None:
        log.warning("slot_missed", job=slot.job.value, slot=_text(slot.at))

    def _catch_up(self, job: Job | None, first: Slot) -> None:
        """Begin one import for all slots that were missed; one that runs already is it."""
        if job is None:
            return
        order = _order(job, f"Catches up on slots missed since {_text(first.at)}.")
        try:
            self._office.start_import(order)
        except ImportRunningError as error:
            log.info("caught_up_by_running_import", import_id=error.import_id)
        except ProductError as error:
            log.failure("catch_up_not_begun", error, code=error.code)

    def _show(self, jobs: list[dict[str, object]]) -> None:
        now, zone = self._clock.now(), str(self._timetable.zone)
        self._office.write(lambda connection: slots.beat(connection, self._process, now, zone, jobs))

    def _wake(self) -> None:
        self._safely(self.settle)

    def _go_round(self) -> None:
        while not self._stop.wait(BEAT_SECONDS):
            self._safely(self._one_round)

    def _one_round(self) -> None:
        self._office.look_after()
        self.beat()
        self.make_up()
        self.settle()

    def _safely(self, step: Callable[[], None]) -> None:
        """A step of a loop that must outlive any fault; an outage is told once, not every round."""
        try:
            step()
            self._away = False
        except DatabaseError as error:
            if not self._away:
                log.failure("scheduler_database_away", error)
            self._away = True
        except Exception as error:  # noqa: BLE001 (without the loop nothing would be scheduled any more)
            log.failure("scheduler_fault", error)


class _Due(BaseTrigger):  # type: ignore[misc]  # APScheduler ships no types
    """APScheduler's view of the timetable, so that there is one truth about when a slot is due."""

    def __init__(self, timetable: Timetable, job: Job) -> None:
        self._timetable = timetable
        self._job = job

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
        slot = self._timetable.next(self._job, previous or now)
        return slot.at.astimezone(self._timetable.zone) if slot else None


def _order(job: Job, notes: str | None = None, slot_at: datetime | None = None) -> Order:
    if job is Job.RECONCILE:
        return Order(Mode.FULL, Trigger.RECONCILE, BY, notes, slot_at=slot_at)
    return Order(Mode.INCREMENTAL, Trigger.SCHEDULER, BY, notes, slot_at=slot_at)


def _text(moment: datetime | None) -> str | None:
    """A moment as the reports read it: ISO 8601 in UTC."""
    return datetime.fromtimestamp(moment.timestamp(), UTC).isoformat() if moment else None
