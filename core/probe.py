"""The connection test: does Airtable answer, and has the table every column that is asked for?"""

from pydantic import Field

from core.airtable import Reader
from core.clock import Clock
from core.errors import SourceError, UnknownColumnError
from core.listings import Listing, Source
from core.records import Column
from core.reports import Report
from core.settings import column_variable


class ConnectionReport(Report):
    """`GET /api/test/airtable-connection` (spec, section 6)."""

    ok: bool
    source: str
    table: str
    fields: list[str] = Field(default_factory=list)
    missing_fields: list[str] = Field(default_factory=list)
    latency_ms: float | None = None
    code: str | None = None
    message: str | None = None


def probe(reader: Reader, source: Source, identity: str, clock: Clock) -> ConnectionReport:
    """Ask for one page with all columns; where one is unknown, for each column alone."""
    began = clock.monotonic()
    try:
        _first_page(reader, list(source.columns.values()))
        latency = clock.monotonic() - began
        missing: list[Column] = []
    except UnknownColumnError:
        latency = clock.monotonic() - began
        missing = [column for column, name in source.columns.items() if not _has(reader, name)]
    except SourceError as error:
        return ConnectionReport(
            ok=False, source=identity, table=source.table, code=error.code, message=error.message
        )
    report = ConnectionReport(
        ok=not missing,
        source=identity,
        table=source.table,
        fields=[name for column, name in source.columns.items() if column not in missing],
        missing_fields=[source.columns[column] for column in missing],
        latency_ms=round(latency * 1000, 1),
    )
    return report.model_copy(update=_cure(missing)) if missing else report


def _cure(missing: list[Column]) -> dict[str, str]:
    variables = ", ".join(column_variable(column) for column in missing)
    message = (
        "The table lacks columns that are asked for. Give each the name that it has there, or none where "
        f"there is none ({variables})."
    )
    return {"code": UnknownColumnError.code, "message": message}


def _has(reader: Reader, name: str) -> bool:
    try:
        _first_page(reader, [name])
    except UnknownColumnError:
        return False
    return True


def _first_page(reader: Reader, names: list[str]) -> None:
    next(reader.pages(Listing(tuple(names))))
