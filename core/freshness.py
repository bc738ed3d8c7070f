"""How much the data can be trusted just now, in one light and one sentence (ui: status line).

Green; amber where one slot of the schedule passed without new data, or the last import was partial; red
where it failed, or two slots passed, or where there are conversations though no import has succeeded.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from core.runs import Status


class Light(StrEnum):
    """Which colour; never shown without its words."""

    GREEN = "green"
    AMBER = "amber"
    RED = "red"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The light, and why."""

    light: Light
    words: str


def missing(count: int) -> str:
    """How many scheduled imports are missing, in words."""
    return "One scheduled import missing" if count == 1 else f"{count} scheduled imports missing"


def verdict(as_of: datetime | None, last_status: str | None, missed: int, *, holds_data: bool) -> Verdict:
    """What the status line says; the worst of age and result."""
    if as_of is None:
        # What an import left that did not succeed lacks records, whoever ended it.
        grave = holds_data or last_status == Status.FAILED
        told = "Data incomplete" if holds_data else "No data yet"
        return Verdict(Light.RED if grave else Light.NONE, told)
    if last_status == Status.FAILED:
        # Not "not up to date": the data may be minutes old, and a newer import failed.
        return Verdict(Light.RED, "Changes may be missing")
    if missed > 1:
        return Verdict(Light.RED, missing(missed))
    if last_status == Status.PARTIAL:
        return Verdict(Light.AMBER, "Not complete")
    if missed == 1:
        return Verdict(Light.AMBER, missing(missed))
    return Verdict(Light.GREEN, "Up to date")
