"""Imports within one warm process, against a bare pyairtable read of the same pages."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql
from pyairtable import Api

from core import listings, queries
from core.origin import Origin
from core.records import Column
from core.runs import Mode
from core.service import Service
from tests.benchmarks.checks import Check, Sample, Unit
from tests.benchmarks.source import Source
from tests.benchmarks.stage import Measure, Stage, run, seconds, service

EDITS = 200
REQUESTS_A_SECOND = 5
DEMO_RECORDS = 20_077
# 201 pages at 5 requests a second.
LIMIT_SECONDS = 40.2


def read(source: Source, formula: str | None = None) -> list[Any]:
    """All records, as anybody reads them with pyairtable."""
    table = Api(source.token, endpoint_url=source.url).table(source.base, source.table)
    return table.all(formula=formula) if formula else table.all()


def timed(work: Callable[[], object]) -> float:
    """Seconds of work that does not pay for the garbage of what came before."""
    gc.collect()
    return seconds(work)


@contextmanager
def full(stage: Stage) -> Iterator[Callable[[], Sample]]:
    """A first import into empty tables, a bare read, and a COPY of what was read."""
    source = stage.source
    read(source)

    def sample() -> Sample:
        source.pace()
        with stage.database(stage.migrated) as url, service(url, source) as product:
            imported = timed(lambda: run(product, Mode.FULL))
            return {
                "import": imported,
                "bare": timed(lambda: read(source)),
                "copy": copied(url, read(source)),
            }

    yield sample


def copied(url: str, records: list[Any]) -> float:
    """The seconds that psycopg needs to COPY records' cells into a table without index or constraint."""
    rows = [(record["id"], *(record["fields"].get(column.value) for column in Column)) for record in records]
    names = sql.SQL(", ").join(sql.Identifier(f"c{number}") for number in range(len(Column)))
    columns = sql.SQL(", ").join(
        sql.SQL("{} text").format(sql.Identifier(f"c{n}")) for n in range(len(Column))
    )

    def copy() -> None:
        with connection.cursor().copy(sql.SQL("COPY flat (id, {}) FROM STDIN").format(names)) as out:
            for row in rows:
                out.write_row(row)
        connection.commit()

    with psycopg.connect(url) as connection:
        connection.execute(sql.SQL("CREATE TABLE flat (id text, {})").format(columns))
        return timed(copy)


def again(mode: Mode, prepare: Callable[[Source, Service], str | None]) -> Callable[[Stage], Any]:
    """An import over one that succeeded, after `prepare`, and a bare read by the formula that it answers."""

    @contextmanager
    def prepared(stage: Stage) -> Iterator[Callable[[], Sample]]:
        source = stage.source
        with stage.database(stage.imported) as url, service(url, source) as product:

            def sample() -> Sample:
                source.pace()
                formula = prepare(source, product)
                return {
                    "import": timed(lambda: run(product, mode)),
                    "bare": timed(lambda: read(source, formula)),
                }

            yield sample

    return prepared


def unchanged(_source: Source, product: Service) -> None:
    """What another measure has edited is imported first: then nothing changes, and all is read."""
    run(product, Mode.INCREMENTAL)


def edited(source: Source, product: Service) -> str:
    """Some records are edited; answers the formula that finds them."""
    source.edit(EDITS)
    formula = changed_formula(product)
    assert len(read(source, formula)) == EDITS
    return formula


def changed_formula(product: Service) -> str:
    """What the next incremental import will ask for."""
    last = product.ask(queries.last_completed)
    assert last is not None
    return str(
        listings.changed_since(
            Origin(product.settings, product.clock.now).source(), last["watermark"]
        ).formula
    )


def paced(latency: float) -> Callable[[Stage], Any]:
    """A first import from a source that answers late and holds Airtable's limit."""

    @contextmanager
    def prepared(stage: Stage) -> Iterator[Callable[[], Sample]]:
        source = stage.source
        rate = {"AIRTABLE_REQUESTS_PER_SECOND": str(REQUESTS_A_SECOND)}

        def sample() -> Sample:
            with stage.database(stage.migrated) as url, service(url, source, **rate) as product:
                source.pace(latency, REQUESTS_A_SECOND)
                source.counted()
                took = timed(lambda: run(product, Mode.FULL))
                requests, refused = source.counted()
                source.pace()
                return {"import": took, "requests": requests, "refused": refused}

        yield sample

    return prepared


def paced_checks(latency: str, most: float) -> tuple[Check, ...]:
    """The import's time against the limit's, and no refusal."""
    return (
        Check(f"Full import, {latency} a page, 5 requests a second", "import", LIMIT_SECONDS, most=most),
        Check(f"— 429 answers, {latency} a page", "refused", most=0, unit=Unit.COUNT, every=True),
        Check(f"— requests, {latency} a page", "requests", unit=Unit.COUNT),
    )


MEASURES = (
    Measure(
        "full",
        "a first import, no latency, no limit",
        full,
        (
            Check("Full import, no latency, no limit", "import", "bare", most=5),
            Check("— bare pyairtable read of the same pages", "bare"),
            Check("— psycopg COPY of the same rows into a bare table", "copy"),
        ),
    ),
    Measure(
        "unchanged",
        "a full import again, nothing changed",
        again(Mode.FULL, unchanged),
        (Check("Full import again, nothing changed", "import", "bare", most=3),),
    ),
    Measure(
        "incremental",
        f"an incremental import after {EDITS} edits",
        again(Mode.INCREMENTAL, edited),
        (
            Check(
                f"Incremental after {EDITS} edits of 20,077",
                "import",
                "bare",
                most=2,
                allowance=0.05,
                unit=Unit.MILLISECONDS,
            ),
        ),
    ),
    Measure("paced-300ms", "a first import at 300 ms a page", paced(0.3), paced_checks("300 ms", 1.08)),
    Measure("paced-1s", "a first import at 1 s a page", paced(1.0), paced_checks("1 s", 1.12)),
)
