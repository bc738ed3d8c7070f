"""Frames as people read them: columns by name, thousands separated, rates beside their counts. Pure."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from core import words
from core.palette import MEASURES, RATES, RESULTS
from core.queries import Totals
from core.rates import rate
from core.reports import Validation

TOTALS = ("conversations", "bookings", "leads", "engaged")
COUNT_NAMES: Mapping[str, str] = {measure: MEASURES[measure].label for measure in TOTALS}
MODES: Mapping[str, str] = {"full": "Everything", "incremental": "Changes"}
TRIGGERS: Mapping[str, str] = {
    "manual": "A person",
    "scheduler": "The schedule",
    "reconcile": "The weekly full import",
    "startup": "The server’s start",
}
INCONSISTENCIES: Mapping[str, str] = {
    "unreadable_bookings": "Bookings without a readable date",
    "bookings_of_other_years": "Booking cells of other years",
    "bookings_of_a_new_year": "Booking cells of a coming year",
    "leads_without_engagement": "Leads without engagement",
    "automations_not_seeded": "Conversations of unknown automations",
    "unreadable_dates": "Conversations without a readable date",
    "rejected_records": "Rejected records",
    "source_count": "Records that source and database disagree about",
}
COUNTERS: Mapping[str, str] = {
    "processed": "Read",
    "created": "New",
    "updated": "Changed",
    "unchanged": "Unchanged",
    "rejected": "Rejected",
    "deleted": "Deleted",
    "missed": "Changes that earlier imports had missed",
    "retries": "Requests that were tried again",
}
RARE = frozenset({"missed", "retries"})
REASONS: Mapping[str, str] = {
    "missing_clinic": "The Clinic cell is empty",
    "missing_user_id": "The User ID cell is empty",
    "too_long": "Clinic, Automation or User ID is over 500 characters",
    "malformed_record": "The record is not as Airtable's records are",
    "database_error": "The database refused the record",
}
RECORD_NAMES: Mapping[str, str] = {
    "external_id": "Airtable record",
    "occurred_at": "When",
    "clinic": "Clinic",
    "automation": "Automation",
    "engaged": "Engaged",
    "lead_created": "Lead",
    "booked": "Booking",
    "booked_for": "Booked for",
    "contact": "Contact on file (hidden)",
    "detail": "What is odd",
    "reason": "Why it was rejected",
    "rejected_at": "Rejected",
    "resolved_at": "Resolved",
}

Told = Callable[[datetime | None], str]


def rows(frame: pd.DataFrame) -> list[Any]:
    """The frame's rows with their columns as attributes, as no annotation can tell."""
    return list(frame.itertuples(index=False))


