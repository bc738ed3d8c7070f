"""How things stand: what an import does, how the last ones ended, and which version the figures have."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, RowMapping

from core import queries, reports
from core.reports import StatusReport
from core.settings import Settings


@dataclass(frozen=True, slots=True)
class Standing:
    """How things stand now: what the status line and the live panels show."""

    report: StatusReport
    running: RowMapping | None
    last_ended: RowMapping | None
    last_success: RowMapping | None
    holds_data: bool
    """Whether an import succeeded, or one that did not has left conversations behind."""
    beat: RowMapping
    missed: int
    """How many scheduled imports are missing (`reports.missed`)."""
    version: str
    """Changes with every batch that may have changed a figure, and with every import that ends."""

    @property
    def as_of(self) -> datetime | None:
        """What the data are as of: the watermark of the newest succeeded import (spec, section 3)."""
        moment: datetime | None = self.last_success["watermark"] if self.last_success else None
        return moment

    @property
    def first_runs(self) -> bool:
        """Whether the first import is on its way, whatever became of earlier tries."""
        return self.as_of is None and self.running is not None

    @property
    def broken_off(self) -> bool:
        """Whether figures show what an import left that did not succeed, and none has succeeded or runs."""
        return self.as_of is None and self.running is None and self.holds_data


def read(connection: Connection, settings: Settings, now: datetime) -> Standing:
    """How things stand."""
    ended, succeeded = queries.last_ended(connection), queries.last_completed(connection)
    as_of = succeeded["watermark"] if succeeded else None
    return Standing(
        report=reports.status(connection, settings, now),
        running=queries.running(connection),
        last_ended=ended,
        last_success=succeeded,
        holds_data=succeeded is not None or queries.any_live(connection),
        beat=reports.heartbeat(connection, now),
        missed=reports.missed(connection, settings, as_of, now),
        version=f"{queries.data_version(connection)}.{ended['id'] if ended else 0}",
    )
