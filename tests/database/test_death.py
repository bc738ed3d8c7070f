"""SIGKILL at every commit point: whatever was committed is kept once, and the dead run is told."""

from collections.abc import Iterator

import psycopg
import pytest

from core.runs import Status
from tests.support.child import Child, Nursery
from tests.support.comparison import differences
from tests.support.imports import Importing, counters
from tests.support.standin import StandIn, conversations
from tests.support.waiting import full_once_free, until

RECORDS = 600
BATCHES = 6
LATCH = 4711
"""The advisory key with which a test holds a transaction in its middle."""


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    """Where processes come from that may be killed."""
    with Nursery() as ready:
        yield ready


@pytest.fixture
def standin() -> Iterator[StandIn]:
    """An Airtable with 600 conversations: six batches."""
    with StandIn(conversations(RECORDS)) as running:
        yield running


def assert_made_up_for(product: Importing, standin: StandIn, committed: int) -> None:
    """The next import keeps what the dead one committed, completes it, and tells how that one ended."""
    ended = full_once_free(product)
    assert ended.status is Status.SUCCEEDED, ended.errors
    assert differences(standin.table, product.url) == []
    dead, *_ = product.rows("SELECT * FROM import_logs ORDER BY id DESC OFFSET 1")
    assert dead["status"] == "interrupted"
    assert dead["errors"][0]["code"] == "process_died"
    assert dead["watermark"] is None
    assert dead["processed"] == committed
    row = product.row(ended.import_id)
    assert row["processed"] == len(standin.table)
    assert row["created"] + row["updated"] + row["unchanged"] == row["processed"]


@pytest.mark.parametrize("batch", range(1, BATCHES + 1))
def test_killed_after_a_commit(nursery: Nursery, product: Importing, standin: StandIn, batch: int) -> None:
    """A process killed after its n-th commit leaves n batches, which the next import finds unchanged."""
    child = nursery.child(standin, product.url)
    assert child.say("die", batch) == "mortal"
    assert child.say("begin").startswith("begun")
    assert child.say("run") == ""
    assert_made_up_for(product, standin, committed=100 * batch)
    last = product.rows("SELECT * FROM import_logs ORDER BY id DESC LIMIT 1")[0]
    kept = {"unchanged": 100 * batch, "created": RECORDS - 100 * batch}
    assert counters(last) == {"processed": RECORDS} | {name: count for name, count in kept.items() if count}


def test_killed_between_lock_and_first_commit(nursery: Nursery, product: Importing, standin: StandIn) -> None:
    """A process killed with its row made and nothing committed leaves that row alone."""
    child = nursery.child(standin, product.url)
    assert child.say("begin").startswith("begun")
    child.kill()
    assert_made_up_for(product, standin, committed=0)


def test_killed_within_the_last_batch(nursery: Nursery, product: Importing, standin: StandIn) -> None:
    """A process killed in the middle of a transaction leaves nothing of it."""
    last = standin.table.records()[-1].id
    hold_at(product, f"INSERT ON conversations FOR EACH ROW WHEN (NEW.external_id = '{last}')")
    child = nursery.child(standin, product.url)
    kill_when_held(product, child)
    assert_made_up_for(product, standin, committed=RECORDS - 100)


def test_killed_within_the_deletions(nursery: Nursery, product: Importing, standin: StandIn) -> None:
    """A process killed between two batches of deletions has deleted the first; the next import the others."""
    product.full()
    for record in standin.table.records()[:150]:
        standin.table.delete(record.id)
    child = nursery.child(standin, product.url)
    assert child.say("die", 6) == "mortal"  # five pages, then the first hundred deletions
    assert child.say("begin").startswith("begun")
    assert child.say("run") == ""
    gone = "SELECT count(*) AS n FROM conversations WHERE deleted_at IS NOT NULL"
    assert product.rows(gone) == [{"n": 100}]
    assert_made_up_for(product, standin, committed=450)
    assert product.rows(gone) == [{"n": 150}]


def test_killed_within_a_batch_of_deletions(nursery: Nursery, product: Importing, standin: StandIn) -> None:
    """A process killed in the middle of a batch of deletions has deleted nothing of it."""
    product.full()
    for record in standin.table.records()[:20]:
        standin.table.delete(record.id)
    hold_at(product, "UPDATE ON conversations FOR EACH STATEMENT")
    child = nursery.child(standin, product.url)
    kill_when_held(product, child)
    assert product.rows("SELECT 1 FROM conversations WHERE deleted_at IS NOT NULL") == []
    assert_made_up_for(product, standin, committed=580)


def hold_at(product: Importing, event: str) -> None:
    """Let a transaction wait at an event for as long as somebody holds the latch."""
    product.execute(f"""
        CREATE FUNCTION held() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM pg_advisory_xact_lock({LATCH}); RETURN NEW; END $$;
        CREATE TRIGGER held BEFORE {event} EXECUTE FUNCTION held();
    """)


def kill_when_held(product: Importing, child: Child) -> None:
    """Kill a child's import when its transaction waits at the latch."""
    with psycopg.connect(product.url, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [LATCH])
        assert child.say("begin").startswith("begun")
        child.ask("run")
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = %s"
        until(lambda: other.execute(waiting, [LATCH]).fetchone() != (0,), "the import at the latch")
        child.kill()
        assert child.answer() == ""
    product.execute("DROP FUNCTION held CASCADE")
