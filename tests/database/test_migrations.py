"""The migrations: they make the declared tables, can be taken back, and may be run by several at once."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine

from core.database import engine, try_lock_for_transaction
from core.errors import DatabaseError, ImportRunningError, UsageError
from core.migration import migrate
from core.queries import has_newest_tables
from core.tables import metadata
from tests.support.postgres import Postgres
from tests.support.services import service_on
from tests.support.standin import StandIn
from tests.support.waiting import until

ROOT = Path(__file__).parents[2]
PROCESSES = 3

# What a database is made of, in words that do not depend on the order in which it was made.
COLUMNS = """
    SELECT t.relname, c.attname, format_type(c.atttypid, c.atttypmod), c.attnotnull, c.attidentity,
           pg_get_expr(d.adbin, d.adrelid), l.collname
    FROM pg_class t JOIN pg_attribute c ON c.attrelid = t.oid AND c.attnum > 0 AND NOT c.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = t.oid AND d.adnum = c.attnum
    LEFT JOIN pg_collation l ON l.oid = c.attcollation
    WHERE t.relkind = 'r' AND t.relnamespace = 'public'::regnamespace AND t.relname <> 'alembic_version'
    ORDER BY 1, 2
"""
CONSTRAINTS = """
    SELECT conrelid::regclass::text, conname, contype, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text <> 'alembic_version'
    ORDER BY 1, 2
"""
INDEXES = """
    SELECT tablename, indexname, indexdef FROM pg_indexes
    WHERE schemaname = 'public' AND tablename <> 'alembic_version' ORDER BY 1, 2
"""
STORAGE = """
    SELECT relname, reloptions FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND reloptions IS NOT NULL ORDER BY 1
"""
# Foreign keys without a whole (not partial) index that begins with their columns, in whatever order.
UNCOVERED = """
    SELECT c.conrelid::regclass::text, c.conname FROM pg_constraint c
    WHERE c.contype = 'f' AND c.connamespace = 'public'::regnamespace AND NOT EXISTS (
        SELECT FROM pg_index i
        WHERE i.indrelid = c.conrelid AND i.indpred IS NULL AND c.conkey @> leading(i.indkey, c.conkey)
          AND leading(i.indkey, c.conkey) @> c.conkey
    )
"""
WAITING = """
    SELECT FROM pg_locks
    WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
LEADING = """
    CREATE FUNCTION pg_temp.leading(columns int2vector, key int2[]) RETURNS int2[] LANGUAGE sql IMMUTABLE
    AS 'SELECT array_agg(columns[at - 1]) FROM generate_series(1, cardinality(key)) at'
"""


def facts(url: str) -> dict[str, list[tuple[object, ...]]]:
    """Every column, constraint and index of a database, and how its tables are stored."""
    asked = {"columns": COLUMNS, "constraints": CONSTRAINTS, "indexes": INDEXES, "storage": STORAGE}
    with psycopg.connect(url) as connection:
        return {name: connection.execute(query).fetchall() for name, query in asked.items()}


@contextmanager
def opened(url: str) -> Iterator[Engine]:
    """An engine, closed afterwards."""
    made = engine(url)
    try:
        yield made
    finally:
        made.dispose()


def waiting(url: str) -> bool:
    """Whether anybody waits for a lock in this database."""
    with psycopg.connect(url) as connection:
        return connection.execute(WAITING).fetchall() != []


def relations(url: str) -> set[str]:
    """Everything that lies in the schema: tables, indexes, sequences, types."""
    with psycopg.connect(url) as connection:
        names = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            " UNION SELECT typname FROM pg_type WHERE typnamespace = 'public'::regnamespace"
        )
        return {name for (name,) in names if "alembic_version" not in name}


def test_up_down_and_up_again(empty_database_url: str) -> None:
    """Each migration can be taken back and leaves nothing; made again, the tables are the same."""
    migrate(empty_database_url)
    made = facts(empty_database_url)
    migrate(empty_database_url, "base")
    assert relations(empty_database_url) == set()
    migrate(empty_database_url)
    assert facts(empty_database_url) == made


def test_back_to_an_older_release_and_up_again(empty_database_url: str) -> None:
    """What a rollback leaves is what the older release made; without tables it is a way up."""
    migrate(empty_database_url, "0001")
    older = facts(empty_database_url)
    migrate(empty_database_url)
    newest = facts(empty_database_url)
    migrate(empty_database_url, "0001")
    assert facts(empty_database_url) == older != newest
    migrate(empty_database_url, "0002")
    migrate(empty_database_url)
    assert facts(empty_database_url) == newest


def test_a_revision_that_does_not_exist_is_refused(database_url: str) -> None:
    """The message names those that do; nothing was changed."""
    before = facts(database_url)
    with pytest.raises(UsageError, match=r"no revision 9999; there are 0001, 0002, .*\."):
        migrate(database_url, "9999")
    assert facts(database_url) == before


