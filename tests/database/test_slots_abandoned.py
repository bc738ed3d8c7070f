"""Slots that a process took and died over: told as missed, caught up once, and never run twice."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from core import queries, slots
from core.errors import DatabaseUnavailableError, SlotLostError
from core.importer import Order
from core.runs import Mode, Trigger
from core.timetable import Job, Slot
from tests.support.schedule import EVENING, HOUR, NOON, SECOND, Office, Process, opened, rows, states
from tests.support.scheduled import scheduled
from tests.support.services import ended, idle, service_on
from tests.support.standin import StandIn, conversations

SLOT = Slot(EVENING, Job.IMPORT)
# A heartbeat is older than its 90 seconds.
GONE = EVENING + timedelta(seconds=91)
NOTES = f"Catches up on slots missed since {EVENING.isoformat()}."
CATCH_UP = Order(Mode.INCREMENTAL, Trigger.SCHEDULER, "scheduler", NOTES)


@pytest.fixture
def source() -> Iterator[StandIn]:
    """Airtable with five conversations."""
    with StandIn(conversations(5)) as running:
        yield running


def killed(database_url: str, source: StandIn) -> None:
    """A process that took the evening's slot at its time and died before its import began."""
    with scheduled(database_url, source, "killed") as process:
        assert process.say("die", EVENING) == ""


def made_up(process: Process, now: datetime) -> None:
    """One round of a process at that moment."""
    process.now = process.office.now = now
    process.scheduler.beat()
    process.scheduler.make_up()


def test_another_process_tells_it_and_catches_up_once(
    database_url: str, source: StandIn, office: Office
) -> None:
    """Not before the dead one's heartbeat is too old; one of all that look begins one import."""
    with opened(Process(office, "two")) as two, opened(Process(office, "three")) as three:
        killed(database_url, source)
        assert rows(office) == [(EVENING, "import", "taken", None)]
        made_up(two, EVENING + SECOND)
        assert (states(office), office.orders) == ([(EVENING, "taken")], [])
        for process in (two, three, two):
            made_up(process, GONE)
        assert (states(office), office.orders) == ([(EVENING, "missed")], [CATCH_UP])


@pytest.mark.parametrize("startup_import", [True, False])
def test_the_next_start_tells_it_and_catches_up(
    database_url: str, source: StandIn, office: Office, *, startup_import: bool
) -> None:
    """The startup import is the catch-up; without one a single import runs."""
    killed(database_url, source)
    for name in ("two", "three"):
        process = Process(office, name)
        process.now = office.now = GONE
        with opened(process, startup_import=startup_import):
            assert states(office) == [(EVENING, "missed")]
    assert office.orders == ([] if startup_import else [CATCH_UP])


def test_a_start_soon_after_the_death_tells_it_later(
    database_url: str, source: StandIn, office: Office
) -> None:
    """What an import has made up for meanwhile is owned up to all the same, and not done again."""
    killed(database_url, source)
    process = Process(office, "two")
    process.now = EVENING + SECOND
    with opened(process):
        office.import_row("startup", "succeeded", EVENING + 2 * SECOND)
        made_up(process, GONE)
    assert (states(office), office.orders) == ([(EVENING, "missed")], [])
    assert not office.ask(queries.slot_missed)


def test_it_is_really_caught_up(database_url: str, source: StandIn) -> None:
    """A service started after the death imports, with the reason in the import's notes."""
    killed(database_url, source)
    with service_on(database_url, source, GONE, IMPORT_ON_STARTUP="false") as service:
        service.serve()
        idle(service)
        (run,) = service.history(10).imports
    assert (run.trigger, run.status, run.created) == ("scheduler", "succeeded", 5)
    assert NOTES in (run.notes or "")


def test_a_process_that_was_taken_for_dead_does_not_do_it_too(office: Office) -> None:
    """Its database was away for two minutes: when it is back, the slot is no longer its own."""
    late = Process(office, "late")
    office.faults = [DatabaseUnavailableError("away")]
    with opened(Process(office, "two")) as two:
        with pytest.raises(DatabaseUnavailableError):
            late.at(EVENING)
        made_up(two, GONE)
        late.at(GONE + SECOND)
        late.at(GONE + HOUR)
    assert (states(office), office.orders) == ([(EVENING, "missed")], [CATCH_UP])


def test_a_living_process_keeps_the_slot_that_it_cannot_begin_yet(office: Office) -> None:
    """It shows itself, so nobody takes it for dead."""
    with opened(Process(office, "slow")) as slow, opened(Process(office, "two")) as two:
        office.faults = [DatabaseUnavailableError("away")]
        with pytest.raises(DatabaseUnavailableError):
            slow.at(EVENING)
        slow.now = GONE
        slow.scheduler.beat()
        made_up(two, GONE)
        assert states(office) == [(EVENING, "taken")]
        slow.at(GONE + SECOND)
    assert [order.slot_at for order in office.orders] == [EVENING]


def test_the_import_and_its_slot_are_one(database_url: str, source: StandIn) -> None:
    """An import of a slot that nobody holds does not begin; of one that is held, its row names it."""
    order = Order(Mode.FULL, Trigger.SCHEDULER, "scheduler", slot_at=EVENING)
    with service_on(database_url, source, EVENING) as service:
        with pytest.raises(SlotLostError):
            service.start_import(order)
        service.write(lambda connection: slots.claim(connection, SLOT, "taken", "one", EVENING))
        import_id = service.start_import(order)
        assert ended(service, import_id) == "succeeded"
        with pytest.raises(SlotLostError):
            service.start_import(order)
        assert [run.id for run in service.history(10).imports] == [import_id]


def test_a_claim_whose_answer_was_lost_is_found_again(office: Office) -> None:
    """By the process that made it alone, and until its import has begun."""

    def claimed(process: str) -> str | None:
        return office.write(lambda connection: slots.claim(connection, SLOT, "taken", process, EVENING))

    assert [claimed("one"), claimed("one"), claimed("two")] == ["taken", "taken", None]
    import_id = office.import_row("scheduler", "succeeded", EVENING)
    assert office.write(lambda connection: slots.done_by(connection, EVENING, import_id))
    assert claimed("one") is None


def test_two_real_processes_through_slots_at_the_same_instant(database_url: str, source: StandIn) -> None:
    """Ten slots, both processes ring at once: each slot is done by exactly one import."""
    with scheduled(database_url, source, "one") as one, scheduled(database_url, source, "two") as two:
        for day in range(10):
            for process in (one, two):
                process.ask("at", EVENING + day * 24 * HOUR)
            assert [one.answer(), two.answer()] == ["done", "done"]
    with service_on(database_url, source, NOON) as service:
        done = [row for row in rows(service) if row[0].hour == EVENING.hour]
        runs = [run.id for run in service.history(100).imports]
    assert [row[2] for row in done] == ["taken"] * 10
    assert sorted(row[3] for row in done) == sorted(runs)