def counted(frame: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """Counts and, in percent to two decimals, the three rates; `names` are the leading columns."""
    columns: dict[str, Any] = {shown: frame[column] for column, shown in names.items()}
    columns |= {shown: frame[measure] for measure, shown in COUNT_NAMES.items()}
    for measure, shown in RATES.items():
        pairs = zip(frame[measure], frame["conversations"], strict=True)
        columns[f"{shown} (%)"] = [rate(int(count), int(of)) for count, of in pairs]
    return pd.DataFrame(columns)


def funnel(total: Totals) -> pd.DataFrame:
    """Each step's count and its share of conversations."""
    steps = ("conversations", "engaged", "leads", "bookings")
    return pd.DataFrame(
        {
            "Step": [COUNT_NAMES[step] for step in steps],
            "Count": [getattr(total, step) for step in steps],
            "Of conversations (%)": [rate(getattr(total, step), total.conversations) for step in steps],
        }
    )


def named_hours(frame: pd.DataFrame) -> pd.DataFrame:
    """Weekdays and hours by name."""
    return frame.assign(
        weekday=[words.WEEKDAYS[day - 1] for day in frame["weekday"]],
        hour=[f"{hour:02d}:00" for hour in frame["hour"]],
    )


def top_rate(frame: pd.DataFrame, measure: str) -> float:
    """The top of a scale that holds all these rates, in percent; 100 where there are none."""
    shares = 100 * frame[measure] / frame["conversations"]
    return float(min(100.0, shares.max() * 1.1)) if len(shares) and shares.max() > 0 else 100.0


def expectations(report: Validation, actual: Totals) -> pd.DataFrame:
    """Each total against its expectation, as text, with its rate to two decimals."""
    return pd.DataFrame(
        [
            {
                "Total": COUNT_NAMES[metric.metric],
                "Expected": words.number(metric.expected),
                "Actual": words.number(metric.actual),
                "Difference": words.signed(metric.difference),
                "Difference (%)": words.NOTHING
                if metric.difference_percent is None
                else f"{words.signed(metric.difference_percent, 2)} %",
                "Of conversations": words.rate(metric.actual, actual.conversations, 2),
                "Verdict": ":material/check_circle: As expected" if metric.ok else ":material/error: Differs",
            }
            for metric in report.metrics
        ]
    )


def course(frame: pd.DataFrame, measure: str, expected: int | None, told: Told) -> pd.DataFrame:
    """One total as each import left it, newest first."""
    newest = frame.iloc[::-1]
    shown = {
        "Import": newest["id"],
        "Started": [told(moment) for moment in newest["started_at"]],
        "Result": [RESULTS[status].label for status in newest["status"]],
        COUNT_NAMES[measure]: newest[measure].astype(int),
    }
    if expected is not None:
        shown |= {"Expected": expected, "Difference": newest[measure].astype(int) - expected}
    return pd.DataFrame(shown)


def runs(imports: Sequence[Mapping[str, Any]], told: Told) -> pd.DataFrame:
    """Imports as a table."""
    return pd.DataFrame(
        [
            {
                "Import": row["id"],
                "Started": told(row["started_at"]),
                "Result": RESULTS[row["status"]].label,
                "Reads": MODES[row["mode"]],
                "Started by": starter(row),
                "Took": words.duration(seconds(row)),
                "Records a second": None
                if row["records_per_second"] is None
                else round(row["records_per_second"]),
                **{shown: row[name] for name, shown in COUNTERS.items() if name not in RARE},
            }
            for row in imports
        ]
    )


def starter(row: Mapping[str, Any]) -> str:
    """Who or what set an import going."""
    person: str = row["triggered_by"]
    return person if row["trigger"] == "manual" else TRIGGERS[row["trigger"]]


def seconds(row: Mapping[str, Any]) -> float | None:
    """How long an import took; null while it runs."""
    ended: datetime | None = row["completed_at"]
    return None if ended is None else (ended - row["started_at"]).total_seconds()


def missed(slots: pd.DataFrame, told: Told) -> pd.DataFrame:
    """Slots that passed without an import."""
    return pd.DataFrame(
        {
            "Slot": [told(moment) for moment in slots["slot_at"]],
            "What": [{"import": "Changes", "reconcile": "Everything"}[job] for job in slots["job"]],
            "Why": [RESULTS[state].label for state in slots["state"]],
        }
    )


def change_of_totals(before: Totals | None, row: Mapping[str, Any]) -> pd.DataFrame:
    """The four totals before and after an import, as text."""
    return pd.DataFrame(
        [
            {
                "Total": COUNT_NAMES[measure],
                "Before": words.number(getattr(before, measure) if before else 0),
                "After": words.number(row[measure]),
                "Change": words.signed(row[measure] - (getattr(before, measure) if before else 0)),
            }
            for measure in TOTALS
        ]
    )


def records(frame: pd.DataFrame, told: Told) -> pd.DataFrame:
    """Records of whatever kind: moments, yes and no, and reasons in words."""
    shown = frame.copy()
    for name in ("occurred_at", "booked_for", "rejected_at", "resolved_at"):
        if name in shown:
            shown[name] = [told(None if pd.isna(moment) else moment) for moment in shown[name]]
    for name in ("engaged", "lead_created", "booked"):
        if name in shown:
            shown[name] = ["Yes" if value else "No" for value in shown[name]]
    if "reason" in shown:
        shown["reason"] = [REASONS[reason] for reason in shown["reason"]]
    return shown.rename(columns=RECORD_NAMES)
