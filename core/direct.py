"""Statements of a batch, handed to the driver itself.

What SQLAlchemy builds around each result takes as long as PostgreSQL needs for a batch's smaller statements,
and there are six of them a batch. Connection, transaction and errors stay SQLAlchemy's.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, TypeVar

import psycopg
from psycopg.rows import args_row
from sqlalchemy import Connection, Dialect, TextClause
from sqlalchemy.exc import DBAPIError

R = TypeVar("R", bound=tuple[Any, ...])


def rows(
    connection: Connection, statement: TextClause, values: Mapping[str, object], kind: type[R]
) -> list[R]:
    """What a statement answers, each row as a `kind` of named columns in the statement's order.

    Raises:
        DBAPIError: as `Connection.execute` does; a lost connection is invalidated.
    """
    with _wrapped(connection) as driver:
        cursor = driver.cursor(row_factory=args_row(kind))
        return cursor.execute(_words(statement, connection.dialect), values).fetchall()


@contextmanager
def together(connection: Connection) -> Iterator[None]:
    """Let this block's statements set off without waiting for each other; its end waits for all.

    PostgreSQL carries them out in their order, the beginning of a transaction with them; what a statement
    answers is waited for where it is asked. Only this module's statements may stand in it.

    Raises:
        DBAPIError: of the first that fails; those after it were not carried out.
    """
    with _wrapped(connection) as driver, driver.pipeline():
        yield


def carry_out(connection: Connection, statement: TextClause, values: Mapping[str, object]) -> None:
    """Execute a statement that answers nothing; raises as `rows` does."""
    with _wrapped(connection) as driver:
        driver.cursor().execute(_words(statement, connection.dialect), values)


@contextmanager
def _wrapped(connection: Connection) -> Iterator[psycopg.Connection]:
    """The driver's connection; what it raises becomes what SQLAlchemy would raise, without the values."""
    driver: Any = connection.connection.dbapi_connection
    try:
        yield driver
    except psycopg.Error as error:
        lost = driver.closed
        if lost:
            connection.invalidate(error)
        raised = DBAPIError.instance(None, None, error, psycopg.Error, connection_invalidated=lost)
        raise raised from error


@lru_cache(maxsize=64)
def _words(statement: TextClause, dialect: Dialect) -> bytes:
    """The statement in the driver's own style, once a statement."""
    return str(statement.compile(dialect=dialect)).encode()
