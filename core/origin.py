"""Where records are read from: the table that the settings name, else the demo's server."""

import threading
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from core.demo import DEMO_BASE_ID, DEMO_TABLE_NAME, DEMO_TOKEN
from core.listings import Source
from core.records import Column
from core.settings import Settings

if TYPE_CHECKING:
    from core.demo.server import DemoServer

# The demo's server is our own and has no limit; its pages come as fast as they can be read.
DEMO_REQUESTS_PER_SECOND = 1000.0


class Origin:
    """One source for the whole process; the demo's server is started when it is first needed."""

    def __init__(self, settings: Settings, now: Callable[[], datetime]) -> None:
        """Start nothing yet; `now` is the clock of the demo's records."""
        self._settings = settings
        self._now = now
        self._lock = threading.Lock()
        self._source: Source | None = None
        self._demo: DemoServer | None = None

    @property
    def requests_per_second(self) -> float:
        """How fast the source may be read."""
        return (
            DEMO_REQUESTS_PER_SECOND if self._settings.demo else self._settings.airtable_requests_per_second
        )

    def source(self) -> Source:
        """Where and what to read; may be asked from any thread."""
        with self._lock:
            if self._source is None:
                self._source = self._demo_source() if self._settings.demo else _airtable(self._settings)
            return self._source

    def close(self) -> None:
        """Stop the demo's server; may be repeated."""
        if self._demo is not None:
            self._demo.stop()
            self._demo = None

    def _demo_source(self) -> Source:
        from core.demo.server import demo_server  # noqa: PLC0415 (a tenth of a command's start, for the demo alone)

        self._demo = demo_server(self._now)
        columns = {column: column.value for column in Column}
        return Source(self._demo.start(), DEMO_BASE_ID, DEMO_TABLE_NAME, None, columns, DEMO_TOKEN)


def _airtable(settings: Settings) -> Source:
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
