"""The schedule in the database: slots, pauses, heartbeats, and what several processes make of them."""

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import pytest
from sqlalchemy import Connection, text

from core import queries, reports, scheduler, slots
from core.errors import DatabaseUnavailableError, ImportRunningError, SourceMismatchError
from core.importer import Order
from core.runs import Mode, Trigger
from core.settings import Settings, load
from tests.support.schedule import (
    EVENING,
    HOUR,
    NOON,
    RECONCILE,
    SECOND,
    TABLE,
    Office,
    Process,
    opened,
    rows,
    states,
)
from tests.support.services import NO_FILE

T = TypeVar("T")


@pytest.fixture
def settings() -> Settings:
    """Plain settings."""
    return load({"TIMEZONE": "America/New_York"}, NO_FILE)


def pause(office: Office, now: datetime, *, paused: bool = True, by: str = "Ann") -> bool:
    """Pause or resume."""
    return office.write(lambda connection: slots.set_paused(connection, by, now, paused=paused))


def test_a_slot_is_run_when_it_comes_due(office: Office) -> None:
    """An incremental import at 18:00, the full one on Sunday at 04:00, each with its own trigger."""
    process = Process(office)
    process.at(EVENING - SECOND)
    assert office.orders == []
    process.at(EVENING)
    process.at(EVENING + SECOND)
    assert office.orders == [Order(Mode.INCREMENTAL, Trigger.SCHEDULER, "scheduler", slot_at=EVENING)]
    process.at(RECONCILE)
    assert office.orders[1:] == [Order(Mode.FULL, Trigger.RECONCILE, "scheduler", slot_at=RECONCILE)]
    taken = rows(office)
    assert [row[:3] for row in taken] == [(EVENING, "import", "taken"), (RECONCILE, "reconcile", "taken")]
    assert all(row[3] for row in taken)


def test_two_processes_run_a_slot_once(office: Office) -> None:
    """Whoever comes second finds it taken, however often it looks."""
    first, second = Process(office), Process(office, "two")
    for process in (first, second, first, second):
        process.at(EVENING)
    assert len(office.orders) == len(rows(office)) == 1


def test_a_slot_that_finds_an_import_running_counts_as_done_by_it(office: Office) -> None:
    """The running import is named, and none is begun afterwards."""
    running = office.import_row("manual", "running")
    office.faults = [ImportRunningError("running", running)]
    process = Process(office)
    process.at(EVENING)
    process.at(EVENING + SECOND)
    assert (office.orders, rows(office)) == ([], [(EVENING, "import", "taken", running)])


@pytest.mark.parametrize(("slot", "rejected"), [(RECONCILE, False), (EVENING, True)])
def test_a_slot_is_not_done_by_an_import_that_reads_less(
    office: Office, slot: datetime, *, rejected: bool
) -> None:
    """It begins once that has ended: or nobody would look for deletions before the next week."""
    running = office.import_row("manual", "running")
    less = text("UPDATE import_logs SET mode = 'incremental', only_rejected = :rejected")
    office.write(lambda connection: connection.execute(less, {"rejected": rejected}))
    process = Process(office)
    process.at(slot - SECOND)
    office.faults = [ImportRunningError("running", running)] * 2
    process.at(slot)
    process.at(slot + SECOND)
    assert rows(office)[-1][2:] == ("taken", None)
    process.at(slot + 2 * SECOND)
    assert [order.slot_at for order in office.orders] == [slot]
    assert rows(office)[-1][3] not in {None, running}


def test_a_machine_that_slept_runs_the_newest_slot_alone(office: Office) -> None:
    """One import makes up for all; the others are owned up to."""
    process = Process(office)
    process.at(RECONCILE + 2 * HOUR)  # Sunday 06:00
    assert states(office) == [(EVENING, "missed"), (RECONCILE, "missed"), (RECONCILE + 2 * HOUR, "taken")]
    assert len(office.orders) == 1


def test_a_slot_that_nobody_could_begin_is_tried_again(office: Office) -> None:
    """A database that comes back within the hour finds its slot still to be run."""
    office.faults = [DatabaseUnavailableError("away"), DatabaseUnavailableError("away")]
    process = Process(office)
    for minutes in (0, 1):
        with pytest.raises(DatabaseUnavailableError):
            process.at(EVENING + minutes * HOUR / 60)
    process.at(EVENING + HOUR / 2)
    assert len(office.orders) == 1
    assert states(office) == [(EVENING, "taken")]


@pytest.mark.parametrize("fault", [DatabaseUnavailableError("away"), SourceMismatchError("other")])
def test_a_slot_whose_import_could_not_begin_was_missed(office: Office, fault: Exception) -> None:
    """What will not pass, or has not passed within the hour, is owned up to."""
    office.faults = [fault]
    process = Process(office)
    if isinstance(fault, DatabaseUnavailableError):
        with pytest.raises(DatabaseUnavailableError):
            process.at(EVENING)
    else:
        process.at(EVENING)
        assert states(office) == [(EVENING, "missed")]
    process.at(EVENING + HOUR + SECOND)
    process.at(EVENING + HOUR + 2 * SECOND)
    assert states(office) == [(EVENING, "missed")]
    assert office.orders == []


