"""PostgreSQL going away in the middle: the run goes on where it can, or says so, and blames no record."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from typing import Self

import psycopg
import pytest
from sqlalchemy import Connection, text

from core.control import Control
from core.embedded import EmbeddedServer
from core.errors import DatabaseError
from core.hold import Hold
from core.importer import Ended, Import, Order
from core.migration import migrate
from core.runs import Mode, Status, Trigger
from tests.support.comparison import differences
from tests.support.imports import CLOCK, Importing, counters, importing
from tests.support.postgres import Postgres, new_folder
from tests.support.proxy import POOLERS_FAREWELL, Loss, Proxy
from tests.support.standin import StandIn, conversations
from tests.support.waiting import cut_connections, full_once_free, until

RECORDS = 250
IMPATIENT_SECONDS = 0.1


@pytest.fixture
def standin() -> Iterator[StandIn]:
    """An Airtable with 250 conversations: three batches."""
    with StandIn(conversations(RECORDS)) as running:
        yield running


def assert_whole(product: Importing, standin: StandIn, ended: Ended) -> None:
    """The run succeeded as if nothing had been: each record counted once, nobody rejected."""
    assert ended.status is Status.SUCCEEDED, ended.errors
    row = product.row(ended.import_id)
    assert (row["status"], row["errors"]) == ("succeeded", [])
    assert counters(row) == {"processed": RECORDS, "created": RECORDS}
    assert product.rows("SELECT 1 FROM rejected_records") == []
    assert differences(standin.table, product.url) == []


# The server dies


class MortalServer:
    """An embedded server of the test's own, for as long as the context is open."""

    def __enter__(self) -> Self:
        self._open = ExitStack()
        self._folder = self._open.enter_context(new_folder())
        self.url = EmbeddedServer(self._folder).conninfo("postgres")
        self.revive()
        migrate(self.url)
        return self

    def __exit__(self, *_: object) -> None:
        if not self._listens():
            self.revive()  # so that it is stopped as it should be, with all that belongs to it
        self._open.close()

    def kill(self) -> None:
        """End it as a power cut would, and wait until it is gone."""
        pid_file = self._folder / "postgres" / "cluster" / "postmaster.pid"
        os.kill(int(pid_file.read_text(encoding="utf-8").split("\n")[0]), signal.SIGKILL)
        until(lambda: not self._listens(), "the end of the server")

    def revive(self) -> None:
        """Start it."""
        self._open.enter_context(EmbeddedServer(self._folder))

    def _listens(self) -> bool:
        try:
            psycopg.connect(self.url).close()
        except psycopg.OperationalError:
            return False
        return True


def test_the_server_is_killed_and_restarted(standin: StandIn) -> None:
    """A run outlasts the server's sudden death and restart, and counts no batch twice."""
    with MortalServer() as server:

        def restart(batch: int) -> None:
            if batch == 2:
                server.kill()
                server.revive()

        with importing(standin, server.url, committed=restart) as product:
            assert_whole(product, standin, product.full())


def test_the_server_stays_away(standin: StandIn) -> None:
    """A server that stays away fails the run, whose row is told as interrupted once it is back."""
    with MortalServer() as server:
        changes = {"database_patience_seconds": IMPATIENT_SECONDS, "committed": lambda _: server.kill()}
        with importing(standin, server.url, **changes) as product:
            ended = product.full()
            assert ended.status is Status.FAILED
            assert ended.errors[0]["code"] == "database_unavailable"
            server.revive()
            product.plant = replace(product.plant, committed=lambda _: None)
            again = product.full()
            assert again.status is Status.SUCCEEDED
            kept = {"processed": RECORDS, "created": RECORDS - 100, "unchanged": 100}
            assert counters(product.row(again.import_id)) == kept
            assert product.row(ended.import_id)["status"] == "interrupted"
            assert differences(standin.table, server.url) == []


# The connection is cut


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_cut_after_a_commit(product: Importing, standin: StandIn, batch: int) -> None:
    """A connection that is cut between two batches is made anew, with all that was read before."""

    def at(number: int) -> None:
        if number == batch:
            cut_connections(product.url)

    product.plant = replace(product.plant, committed=at)
    assert_whole(product, standin, product.full())


@pytest.mark.parametrize("page", [1, 2, 3])
def test_cut_while_reading(product: Importing, standin: StandIn, page: int) -> None:
    """A connection that is cut while pages come, whatever it just does, costs nothing but time."""
    standin.after_page(page, lambda _: cut_connections(product.url))
    assert_whole(product, standin, product.full())


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_cut_behind_a_pooler(database_url: str, standin: StandIn, batch: int) -> None:
    """A pooler tells twice that the server ended a connection: a run outlasts that as well."""

    def at(number: int) -> None:
        if number == batch:
            cut_connections(database_url)

    with (
        Proxy(database_url, farewell=POOLERS_FAREWELL) as pooler,
        importing(standin, pooler.url, committed=at) as product,
    ):
        assert_whole(product, standin, product.full())


