"""What one import has read so far: each record once, with what became of it.

It lies in a temporary table of the import's connection, so that memory stays flat however long the
table is. A file beside it holds the same for the case that the connection, and the table with it, is lost.
"""

import json
import tempfile
from collections.abc import Iterator, Mapping

from sqlalchemy import Connection, text

from core import direct
from core.database import as_json
from core.records import Outcome

CREATE = text("""
    CREATE TEMPORARY TABLE seen (
        external_id text COLLATE "C" PRIMARY KEY, outcome text NOT NULL
    ) ON COMMIT PRESERVE ROWS
""")
DROP = text("DROP TABLE IF EXISTS pg_temp.seen")

PUT = text("""
    INSERT INTO seen (external_id, outcome)
    SELECT key, value FROM json_each_text(CAST(:outcomes AS json))
    ON CONFLICT (external_id) DO UPDATE SET outcome = excluded.outcome
""")

COUNT = text("SELECT outcome, count(*) AS records FROM seen GROUP BY outcome")

# A portion at a time, so that memory stays flat however many there are.
READ_CHANGED = text("""
    SELECT external_id FROM seen WHERE outcome IN ('created', 'updated') AND external_id > :after
    ORDER BY external_id LIMIT :limit
""")

# Live conversations and open rejections that this import did not read.
UNSEEN_LIVE = """
    conversations c
    WHERE deleted_at IS NULL AND NOT EXISTS (SELECT FROM seen s WHERE s.external_id = c.external_id)
"""
UNSEEN_OPEN = """
    rejected_records r
    WHERE resolved_at IS NULL AND NOT EXISTS (SELECT FROM seen s WHERE s.external_id = r.external_id)
"""
READ_UNSEEN = text(f"""
    (SELECT external_id FROM {UNSEEN_LIVE} AND external_id > :after ORDER BY external_id LIMIT :limit)
    UNION
    (SELECT external_id FROM {UNSEEN_OPEN} AND external_id > :after ORDER BY external_id LIMIT :limit)
    ORDER BY external_id LIMIT :limit
""")  # noqa: S608 (constants above)
COUNT_UNSEEN = text(f"""
    SELECT (SELECT count(*) FROM {UNSEEN_LIVE}) AS live, (SELECT count(*) FROM {UNSEEN_OPEN}) AS rejected
""")  # noqa: S608 (constants above)
READ_UNSEEN_LIVE = text(f"SELECT id FROM {UNSEEN_LIVE} ORDER BY id")  # noqa: S608 (a constant above)


class Seen:
    """The records read by one import."""

    def __init__(self) -> None:
        """Nothing is read yet; `open` makes the table."""
        self._spool = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 (lives as long as the run)

    def close(self) -> None:
        """Drop the file; the table goes with its connection."""
        self._spool.close()

    def open(self, connection: Connection) -> None:
        """Make the table on this connection and fill it with what was read before."""
        with connection.begin():
            connection.execute(DROP)
            connection.execute(CREATE)
            for outcomes in self._spooled():
                self.put(connection, outcomes)

    def put(self, connection: Connection, outcomes: Mapping[str, Outcome]) -> None:
        """Note within the batch's transaction what these records count as; may stand in `direct.together`."""
        if outcomes:
            direct.carry_out(connection, PUT, {"outcomes": as_json(outcomes)})

    def committed(self, outcomes: Mapping[str, Outcome]) -> None:
        """The batch's transaction is committed: keep its records beyond the connection too."""
        self._spool.write(as_json(outcomes) + "\n")

    def counts(self, connection: Connection) -> dict[Outcome, int]:
        """How many records became what."""
        return {Outcome(row.outcome): row.records for row in connection.execute(COUNT)}

    def changed(self, connection: Connection, after: str, limit: int) -> list[str]:
        """The next records after this one that the import created or updated, in byte order."""
        return list(connection.execute(READ_CHANGED, {"after": after, "limit": limit}).scalars())

    def unseen(self, connection: Connection, after: str, limit: int) -> list[str]:
        """The next records after this one that are live or rejected here and were not read, in byte order."""
        return list(connection.execute(READ_UNSEEN, {"after": after, "limit": limit}).scalars())

    def unseen_counts(self, connection: Connection) -> tuple[int, int]:
        """How many live conversations, and how many open rejections, were not read."""
        row = connection.execute(COUNT_UNSEEN).one()
        return row.live, row.rejected

    def unseen_live(self, connection: Connection) -> list[int]:
        """The ids of the live conversations that were not read."""
        return list(connection.execute(READ_UNSEEN_LIVE).scalars())

    def _spooled(self) -> Iterator[dict[str, Outcome]]:
        self._spool.seek(0)
        for line in self._spool:
            yield json.loads(line)
        self._spool.seek(0, 2)


def combined(before: Outcome | None, now: Outcome) -> Outcome:
    """What a record that was read again counts as: once, as what it did to the data in all."""
    if before is None or now is Outcome.REJECTED or before is Outcome.REJECTED:
        return now
    if Outcome.CREATED in {before, now}:
        return Outcome.CREATED
    return Outcome.UPDATED if Outcome.UPDATED in {before, now} else Outcome.UNCHANGED