def test_a_slot_stays_open_while_the_lock_changes_hands(office: Office) -> None:
    """An import that cannot be named yet, or no more, is nobody's slot: the next look begins one."""
    office.faults = [ImportRunningError("changing hands", None)]
    process = Process(office)
    process.at(EVENING)
    assert (office.orders, states(office)) == ([], [(EVENING, "taken")])
    process.at(EVENING + SECOND)
    assert [order.slot_at for order in office.orders] == [EVENING]


def test_a_slot_that_is_still_open_when_the_next_one_comes_was_missed(office: Office) -> None:
    """A database that is away from one slot to another: the newer one is done, the older owned up to."""
    office.faults = [DatabaseUnavailableError("away")]
    process = Process(office)
    with pytest.raises(DatabaseUnavailableError):
        process.at(EVENING)
    process.at(RECONCILE)
    assert states(office) == [(EVENING, "missed"), (RECONCILE, "taken")]
    assert [order.slot_at for order in office.orders] == [RECONCILE]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (ImportRunningError("running", 7), "caught_up_by_running_import"),
        (SourceMismatchError("other"), "catch_up_not_begun"),
    ],
)
def test_a_catch_up_that_cannot_begin_stops_no_server(
    office: Office, caplog: pytest.LogCaptureFixture, fault: Exception, said: str
) -> None:
    """An import that runs already is it; what is wrong otherwise is logged."""
    caplog.set_level(logging.INFO)
    with opened(Process(office)):
        pass
    process = Process(office, "two")
    process.now = EVENING + HOUR / 2
    office.faults = [fault]
    with opened(process, startup_import=False):
        assert states(office) == [(EVENING, "missed")]
    assert said in [record.message for record in caplog.records]
    assert office.orders == []


