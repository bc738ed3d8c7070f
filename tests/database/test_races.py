"""Imports that begin at the same instant in two processes: one runs, the other is told which."""

from collections.abc import Iterator

import pytest

from tests.support.child import Child, Nursery
from tests.support.comparison import differences
from tests.support.imports import Importing
from tests.support.standin import StandIn, conversations

RACES = 50
# A run whose process died and that nobody has told yet: whoever is refused must not take it for the running.
DEAD_RUN = """
    INSERT INTO import_logs (trigger, triggered_by, mode, status, started_at)
    VALUES ('manual', 'cli:dead', 'full', 'running', now())
"""


@pytest.fixture
def standin() -> Iterator[StandIn]:
    """An Airtable with a few conversations."""
    with StandIn(conversations(20)) as running:
        yield running


def race(first: Child, second: Child) -> dict[Child, str]:
    """Let both begin at once; what each was told."""
    first.ask("begin")
    second.ask("begin")
    return {first: first.answer(), second: second.answer()}


def test_one_wins_and_the_other_names_it(product: Importing, standin: StandIn) -> None:
    """Of two imports begun at once exactly one runs, and the other is refused with its id and exit code 3."""
    with Nursery() as nursery:
        children = [nursery.child(standin, product.url) for _ in range(2)]
        won = [0, 0]
        for number in range(RACES):
            product.execute(DEAD_RUN)
            told = race(*(children if number % 2 else reversed(children)))
            (winner,) = (child for child in children if told[child].startswith("begun"))
            (loser,) = (child for child in children if child is not winner)
            import_id = told[winner].removeprefix("begun ")
            assert told[loser] == f"refused {import_id} exit 3"
            assert winner.say("run") == "ended succeeded"
            won[children.index(winner)] += 1
    runs = product.rows("SELECT status, count(*) AS n FROM import_logs GROUP BY status ORDER BY status")
    assert runs == [{"status": "interrupted", "n": RACES}, {"status": "succeeded", "n": RACES}]
    assert min(won) > 0, "the same process won every race: they did not begin at once"
    assert differences(standin.table, product.url) == []