def test_cut_between_row_and_first_batch(product: Importing, standin: StandIn) -> None:
    """A run that loses its connection before it has read anything takes the lock again."""
    run = Import(product.plant, Order(Mode.FULL, Trigger.MANUAL, "cli:test"), Control())
    run.begin()
    cut_connections(product.url)
    assert_whole(product, standin, run.run())


def test_cut_while_deleting(product: Importing, standin: StandIn) -> None:
    """A connection that is cut while absent records are asked for, or between deletions, deletes all once."""
    product.full()
    for record in standin.table.records()[:120]:
        standin.table.delete(record.id)

    def at(batch: int) -> None:
        if batch == 3:  # two pages, then the first hundred deletions
            cut_connections(product.url)

    product.plant = replace(product.plant, committed=at)
    standin.after_page(len(standin.pages()) + 3, lambda _: cut_connections(product.url))
    ended = product.full(allow_mass_delete=True)
    assert ended.status is Status.SUCCEEDED, ended.errors
    assert counters(product.row(ended.import_id)) == {"processed": 130, "unchanged": 130, "deleted": 120}
    assert differences(standin.table, product.url) == []


def test_cut_for_good_by_another_import(product: Importing, standin: StandIn) -> None:
    """A run that was cut off while another one took over writes nothing more."""
    others: list[Ended] = []
    plant = product.plant

    def overtake(batch: int) -> None:
        if batch == 1:
            cut_connections(product.url)
            with importing(standin, product.url) as other:
                others.append(other.full())

    product.plant = replace(plant, committed=overtake)
    ended = product.full()
    assert (ended.status, ended.errors[0]["code"]) == (Status.FAILED, "lost_run")
    assert product.row(ended.import_id)["status"] == "interrupted"
    assert others[0].status is Status.SUCCEEDED
    assert counters(product.row(others[0].import_id)) == {"processed": 250, "created": 150, "unchanged": 100}
    assert differences(standin.table, product.url) == []


# The answer is lost


@pytest.mark.parametrize("loss", list(Loss))
def test_a_commit_is_lost(postgres: Postgres, template_database: str, loss: Loss) -> None:
    """At whichever commit the connection breaks, before or after it is done, each batch counts once.

    Lost at its very beginning the import does not begin; its row, if it was made, is told as interrupted.
    """
    with StandIn(conversations(101)) as standin:
        for commit in range(1, 100):
            with postgres.database(template_database) as url, Proxy(url) as proxy:
                proxy.cut_at(commit, loss)
                ended = imported_over(proxy, standin)
                if not proxy.has_cut:
                    break
                assert_told_once(standin, url, ended)
        assert commit > 8


def imported_over(proxy: Proxy, standin: StandIn) -> Ended | None:
    """A full import over this network; null where it could not begin."""
    with importing(standin, proxy.url) as product:
        try:
            return product.full()
        except DatabaseError:
            return None


def assert_told_once(standin: StandIn, url: str, ended: Ended | None) -> None:
    """What the run and its row say is true; one that did not begin is made up for by the next."""
    with importing(standin, url) as direct:
        if ended is not None:
            assert ended.status is Status.SUCCEEDED, ended.errors
            row = direct.row(ended.import_id)
            assert (row["status"], row["batches"]) == ("succeeded", 2)
            assert counters(row) == {"processed": 101, "created": 101}
            assert differences(standin.table, url) == []
            return
        assert full_once_free(direct).status is Status.SUCCEEDED
        assert differences(standin.table, url) == []
        rows = direct.rows("SELECT status FROM import_logs ORDER BY id")
        assert [row["status"] for row in rows] in (["succeeded"], ["interrupted", "succeeded"])


# The server refuses for a while, or for good


def refuse(product: Importing, sqlstate: str, times: int) -> None:
    """Let so many statements that write conversations fail; a sequence counts, for it does not roll back."""
    product.execute(f"""
        CREATE SEQUENCE refusals;
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF nextval('refusals') <= {times} THEN RAISE EXCEPTION 'no' USING ERRCODE = '{sqlstate}'; END IF;
            RETURN NULL;
        END $$;
        CREATE TRIGGER refuse AFTER INSERT ON conversations FOR EACH STATEMENT EXECUTE FUNCTION refuse();
    """)


PASSING = {
    "disk full": "53100",
    "out of memory": "53200",
    "statement cancelled": "57014",
    "deadlock": "40P01",
    "lock not available": "55P03",
    "input/output error": "58030",
    "transaction idle too long": "25P03",
    "transaction too long": "25P04",
}


