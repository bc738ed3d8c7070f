"""What to ask Airtable for: listings of one table, by filter, by id, or cut into shards.

Outside names inside: https://airtable.com/developers/web/api/list-records
"""

import math
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from core.client import formulas
from core.records import Column

PAGE_SIZE = 100


@dataclass(frozen=True, slots=True)
class Source:
    """Where and what to read; `key` is never shown."""

    endpoint: str
    base: str
    table: str
    view: str | None
    columns: Mapping[Column, str]
    key: str = field(repr=False)

    @property
    def by_id(self) -> bool:
        """Whether columns are named by field id."""
        return all(name.startswith("fld") for name in self.columns.values())


@dataclass(frozen=True, slots=True)
class Listing:
    """One listing of the table: the records that `formula` keeps, with the cells of `columns`."""

    columns: tuple[str, ...]
    formula: str | None = None
    shard: bool = False
    """Whether it is a part of a larger listing, and so not to be cut again."""
    brief: bool = False
    """Whether a few pages are likely its end, and so cutting it early would read more than it saves."""


def everything(source: Source) -> Listing:
    """The whole table or view, with all mapped cells."""
    return Listing(tuple(source.columns.values()))


def changed_since(source: Source, moment: datetime) -> Listing:
    """What was made or changed after `moment`, by Airtable's own modified time."""
    return Listing(tuple(source.columns.values()), str(_changed_since(moment)), brief=True)


def by_id(source: Source, ids: Sequence[str]) -> list[Listing]:
    """The records with these ids where the view still shows them, a listing for each page's worth."""
    return [Listing(tuple(source.columns.values()), str(_among(chunk))) for chunk in _pages_of(ids)]


def changed_among(source: Source, ids: Sequence[str], moment: datetime) -> list[Listing]:
    """Which of these records were made or changed after `moment`: their ids, with one cell alone."""
    columns = (source.columns[Column.CLINIC],)
    return [
        Listing(columns, str(formulas.AND(_among(chunk), _changed_since(moment)))) for chunk in _pages_of(ids)
    ]


def _changed_since(moment: datetime) -> formulas.Formula:
    return formulas.OR(
        formulas.IS_AFTER(formulas.LAST_MODIFIED_TIME(), moment),
        formulas.IS_AFTER(formulas.CREATED_TIME(), moment),
    )


def _among(ids: Sequence[str]) -> formulas.Formula:
    return formulas.OR(*(formulas.RECORD_ID().eq(record_id) for record_id in ids))


def _pages_of(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + PAGE_SIZE] for start in range(0, len(ids), PAGE_SIZE))


# Record ids end in one of these, evenly spread.
LAST_CHARACTERS = string.ascii_uppercase + string.ascii_lowercase + string.digits
MOST_READERS = 21
# Readers beyond the bare need, for answers that take longer than the first ones.
SPARE = 1.15
# More than PostgreSQL is written to: reading faster would only fill the queue.
MOST_PAGES_PER_SECOND = 50.0


def readers_needed(latency: float, requests_per_second: float, most: int = MOST_READERS) -> int:
    """How many readers keep a pace of requests busy at this latency (seconds); 1 where one suffices.

    Never more than `most`. Among the numbers that suffice, one that cuts the 62 last characters evenly.
    """
    at_once = latency * min(requests_per_second, MOST_PAGES_PER_SECOND)
    if at_once <= 1:
        return 1
    least = math.ceil(at_once * SPARE)
    enough = range(min(least, most), most + 1)
    return min(enough, key=lambda number: (number - least) // 3 + _largest_shard(number) * number)


def sharded(listing: Listing, number: int) -> list[Listing]:
    """The listing cut into `number` even parts by the record id's last character.

    The last part is the complement of the others: together they are the listing, whatever ids look like.
    """
    size = _largest_shard(number)
    parts = [LAST_CHARACTERS[start : start + size] for start in range(0, len(LAST_CHARACTERS), size)]
    last = formulas.RIGHT(formulas.RECORD_ID(), 1)
    conditions = [formulas.FIND(last, part) for part in parts[:-1]]
    rest = formulas.NOT(formulas.FIND(last, "".join(parts[:-1])))
    base = [formulas.Formula(listing.formula)] if listing.formula else []
    parted = [formulas.AND(*base, condition) if base else condition for condition in (*conditions, rest)]
    return [Listing(listing.columns, str(formula), shard=True) for formula in parted]


def _largest_shard(number: int) -> int:
    return math.ceil(len(LAST_CHARACTERS) / number)
