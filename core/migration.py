"""Migrations: the tables brought up, or back, to a revision.

Loading Alembic is a tenth of a command's start, and nearly every start finds the tables as they should be:
`queries.has_newest_tables` tells, and only where they are not is this module wanted.
"""

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from core.database import (
    MIGRATION_LOCK,
    check_encoding,
    engine,
    explained,
    lock_for_transaction,
    place,
    try_lock_for_transaction,
)
from core.errors import DatabaseError, ImportRunningError, UsageError
from core.settings import ROOT


def migrate(conninfo: str, revision: str = "head") -> None:
    """Bring the tables up, or back, to `revision`; processes that do so at once wait for each other.

    Raises:
        DatabaseError: PostgreSQL refuses or cannot be reached, or a newer release made the tables.
        ImportRunningError: the tables are to be taken back, and an import is running.
        UsageError: there is no such revision.
    """
    made = engine(conninfo)
    config = Config(toml_file=str(ROOT / "pyproject.toml"))
    known = [one.revision for one in ScriptDirectory.from_config(config).walk_revisions("base", "heads")]
    if revision not in {"head", "base", *known}:
        raise UsageError(f"There is no revision {revision}; there are {', '.join(reversed(known))}.")
    try:
        with explained(conninfo), made.begin() as connection:
            check_encoding(connection, conninfo)
            lock_for_transaction(connection, MIGRATION_LOCK)
            held = MigrationContext.configure(connection).get_current_revision()
            if held not in {None, *known}:
                raise DatabaseError(
                    f"The {place(conninfo)} has the tables of a newer release ({held}; this one knows "
                    f"{known[0]}). Install that one; it can take them back: `python -m core migrate --to "
                    f"{known[0]}`."
                )
            config.attributes["connection"] = connection
            newer = known[: known.index(revision)] if revision in known else known
            if revision != "head" and held in newer:
                if not try_lock_for_transaction(connection):
                    raise ImportRunningError("An import is running. Cancel it, or wait for its end.", None)
                command.downgrade(config, revision)
            else:
                command.upgrade(config, revision)
            if revision == "base":
                # Alembic's own table would be the last one left, and look like another program's.
                connection.execute(text("DROP TABLE IF EXISTS alembic_version"))
    finally:
        made.dispose()