def test_the_round_outlives_any_fault(
    office: Office, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An outage is told once and not every round, what nobody foresaw each time; then it goes on."""
    monkeypatch.setattr(scheduler, "BEAT_SECONDS", 0.01)
    away = DatabaseUnavailableError("away")
    faults: list[Exception] = [away, away, away, LookupError("a mistake")]
    well = threading.Event()

    def look_after() -> None:
        if faults:
            raise faults.pop(0)
        well.set()

    monkeypatch.setattr(office, "look_after", look_after)
    with opened(Process(office)):
        assert well.wait(30)
    said = [record.message for record in caplog.records]
    assert said == ["scheduler_database_away", "scheduler_fault"]


@pytest.mark.parametrize("startup_import", [True, False])
def test_slots_missed_while_down_are_rows_and_caught_up_once(office: Office, startup_import: bool) -> None:
    """Since a server last showed itself; the startup import is the catch-up, without one a single import."""
    with opened(Process(office)):
        pass
    for name in ("two", "three"):
        process = Process(office, name)
        process.now = RECONCILE + HOUR / 2
        with opened(process, startup_import=startup_import):
            assert states(office) == [(EVENING, "missed"), (RECONCILE, "missed")]
    kinds = [(order.mode, order.trigger) for order in office.orders]
    assert kinds == ([] if startup_import else [(Mode.FULL, Trigger.RECONCILE)])


def test_without_a_missed_slot_nothing_is_caught_up(office: Office) -> None:
    """Neither at the first start ever, nor after a short one."""
    for now in (NOON, EVENING - SECOND):
        process = Process(office)
        process.now = now
        with opened(process, startup_import=False):
            pass
    assert (office.orders, rows(office)) == ([], [])


def test_another_living_server_leaves_nothing_missed(office: Office) -> None:
    """A process that comes back while another one has been serving has missed nothing."""
    alive, late = Process(office), Process(office, "two")
    with opened(alive):
        alive.at(EVENING)
        alive.scheduler.beat()
        late.now = EVENING + SECOND
        with opened(late, startup_import=False):
            late.at(EVENING + 2 * SECOND)
    assert (len(office.orders), states(office)) == (1, [(EVENING, "taken")])


def test_slots_that_pass_while_paused_are_not_missed(office: Office) -> None:
    """Every process obeys, also one that was down meanwhile; what comes after resuming is run."""
    process = Process(office)
    with opened(process):
        assert pause(office, NOON)
        process.at(EVENING)
    down = Process(office, "two")
    down.now = RECONCILE + HOUR
    with opened(down, startup_import=False):
        assert states(office) == [(EVENING, "paused"), (RECONCILE, "paused")]
        assert pause(office, RECONCILE + HOUR, paused=False)
        down.at(RECONCILE + 2 * HOUR)
    assert [order.trigger for order in office.orders] == [Trigger.SCHEDULER]


def test_a_pause_does_not_reach_back(office: Office) -> None:
    """A slot that came due before is run, though the alarm clock rings only after the schedule was paused."""
    pause(office, EVENING + SECOND)
    Process(office).at(EVENING + 2 * SECOND)
    assert (len(office.orders), states(office)) == (1, [(EVENING, "taken")])


def test_who_paused_stays_on_record(office: Office) -> None:
    """Pausing what is paused changes nothing; resuming takes over."""
    assert pause(office, NOON, by="Ann")
    assert not pause(office, EVENING, by="Bob")
    state = office.ask(lambda connection: queries.scheduler(connection, NOON))
    assert (state["paused"], state["changed_by"], state["changed_at"]) == (True, "Ann", NOON)
    assert pause(office, EVENING, by="Bob", paused=False)
    state = office.ask(lambda connection: queries.scheduler(connection, NOON))
    assert (state["paused"], state["changed_by"]) == (False, "Bob")


def test_the_heartbeat_tells_what_comes_next(office: Office, settings: Settings) -> None:
    """Other processes see jobs and zone of the schedule; a stopped server is seen to have stopped."""

    def status(now: datetime) -> reports.StatusReport:
        return office.ask(lambda connection: reports.status(connection, settings, now))

    process = Process(office)
    with opened(process):
        seen = status(NOON)
        assert (seen.scheduler.running, seen.status.scheduler_initialized) == (True, True)
        assert seen.scheduler.timezone == "America/New_York"
        assert [job.id for job in seen.scheduler.jobs] == ["import", "reconcile"]
        assert seen.scheduler.next_run == min(job.next_run for job in seen.scheduler.jobs if job.next_run)
        pause(office, NOON)
        paused = status(NOON).scheduler
        assert (paused.running, paused.next_run) == (False, None)
        assert not status(NOON + HOUR).status.scheduler_initialized
    assert not status(NOON).status.scheduler_initialized


def test_a_stopped_server_has_the_last_word(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """A round that is under way when it stops ends before: nobody takes the server for alive afterwards."""
    monkeypatch.setattr(scheduler, "BEAT_SECONDS", 0.0)
    under_way, last_word = threading.Event(), threading.Event()

    def write(change: Callable[[Connection], T]) -> T:
        if threading.current_thread().name == "scheduler-round":
            under_way.set()
            last_word.wait(0.2)
            return Office.write(office, change)
        answer = Office.write(office, change)
        if under_way.is_set():
            last_word.set()
        return answer

    monkeypatch.setattr(office, "write", write)
    with opened(Process(office)):
        assert under_way.wait(30)
    assert "scheduler-round" not in [thread.name for thread in threading.enumerate()]
    assert office.ask(lambda connection: queries.scheduler(connection, NOON - HOUR))["seen_at"] is None


def test_old_heartbeats_go_and_the_newest_stays(office: Office) -> None:
    """However long ago a server ran, it is known when."""

    def beat(name: str, now: datetime) -> None:
        office.write(lambda connection: slots.beat(connection, name, now, "UTC", []))

    beat("a", NOON)
    beat("b", NOON + HOUR)
    beat("c", NOON + 200 * HOUR)
    count = text("SELECT array_agg(process ORDER BY process) FROM scheduler_heartbeats")
    assert office.ask(lambda connection: connection.scalar(count)) == ["c"]
    assert office.ask(slots.last_seen) == NOON + 200 * HOUR


@pytest.mark.parametrize(
    "case",
    [
        (False, False, None, ""),
        (False, False, ("succeeded", NOON), ""),
        (False, False, ("failed", NOON), "Import 1 failed."),
        (False, False, ("partial", NOON), "Import 1 is partial."),
        (False, False, ("cancelled", NOON), ""),
        (False, True, None, "1 scheduled import brought no data."),
        (False, True, ("succeeded", EVENING - SECOND), "1 scheduled import brought no data."),
        (False, True, ("succeeded", EVENING + SECOND), ""),
        (False, False, ("succeeded", NOON - 9 * HOUR), "1 scheduled import brought no data."),
        (True, False, ("succeeded", NOON), "The schedule is paused."),
        (True, False, ("failed", NOON), "The schedule is paused. Import 1 failed."),
    ],
)
def test_health_is_degraded_where_a_person_should_look(
    office: Office, settings: Settings, case: tuple[bool, bool, tuple[str, datetime] | None, str]
) -> None:
    """A failed or partial import, a slot that brought no data since, a paused schedule; it says which."""
    paused, missed, last, why = case
    if last:
        office.import_row("manual", *last)
    if missed:
        slot = TABLE.between(NOON, EVENING)[0]
        office.write(lambda connection: slots.claim(connection, slot, "missed", "one", EVENING))
    if paused:
        pause(office, NOON)
    report = office.ask(lambda connection: reports.health(connection, settings, EVENING, "1", 0))
    assert " ".join(office.ask(lambda connection: reports.troubles(connection, settings, EVENING))) == why
    assert (report.status == "degraded") == bool(why)
    assert (report.scheduler.status == "paused") == paused


def test_an_import_just_before_a_slot_does_not_do_it(office: Office, settings: Settings) -> None:
    """What it read is older than the slot, as the status line says too."""
    office.import_row("manual", "succeeded", EVENING - 2 * HOUR / 60)
    late = office.ask(lambda connection: reports.troubles(connection, settings, EVENING + HOUR))
    assert late == ["1 scheduled import brought no data."]