@pytest.mark.parametrize("revision", ["head", "0001"])
def test_tables_of_a_newer_release_are_left_alone(database_url: str, revision: str) -> None:
    """A release that was rolled back says so in one line, and touches nothing."""
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    before = facts(database_url)
    with pytest.raises(DatabaseError, match=r"newer release \(9999; this one knows [0-9]+\)"):
        migrate(database_url, revision)
    assert facts(database_url) == before


def test_tables_are_not_taken_from_under_an_import(database_url: str) -> None:
    """While an import holds its lock, an older revision is refused and nothing changes."""
    before = facts(database_url)
    with opened(database_url) as made, made.begin() as importing:
        assert try_lock_for_transaction(importing)
        with pytest.raises(ImportRunningError):
            migrate(database_url, "0001")
        migrate(database_url)
    assert facts(database_url) == before


def test_the_newest_tables_are_told_without_alembic(empty_database_url: str) -> None:
    """A start brings the tables up to date where, and only where, the newest migration was not applied."""
    migrate(empty_database_url, "0001")
    with opened(empty_database_url) as made, made.connect() as connection:
        assert not has_newest_tables(connection)
    migrate(empty_database_url)
    with opened(empty_database_url) as made, made.connect() as connection:
        assert has_newest_tables(connection)


def test_a_start_waits_for_tables_that_are_being_taken_back(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It sees what they have become, and works on none that are about to change."""
    taken_back, let_go = threading.Event(), threading.Event()
    downgrade = command.downgrade

    def slowly(config: Config, revision: str) -> None:
        downgrade(config, revision)
        taken_back.set()
        assert let_go.wait(30)

    monkeypatch.setattr(command, "downgrade", slowly)
    with ThreadPoolExecutor(2) as pool, StandIn() as source, service_on(database_url, source) as service:
        back = pool.submit(migrate, database_url, "0004")
        assert taken_back.wait(30)
        start = pool.submit(service.prepare)
        until(lambda: start.done() or waiting(database_url), "the start at the migration's lock")
        let_go.set()
        back.result()
        start.result()
        assert service.ask(has_newest_tables)


def test_tables_that_no_migration_made_are_left_alone(database_url: str) -> None:
    """Where nothing says which revision the tables have, one line says so; `make migrate` would not help."""
    with psycopg.connect(database_url) as connection:
        connection.execute("DROP TABLE alembic_version")
    before = facts(database_url)
    with opened(database_url) as made, made.connect() as connected:
        assert not has_newest_tables(connected)
    with pytest.raises(DatabaseError, match=r"no migration of this program made \(SQLSTATE 42P07\)"):
        migrate(database_url)
    assert facts(database_url) == before


def test_migrating_what_is_up_to_date_changes_nothing(database_url: str) -> None:
    """Every start migrates; on current tables that is nothing."""
    before = facts(database_url)
    migrate(database_url)
    assert facts(database_url) == before


def test_the_migrated_tables_are_the_declared_ones(postgres: Postgres, database_url: str) -> None:
    """Columns, defaults, constraints and indexes are those of core.tables, down to their definitions."""
    with postgres.database() as declared, opened(declared) as made:
        metadata.create_all(made)
        assert facts(database_url) == facts(declared)


def test_alembic_finds_nothing_to_migrate(database_url: str) -> None:
    """Alembic, held against the declared tables, sees nothing that a migration would have to change."""
    with opened(database_url) as made, made.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []


def test_processes_that_migrate_at_once_wait_for_each_other(empty_database_url: str, tmp_path: Path) -> None:
    """Several starts on an empty database all succeed, and one of them makes the tables."""
    environment = os.environ | {"DATABASE_URL": empty_database_url, "LOG_DIR": str(tmp_path)}
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "core", "migrate"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(PROCESSES)
    ]
    said = [process.communicate(timeout=60)[0] for process in running]
    assert [process.returncode for process in running] == [0] * PROCESSES, said
    with psycopg.connect(empty_database_url) as connection:
        assert connection.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)


def test_every_foreign_key_has_an_index(database_url: str) -> None:
    """Without one, each change of the other table would read the whole of this one."""
    with psycopg.connect(database_url) as connection:
        connection.execute(LEADING)
        assert connection.execute(UNCOVERED.replace("leading(", "pg_temp.leading(")).fetchall() == []


def test_every_external_id_has_a_unique_index(database_url: str) -> None:
    """A record or a customer is there once, and found without reading the table."""
    indexes = {definition for _, _, definition in facts(database_url)["indexes"]}
    for table in ("conversations", "customers"):
        assert any(f"UNIQUE INDEX uq_{table}_external_id" in str(definition) for definition in indexes)


# Wrong data

CLINIC = "INSERT INTO clients (name, name_key) VALUES ('Clinic', 'clinic')"
LOCATION = "INSERT INTO locations (client_id, name) SELECT id, name FROM clients"
AUTOMATION = "INSERT INTO automations (name, name_key) VALUES ('Bot', 'bot')"
LINK = "INSERT INTO location_automations SELECT l.id, a.id FROM locations l, automations a"
CUSTOMER = "INSERT INTO customers (external_id) VALUES ('user')"
RUN = """
    INSERT INTO import_logs (trigger, triggered_by, mode, status, started_at)
    VALUES ('manual', 'cli:test', 'full', 'running', now())
"""
CONVERSATION = """
    INSERT INTO conversations (external_id, client_id, location_id, automation_id, customer_id, occurred_at,
        date_status, local_date, local_hour, engaged, lead_created, booked, first_import_id, last_import_id)
    SELECT 'rec', c.id, l.id, a.id, u.id, now(), 'read', current_date, 12, false, false, false, i.id, i.id
    FROM clients c, locations l, automations a, customers u, import_logs i
"""
BOOKING = "INSERT INTO bookings (conversation_id, raw_text) SELECT id, '2025' FROM conversations"
LEAD = "INSERT INTO leads (conversation_id) SELECT id FROM conversations"
REJECTION = """
    INSERT INTO rejected_records (import_id, external_id, reason, rejected_at)
    SELECT id, 'rec', 'too_long', now() FROM import_logs
"""
ALL = (CLINIC, LOCATION, AUTOMATION, LINK, CUSTOMER, RUN, CONVERSATION, BOOKING, LEAD, REJECTION)


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        (CLINIC, "uq_clients_name_key"),
        (AUTOMATION, "uq_automations_name_key"),
        (CUSTOMER, "uq_customers_external_id"),
        (CONVERSATION, "uq_conversations_external_id"),
        (BOOKING, "uq_bookings_conversation_id"),
        (LEAD, "uq_leads_conversation_id"),
        (RUN, "uq_import_logs_running"),
        (REJECTION, "uq_rejected_records_open"),
        ("INSERT INTO data_source VALUES (false, 'demo', now())", "ck_data_source_single"),
        ("UPDATE clients SET name_key = ''", "ck_clients_named"),
        ("UPDATE customers SET external_id = ''", "ck_customers_identified"),
        ("UPDATE conversations SET local_hour = 24", "ck_conversations_local_hour"),
        ("UPDATE conversations SET date_status = 'guessed'", "ck_conversations_date_status"),
        ("UPDATE conversations SET booked = true, deleted_at = now()", "ck_conversations_erased"),
        ("UPDATE conversations SET contact_email = 'a@b', deleted_at = now()", "ck_conversations_erased"),
        (
            "UPDATE conversations SET booked = true, other_booking_text = '2024'",
            "ck_conversations_one_booking",
        ),
        ("UPDATE conversations SET client_id = -1", "fk_conversations_location_id_client_id"),
        ("UPDATE conversations SET automation_id = -1", "fk_conversations_location_id_automation_id"),
        ("UPDATE conversations SET customer_id = -1", "fk_conversations_customer_id"),
        ("DELETE FROM conversations", "fk_bookings_conversation_id"),
        ("DELETE FROM location_automations", "fk_conversations_location_id_automation_id"),
        ("UPDATE bookings SET raw_text = ''", "ck_bookings_worded"),
        ("UPDATE rejected_records SET reason = 'ugly'", "ck_rejected_records_reason"),
        ("UPDATE rejected_records SET cells = '{}', resolved_at = now()", "ck_rejected_records_erased"),
        (
            "UPDATE import_logs SET status = 'done', completed_at = now(), errors = '[1]'",
            "ck_import_logs_status",
        ),
        ("UPDATE import_logs SET status = 'failed'", "ck_import_logs_completed"),
        ("UPDATE import_logs SET status = 'failed', completed_at = now()", "ck_import_logs_told"),
        ("UPDATE import_logs SET status = 'succeeded', completed_at = now()", "ck_import_logs_watermark"),
        ("UPDATE import_logs SET created = -1", "ck_import_logs_counts"),
        ("UPDATE import_logs SET mode = 'half'", "ck_import_logs_mode"),
        ("UPDATE import_logs SET trigger = 'chance'", "ck_import_logs_trigger"),
    ],
)
def test_wrong_data_is_impossible(database_url: str, statement: str, constraint: str) -> None:
    """Whoever writes, and however: the database refuses what contradicts itself (spec, section 7)."""
    with psycopg.connect(database_url) as connection:
        for made in ALL:
            connection.execute(made.encode())
        with pytest.raises(psycopg.IntegrityError) as refused:
            connection.execute(statement.encode())
    assert refused.value.diag.constraint_name == constraint
