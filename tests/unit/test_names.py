"""The names that people read."""

from core import names, samples
from core.records import DateStatus, Reason
from core.runs import Mode, Trigger
from core.validation import MESSAGES


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
