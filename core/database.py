"""PostgreSQL's door: engines, the lock of the one import, and what an error means."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum

import orjson
import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from core.errors import DatabaseError, DatabaseUnavailableError

# Two halves of one advisory key each: whose it is, and what for.
OWNER = 0x4A43
IMPORT_LOCK, MIGRATION_LOCK, DIMENSION_LOCK, BEGINNING_LOCK, ALERT_LOCK = 1, 2, 3, 4, 5

# A dead peer is noticed within half a minute, so that a run's lock dies with its machine.
KEEPALIVE = {
    "keepalives": "1",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "connect_timeout": "10",
    "application_name": "jointchiro",
}
HEALTH_MILLISECONDS = 1500


# All the data fit in memory, where a page of an index costs no more than the next one of a table: by the
# default, which is for disks that turn, figures would read the whole table. And to start parallel workers
# takes longer than what they would save below a million rows, most of all on a busy machine; so does to
# compile a plan, which the estimates of an import's plans would ask for.
PLANNING = "SET random_page_cost = 1.1; SET parallel_setup_cost = 50000; SET jit = off"


class Fault(Enum):
    """Whose fault a statement's failure is, and so what to do."""

    RECORD = "record"
    """SQLSTATE classes 22, 23 and 54: split the batch until the record is found."""
    PASSING = "passing"
    """The connection, a lock, a full disk, a shutdown: try again with backoff."""
    LASTING = "lasting"
    """Anything else: stop."""


RECORD_CLASSES = frozenset({"22", "23", "54"})
PASSING_CLASSES = frozenset({"08", "40", "53", "55", "57", "58"})
# The server ended a connection whose transaction took too long for a timeout, as after a machine's sleep.
OVERTIME_STATES = frozenset({"25P03", "25P04"})
# Within those classes: the database was dropped, or a feature is off; waiting changes neither.
LASTING_STATES = frozenset({"57P04", "55P04", "55000"})
# What the driver raises by itself where a connection breaks, or where an answer is none that it can read: a
# pooler says twice that the server is gone.
LOST = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError)


def engine(conninfo: str) -> Engine:
    """An engine for a libpq URI; its sessions run in UTC and UTF-8, and are checked before use."""
    with_defaults = make_conninfo(
        "", **(KEEPALIVE | conninfo_to_dict(conninfo) | {"client_encoding": "utf8"})
    )
    made = create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(with_defaults),
        pool_pre_ping=True,
        pool_size=5,
        max_overflow=15,
        pool_timeout=10,
    )

    @event.listens_for(made, "connect")
    def _set_up(connection: psycopg.Connection, _: object) -> None:
        # A role's or a database's own defaults may be others, and psycopg reads no other form of a moment.
        connection.execute("SET TIME ZONE 'UTC'; SET datestyle = 'ISO'")
        connection.execute(PLANNING)
        connection.commit()

    return made


def quick_engine(conninfo: str) -> Engine:
    """An engine for questions that are better not answered than late (spec, section 6: health)."""
    given = conninfo_to_dict(conninfo)
    options = f"{given.get('options') or ''} -c statement_timeout={HEALTH_MILLISECONDS}".strip()
    quick = {"connect_timeout": "2", "tcp_user_timeout": "2000", "options": options}
    return engine(make_conninfo("", **(given | quick)))


def try_lock(connection: Connection) -> bool:
    """Take the import's lock for as long as this connection lives; whether it was free."""
    return bool(
        connection.scalar(
            text("SELECT pg_try_advisory_lock(:owner, :key)"), {"owner": OWNER, "key": IMPORT_LOCK}
        )
    )


def try_lock_for_transaction(connection: Connection) -> bool:
    """Take the import's lock until this transaction ends; whether it was free."""
    return bool(
        connection.scalar(
            text("SELECT pg_try_advisory_xact_lock(:owner, :key)"), {"owner": OWNER, "key": IMPORT_LOCK}
        )
    )


def unlock(connection: Connection) -> None:
    """Give the import's lock back."""
    connection.execute(text("SELECT pg_advisory_unlock(:owner, :key)"), {"owner": OWNER, "key": IMPORT_LOCK})


# Who holds the import's lock in this database: looked up, never tried (spec, section 3).
IMPORT_LOCK_HELD = f"""
    EXISTS (
        SELECT FROM pg_locks
        WHERE locktype = 'advisory' AND granted AND objsubid = 2
          AND classid = {OWNER} AND objid = {IMPORT_LOCK}
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    )
"""  # noqa: S608 (two constants of this module)


def check_encoding(connection: Connection, conninfo: str) -> None:
    """Any text must fit; SQL_ASCII, what `initdb` makes in the locale C, keeps whatever bytes it is given.

    Raises:
        DatabaseError: the database's encoding lacks characters.
    """
    encoding = connection.scalar(text("SHOW server_encoding"))
    if encoding not in {"UTF8", "SQL_ASCII"}:
        raise DatabaseError(
            f"The {place(conninfo)} is encoded in {encoding}, which lacks characters that Airtable has. "
            "Make one with ENCODING 'UTF8'."
        )


