"""When imports are due: slots by their UTC instant, right across daylight-saving changes. Pure.

A slot whose local time does not exist (clocks go forward) is due an hour later by the new time; one whose
local time comes twice (clocks go back) is due the first time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from core.settings import WEEKDAYS, Settings

RECONCILE_HOUR = 4
A_DAY = timedelta(days=1)
# A week holds a slot of every job, whatever its zone does.
LONGEST_GAP = timedelta(days=9)
# The watermark lies 5 minutes before the run's start; a run is given a quarter of an hour to end.
OVERLAP = timedelta(minutes=5)
PATIENCE = timedelta(minutes=15)


class Job(StrEnum):
    """What is done in a slot: the incremental import of `SCHEDULE_HOURS`, or the weekly full one."""

    IMPORT = "import"
    RECONCILE = "reconcile"


@dataclass(frozen=True, slots=True, order=True)
class Slot:
    """One instant (aware, in UTC) at which an import is due."""

    at: datetime
    job: Job


@dataclass(frozen=True, slots=True)
class Timetable:
    """The hours of every day and the weekday of the full import (spec, section 4)."""

    zone: ZoneInfo
    hours: tuple[int, ...]
    reconcile_day: str
    """A weekday's name, or `off`."""

    def between(self, after: datetime, until: datetime) -> list[Slot]:
        """The slots later than `after` and not later than `until`, in order.

        Where both jobs fall on one instant the full import stands for both.
        """
        slots: dict[datetime, Slot] = {}
        day, last = after.astimezone(self.zone).date() - A_DAY, until.astimezone(self.zone).date()
        while day <= last:
            for slot in self._of_day(day):
                if after < slot.at <= until:
                    slots[slot.at] = slot
            day += A_DAY
        return [slots[at] for at in sorted(slots)]

    def next(self, job: Job, after: datetime) -> Slot | None:
        """The job's first slot later than `after`; null where the job is off."""
        coming = self.between(after, after + LONGEST_GAP)
        return next((slot for slot in coming if slot.job is job), None)

    def unserved(self, as_of: datetime, now: datetime) -> list[Slot]:
        """The slots that passed since the data's moment (the watermark) without bringing newer ones."""
        return self.between(as_of + OVERLAP, now - PATIENCE)

    def jobs(self) -> list[Job]:
        """The jobs that are on."""
        return [Job.IMPORT] if self.reconcile_day == "off" else [Job.IMPORT, Job.RECONCILE]

    def _of_day(self, day: date) -> list[Slot]:
        """The day's slots; the full import last, so that it wins where instants coincide."""
        slots = [Slot(self._instant(day, hour), Job.IMPORT) for hour in self.hours]
        if self.reconcile_day != "off" and WEEKDAYS[day.weekday()] == self.reconcile_day:
            slots.append(Slot(self._instant(day, RECONCILE_HOUR), Job.RECONCILE))
        return slots

    def _instant(self, day: date, hour: int) -> datetime:
        return datetime(day.year, day.month, day.day, hour, tzinfo=self.zone).astimezone(UTC)


def of(settings: Settings) -> Timetable:
    """The timetable that the settings name."""
    return Timetable(settings.timezone, settings.schedule_hours, settings.reconcile_day)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do about slots that have come due: run one, own up to the others."""

    run: Slot | None
    missed: tuple[Slot, ...]


def plan(due: Sequence[Slot], now: datetime, grace: timedelta) -> Plan:
    """The newest slot is run while it is not older than `grace`; every other one was missed."""
    if due and now - due[-1].at <= grace:
        return Plan(due[-1], tuple(due[:-1]))
    return Plan(None, tuple(due))


def catch_up(missed: Sequence[Slot], *, startup_import: bool) -> Job | None:
    """What makes up for slots missed while no server ran; null where the startup import does, or none was.

    One import for all of them: the full one where a full one is among them (spec, section 3).
    """
    if startup_import or not missed:
        return None
    return Job.RECONCILE if any(slot.job is Job.RECONCILE for slot in missed) else Job.IMPORT
