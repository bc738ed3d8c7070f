"""Expected against actual totals, and what the inconsistency counts mean (spec, sections 4 and 6)."""

from collections.abc import Mapping
from dataclasses import dataclass

from core.rates import percent

# What each inconsistency means and what to do, for people; `{count}` records are concerned.
MESSAGES: Mapping[str, str] = {
    "unreadable_bookings": "{count} bookings whose text cannot be read as a date; they count as bookings.",
    "bookings_of_other_years": (
        "{count} filled Booking cells name none of the years that count, and make no booking (BOOKING_YEARS)."
    ),
    "bookings_of_a_new_year": (
        "{count} Booking cells name a later year, which does not count until it is set (BOOKING_YEARS)."
    ),
    "leads_without_engagement": "{count} leads come from conversations that are not marked as engaged.",
    "automations_not_seeded": (
        "{count} conversations belong to automations that were not known from the start; look whether their "
        "names are right."
    ),
    "unreadable_dates": (
        "{count} conversations have a Conversation Date that cannot be read; they count on the day on which "
        "Airtable made the record."
    ),
    "rejected_records": "{count} records are rejected and in no figure; mend them in Airtable.",
    "source_count": (
        "{count} records differ between what the last full import read and what it left in the database; "
        "another full import puts that right."
    ),
}


@dataclass(frozen=True, slots=True)
class Metric:
    """One total against its expectation."""

    metric: str
    expected: int
    actual: int
    difference: int
    difference_percent: float | None
    """Of what was expected; null where nothing was expected and something is there."""
    ok: bool


def compare(
    expected: Mapping[str, int | None], actual: Mapping[str, int], tolerance_percent: float
) -> list[Metric]:
    """Each total that has an expectation, in the order of `expected`."""
    return [
        _metric(name, wanted, actual[name], tolerance_percent)
        for name, wanted in expected.items()
        if wanted is not None
    ]


def found(counts: Mapping[str, int]) -> list[tuple[str, int, str]]:
    """The inconsistencies that occur: code, count and a sentence for people."""
    return [
        (code, counts[code], message.format(count=f"{counts[code]:,}"))
        for code, message in MESSAGES.items()
        if counts.get(code)
    ]


def _metric(name: str, expected: int, actual: int, tolerance_percent: float) -> Metric:
    difference = actual - expected
    share = percent(difference, expected, places=2) if expected else (None if difference else 0.0)
    within = 100 * abs(difference) <= tolerance_percent * expected
    return Metric(name, expected, actual, difference, share, within)