@pytest.mark.parametrize("sqlstate", PASSING.values(), ids=PASSING.keys())
def test_a_refusal_that_passes(product: Importing, standin: StandIn, sqlstate: str) -> None:
    """What the database refuses for a while is tried again: no record is blamed, no batch counted twice."""
    refuse(product, sqlstate, times=1)
    assert_whole(product, standin, product.full())


@pytest.mark.parametrize("sqlstate", ["53100", "57014", "25P03"])
def test_a_refusal_that_lasts(product: Importing, standin: StandIn, sqlstate: str) -> None:
    """What the database refuses for good fails the run with its SQLSTATE; no record is rejected for it."""
    refuse(product, sqlstate, times=1_000)
    product.plant = replace(product.plant, database_patience_seconds=IMPATIENT_SECONDS)
    ended = product.full()
    assert ended.status is Status.FAILED
    assert f"SQLSTATE {sqlstate}" in ended.errors[0]["message"]
    row = product.row(ended.import_id)
    assert (row["status"], row["processed"], row["errors"]) == ("failed", 0, ended.errors)
    assert product.rows("SELECT 1 FROM rejected_records") == []
    product.execute("DROP TRIGGER refuse ON conversations")
    assert_whole(product, standin, product.full())


def test_a_connection_that_is_ended_each_time(product: Importing) -> None:
    """A server that ends the connection at a batch's statement for good fails the run with its SQLSTATE."""
    product.execute("""
        CREATE FUNCTION finish() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM pg_terminate_backend(pg_backend_pid(), 1000); RETURN NULL; END $$;
        CREATE TRIGGER finish AFTER INSERT ON conversations FOR EACH STATEMENT EXECUTE FUNCTION finish();
    """)
    product.plant = replace(product.plant, database_patience_seconds=IMPATIENT_SECONDS)
    ended = product.full()
    assert (ended.status, ended.errors[0]["code"]) == (Status.FAILED, "database_unavailable")
    assert "SQLSTATE 57P01" in ended.errors[0]["message"]


def test_a_statement_is_cancelled(product: Importing, standin: StandIn) -> None:
    """An administrator who cancels a statement of the run costs it a repetition, no more."""
    product.execute("""
        CREATE SEQUENCE refusals;
        CREATE FUNCTION hang() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF nextval('refusals') = 2 THEN PERFORM pg_sleep(60); END IF;
            RETURN NULL;
        END $$;
        CREATE TRIGGER hang AFTER INSERT ON conversations FOR EACH STATEMENT EXECUTE FUNCTION hang();
    """)
    canceller = threading.Thread(target=cancel_sleeper, args=[product.url], daemon=True)
    canceller.start()
    assert_whole(product, standin, product.full())
    canceller.join()


def cancel_sleeper(url: str) -> None:
    """Cancel the statement that sleeps, as soon as one does."""
    cancel = (
        "SELECT pg_cancel_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event = 'PgSleep'"
    )
    with psycopg.connect(url, autocommit=True) as other:
        until(lambda: other.execute(cancel).fetchone() is not None, "a statement that sleeps")


def test_the_server_ends_an_idle_transaction(product: Importing, standin: StandIn) -> None:
    """A machine that slept in the middle of a batch finds its connection ended, and repeats the batch."""
    idle = (
        "SELECT FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'"
        " AND EXISTS (SELECT FROM import_logs)"
    )
    database = psycopg.conninfo.conninfo_to_dict(product.url)["dbname"]
    product.execute(f"ALTER DATABASE {database} SET idle_in_transaction_session_timeout = '300ms'")
    slept: list[bool] = []

    def wake_up() -> datetime:
        with psycopg.connect(product.url, autocommit=True) as other:
            if not slept and other.execute(idle).fetchone() is not None:
                slept.append(True)
                until(lambda: other.execute(idle).fetchone() is None, "the end of the transaction")
        return CLOCK.now()

    product.plant = replace(product.plant, clock=replace(CLOCK, now=wake_up))
    ended = product.full()
    product.execute(f"ALTER DATABASE {database} RESET ALL")
    assert slept
    assert_whole(product, standin, ended)


def test_a_connection_that_cannot_be_prepared_at_once(product: Importing) -> None:
    """Where a regained connection gets no temporary table, for a full disk, none is used without one."""
    prepared: list[int] = []

    def prepare(connection: Connection) -> None:
        prepared.append(len(prepared))
        with connection.begin():
            if len(prepared) == 2:
                connection.execute(text("DO 'BEGIN RAISE EXCEPTION USING ERRCODE = $$53100$$; END'"))
            connection.execute(text("CREATE TEMPORARY TABLE own (id int)"))

    hold = Hold(product.plant.engine, CLOCK, lambda _: None, prepare)
    hold.take()
    cut_connections(product.url)
    count = hold.transact(
        lambda connection: connection.scalar(text("SELECT count(*) FROM own")), lambda _: None
    )
    hold.release()
    assert (count, len(prepared)) == (0, 3)