def lock_for_transaction(connection: Connection, key: int) -> None:
    """Wait for another lock and hold it until this transaction ends."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:owner, :key)"), {"owner": OWNER, "key": key})


def share_for_transaction(connection: Connection, key: int) -> None:
    """Wait for who holds that lock, and keep it from others until this transaction ends; many may at once."""
    connection.execute(
        text("SELECT pg_advisory_xact_lock_shared(:owner, :key)"), {"owner": OWNER, "key": key}
    )


def as_json(value: object) -> str:
    """Lists and dicts of text, numbers and moments as the JSON that a statement unpacks."""
    return orjson.dumps(value).decode()


def sqlstate(error: BaseException) -> str | None:
    """PostgreSQL's code of an error, null where the server sent none."""
    original = error.orig if isinstance(error, DBAPIError) else error
    return getattr(original, "sqlstate", None)


def constraint(error: BaseException) -> str | None:
    """The constraint that a statement broke, if one."""
    original = error.orig if isinstance(error, DBAPIError) else error
    return original.diag.constraint_name if isinstance(original, psycopg.Error) else None


def fault(error: BaseException) -> Fault:
    """Whose fault a database error is (spec, section 3: batches)."""
    state = sqlstate(error)
    if state is None:
        lost = isinstance(error, DBAPIError) and isinstance(error.orig, LOST)
        return Fault.PASSING if lost else Fault.LASTING
    if state[:2] in RECORD_CLASSES:
        return Fault.RECORD
    passing = state[:2] in PASSING_CLASSES or state in OVERTIME_STATES
    return Fault.PASSING if passing and state not in LASTING_STATES else Fault.LASTING


def place(conninfo: str) -> str:
    """Which database a URI means, for people: never its password."""
    parts = conninfo_to_dict(conninfo)
    host = parts.get("host") or parts.get("hostaddr") or "the local socket"
    port = f":{parts['port']}" if parts.get("port") else ""
    return f"database {parts.get('dbname', '(default)')} on {host}{port}"


@contextmanager
def explained(conninfo: str) -> Iterator[None]:
    """Turn what PostgreSQL raises into one line for people; its own text may quote values."""
    try:
        yield
    except (SQLAlchemyError, psycopg.Error) as error:
        raise explanation(error, conninfo) from error


def explanation(error: BaseException, conninfo: str) -> DatabaseError:
    """What a database error means for the person who set DATABASE_URL."""
    state = sqlstate(error)
    where = place(conninfo)
    if state is None and fault(error) is Fault.PASSING:
        state = _state_in_words(str(getattr(error, "orig", error)))
    if state is None and fault(error) is not Fault.PASSING:
        return DatabaseError(f"The {where} failed ({type(error).__name__}); error.log has more.")
    for states, sentence in SENTENCES:
        if state is not None and state.startswith(states):
            return DatabaseError(sentence.format(where=where, state=state))
    if state is None or fault(error) is Fault.PASSING:
        code = f" (SQLSTATE {state})" if state else ""
        return DatabaseUnavailableError(
            f"The {where} cannot be reached{code}. Start PostgreSQL, or check its address (DATABASE_URL)."
        )
    named = f", constraint {constraint(error)}" if constraint(error) else ""
    return DatabaseError(f"The {where} refuses a statement (SQLSTATE {state}{named}); error.log has more.")


SENTENCES: tuple[tuple[tuple[str, ...], str], ...] = (
    (("28",), "The {where} refuses the user or password (SQLSTATE {state}). Check both (DATABASE_URL)."),
    (("3D",), "There is no {where} (SQLSTATE {state}). Create it, or name another one (DATABASE_URL)."),
    (
        ("42501",),
        (
            "The user in DATABASE_URL lacks rights on the {where} (SQLSTATE {state}). "
            "Grant CREATE on it and its schema public, and all rights on the tables there."
        ),
    ),
    (("42P01",), "The {where} has no tables yet. Run `make migrate`."),
    (("42703",), "The {where} lacks a column (SQLSTATE {state}). Run `make migrate`."),
    (
        ("42P07",),
        (
            "The {where} holds tables that no migration of this program made (SQLSTATE {state}). "
            "Empty it, or name another one (DATABASE_URL)."
        ),
    ),
    (
        ("25P03", "25P04"),
        (
            "The {where} ended a transaction that took too long for its timeouts (SQLSTATE {state}). "
            "Import again; if it stays so, raise them."
        ),
    ),
    (("53100",), "The disk of the {where} is full (SQLSTATE {state}). Make room, then import again."),
    (
        ("57014",),
        "The {where} cancelled a statement (SQLSTATE {state}). Try again; if it stays so, ask why.",
    ),
)


def _state_in_words(message: str) -> str | None:
    """A refused connection carries no SQLSTATE, only the server's sentence."""
    patterns: tuple[tuple[str, str], ...] = (
        (r"password|authentication|no pg_hba|role .* does not exist", "28000"),
        (r"database .* does not exist", "3D000"),
        (r"permission denied for database", "42501"),
    )
    return next((state for pattern, state in patterns if re.search(pattern, message)), None)
