"""What a stored row depends on besides its record: where it differs, everything is read again.

Spec, section 2: source, columns, `BOOKING_YEARS`, `TIMEZONE` and the rules' version.
"""

import json

from core.rules import RULES_VERSION, Ruleset

NAMES = {
    "source": "the source",
    "columns": "the columns (AIRTABLE_FIELD_…)",
    "booking_years": "the years whose bookings count (BOOKING_YEARS)",
    "timezone": "the time zone (TIMEZONE)",
    "rules": "the product's rules",
}


def fingerprint(identity: str, ruleset: Ruleset) -> str:
    """All of it as one text that is equal where all of it is equal."""
    parts = {
        "source": identity,
        "columns": {column.name: name for column, name in ruleset.columns.items()},
        "booking_years": sorted(ruleset.booking_years),
        "timezone": str(ruleset.timezone),
        "rules": RULES_VERSION,
    }
    return json.dumps(parts, sort_keys=True)


def changed(before: str, now: str) -> list[str]:
    """What differs between two fingerprints, in words for people."""
    old, new = json.loads(before or "{}"), json.loads(now)
    return [words for name, words in NAMES.items() if old.get(name) != new.get(name)]
