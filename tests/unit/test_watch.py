"""What a live process looks after where its database is away."""

from datetime import UTC, datetime
from typing import NoReturn
from zoneinfo import ZoneInfo

import pytest

from core.clock import Clock
from core.errors import DatabaseUnavailableError
from core.settings import load
from core.timetable import Timetable
from core.watch import Watch
from tests.support.services import NO_FILE


class Away:
    """A service without a database."""

    def ask(self, _: object) -> NoReturn:
        """Nothing answers."""
        raise DatabaseUnavailableError("Away.")

    write = ask


def test_alerts_that_cannot_be_looked_at_end_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """They follow each import: a database that is away at that moment must not fail it, and is logged."""
    clock = Clock(now=lambda: datetime(2026, 1, 5, tzinfo=UTC), monotonic=lambda: 0.0)
    timetable = Timetable(ZoneInfo("UTC"), (6,), "off")
    Watch(Away(), load({}, NO_FILE), timetable, clock).check_alerts()
    assert [record.message for record in caplog.records] == ["alerts_not_checked"]
