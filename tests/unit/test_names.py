"""The names that people read."""

import re
from pathlib import Path

import pytest

from core import names, samples
from core.records import DateStatus, Reason
from core.runs import Mode, Trigger
from core.validation import MESSAGES
from tests.unit.test_architecture import CORE, ROOT, strings

# What speaks to people who look at pages, the interface's own words and what runs keep of their end.
SPEAKERS = [
    *(
        CORE / f"{name}.py"
        for name in ("airtable", "answers", "emptiness", "figures", "fingerprint", "importer")
    ),
    *(CORE / f"{name}.py" for name in ("names", "outcome", "probe", "statusline", "validation")),
    *sorted((ROOT / "pages").glob("*.py")),
]


def test_every_code_has_its_words() -> None:
    """No raw name of the database stands on a page: a new one brings its words."""
    assert set(names.INCONSISTENCIES) == set(MESSAGES)
    assert set(names.REASONS) == set(Reason)
    assert set(names.MODES) == set(Mode)
    assert set(names.TRIGGERS) == set(Trigger)


def test_all_that_the_rules_answer_has_its_words() -> None:
    """The rule tester shows every field, and no raw name."""
    fields = {name for sample in samples.check() for name in sample["result"]}
    assert fields - {"status", "reason"} == set(names.RESULT_NAMES)
    assert set(names.DATE_STATUSES) == set(DateStatus)
    assert set(names.MENDING) == set(Reason)


@pytest.mark.parametrize("path", SPEAKERS, ids=lambda path: path.stem)
def test_a_variable_is_named_in_brackets(path: Path) -> None:
    """Who reads a sentence need not know variables: plain words say it, the name is for who sets it."""
    sentences = [text for text in strings(path) if re.search(r"[a-z]{2,} [a-z]{2,}", text)]
    bare = [re.sub(r"\([^()]*\)", "", text) for text in sentences]
    assert [text for text in bare if re.search(r"\b[A-Z]+_[A-Z_]+\b", text)] == []
