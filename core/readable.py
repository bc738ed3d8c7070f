"""Frames as people read them: columns by name, thousands separated, rates beside their counts. Pure.

What a table is read for (verdict, change, state, result) stands in its first columns: a phone shows no
others.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pandas as pd

from core import tabular, words
from core.freshness import missing
from core.names import (
    COUNT_NAMES,
    COUNTERS,
    DATE_STATUSES,
    JOBS,
    MODES,
    MOMENTS,
    PROGRAM,
    RARE,
    REASONS,
    RECORD_NAMES,
    RESULT_NAMES,
    TOTALS,
    TRIGGERS,
    WELL,
)
from core.palette import RATES, RESULTS
from core.probe import ConnectionReport
from core.queries import Totals
from core.rates import percent, rate
from core.records import Column
from core.reports import HealthReport, Validation
from core.settings import column_variable
from core.silence import Quiet, quiet_days, state
from core.standing import Standing

AIRTABLES_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z", re.ASCII)
CHANGE, COURSE = "Change (%)", "Course"

Told = Callable[[datetime | None], str]


def marked(word: str, *, well: bool | Literal["partly"] | None) -> str:
    """A state in Markdown: by colour, icon and word, in one piece; the word alone where it is neither."""
    if well is None:
        return word
    if well == "partly":
        color, icon = "orange", "warning"
    else:
        color, icon = ("green", "check_circle") if well else ("red", "error")
    return f":{color}-badge[:material/{icon}: {word}]"


def counted(frame: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """Counts and, in percent to one decimal, the three rates; `names` are the leading columns."""
    columns: dict[str, Any] = {shown: frame[column] for column, shown in names.items()}
    columns |= {shown: frame[measure] for measure, shown in COUNT_NAMES.items()}
    for measure, shown in RATES.items():
        columns[f"{shown} (%)"] = tabular.rates(frame, measure, places=1)
    return pd.DataFrame(columns)


def clinics(now: pd.DataFrame, before: pd.DataFrame | None, course: pd.DataFrame) -> pd.DataFrame:
    """Clinics with counts, rates and the course of their conversations; with what changed from `before`.

    A clinic that has nothing to change from is blank; one without conversations now stands at the end.
    """
    if before is not None:
        gone = before[~before["id"].isin(now["id"])].assign(**dict.fromkeys(TOTALS, 0))
        now = pd.concat([now, gone], ignore_index=True) if len(gone) else now
    table = counted(now, {"name": "Clinic"})
    table.insert(2, COURSE, _courses(now["id"], course))
    if before is not None:
        then = dict(zip(before["id"], before["conversations"], strict=True))
        pairs = zip(now["id"], now["conversations"], strict=True)
        changed = [_percent_change(int(count), int(then.get(clinic, 0))) for clinic, count in pairs]
        table.insert(1, CHANGE, pd.Series(changed, dtype=float))
    return table


def _percent_change(now: int, then: int) -> float | None:
    return float(percent(now - then, then, 1)) if then else None


def _courses(ids: pd.Series, course: pd.DataFrame) -> list[list[int]]:
    """Each clinic's conversations over the same buckets, so that lines can be compared."""
    starts = sorted(set(course["start"]))
    counts = {(row.id, row.start): int(row.conversations) for row in tabular.rows(course)}
    return [[counts.get((clinic, start), 0) for start in starts] for clinic in ids]


def silence(days: pd.DataFrame, newest: date | None) -> pd.DataFrame:
    """Each clinic's newest day (`last`), the days since (`quiet`) and what that says (`state`).

    Silent ones first, of them those that fell silent last; then whoever is quiet longest.
    """
    found = [
        {
            "id": clinic,
            "name": name,
            "last": max(own["day"]),
            "quiet": quiet_days(max(own["day"]), newest or max(own["day"])),
            "state": state(list(own["day"]), newest or max(own["day"])),
        }
        for (clinic, name), own in days.groupby(["id", "name"])
    ]
    fallen = Quiet.SILENT
    found.sort(key=lambda row: (row["state"] != fallen, row["quiet"] * (1 if row["state"] == fallen else -1)))
    return pd.DataFrame(found, columns=["id", "name", "last", "quiet", "state"])


def funnel(total: Totals, *, known: bool) -> pd.DataFrame:
    """Each step's count and its share of conversations, and whether the booking rate is known."""
    steps = ("conversations", "engaged", "leads", "bookings")
    return pd.DataFrame(
        {
            "Step": [COUNT_NAMES[step] for step in steps],
            "Count": [getattr(total, step) for step in steps],
            "Of conversations (%)": [
                rate(getattr(total, step), total.conversations) if known or step != "bookings" else None
                for step in steps
            ],
        }
    )


def named_hours(frame: pd.DataFrame) -> pd.DataFrame:
    """Weekdays and hours by name."""
    return frame.assign(
        weekday=[words.WEEKDAYS[day - 1] for day in frame["weekday"]],
        hour=[f"{hour:02d}:00" for hour in frame["hour"]],
    )


def expectations(report: Validation, actual: Totals) -> pd.DataFrame:
    """Each total against its expectation, as text, with its rate to two decimals."""
    return pd.DataFrame(
        [
            {
                "Total": COUNT_NAMES[metric.metric],
                "Verdict": marked("As expected" if metric.ok else "Differs", well=metric.ok),
                "Expected": words.number(metric.expected),
                "Actual": words.number(metric.actual),
                "Difference": words.signed(metric.difference),
                "Difference (%)": words.NOTHING
                if metric.difference_percent is None
                else f"{words.signed(metric.difference_percent, 2)} %",
                "Of conversations": words.rate(metric.actual, actual.conversations, 2),
            }
            for metric in report.metrics
        ]
    )


def course(frame: pd.DataFrame, measure: str, expected: int | None, told: Told) -> pd.DataFrame:
    """One total as each import left it, newest first."""
    newest = frame.iloc[::-1]
    shown: dict[str, Any] = {
        "Import": newest["id"],
        COUNT_NAMES[measure]: newest[measure].astype(int),
    }
    if expected is not None:
        shown |= {"Difference": newest[measure].astype(int) - expected, "Expected": expected}
    shown["Result"] = [RESULTS[status].label for status in newest["status"]]
    shown["Started"] = [told(moment) for moment in newest["started_at"]]
    return pd.DataFrame(shown)


def runs(imports: Sequence[Mapping[str, Any]], told: Told) -> pd.DataFrame:
    """Imports as a table."""
    return pd.DataFrame(
        [
            {
                "Import": row["id"],
                "Result": RESULTS[row["status"]].label,
                "Started": told(row["started_at"]),
                "Reads": MODES[row["mode"]],
                "Started by": starter(row),
                "Took": words.duration(seconds(row)),
                "Records/s": pd.NA if row["records_per_second"] is None else round(row["records_per_second"]),
                **{shown: row[name] for name, shown in COUNTERS.items() if name not in RARE},
            }
            for row in imports
        ]
    ).astype({"Records/s": "Int64"})


def starter(row: Mapping[str, Any]) -> str:
    """Who or what set an import going: `cli:ada` is a person at a command line, `api` a program."""
    if row["trigger"] != "manual":
        return TRIGGERS[row["trigger"]]
    who: str = row["triggered_by"]
    at_a_terminal = who.removeprefix("cli:")
    return PROGRAM if who == "api" else f"{at_a_terminal} (command line)" if at_a_terminal != who else who


def seconds(row: Mapping[str, Any]) -> float | None:
    """How long an import took; null while it runs."""
    ended: datetime | None = row["completed_at"]
    return None if ended is None else (ended - row["started_at"]).total_seconds()


def missed(slots: pd.DataFrame, told: Told) -> pd.DataFrame:
    """Slots that passed without an import."""
    return pd.DataFrame(
        {
            "When": [told(moment) for moment in slots["slot_at"]],
            "What": [JOBS[job] for job in slots["job"]],
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


def records(frame: pd.DataFrame, zone: ZoneInfo) -> pd.DataFrame:
    """Records of whatever kind: moments in the zone, yes and no, and reasons in words."""
    shown = frame.copy()
    for name in ("occurred_at", "booked_for", "rejected_at", "resolved_at"):
        told = words.booked_for if name == "booked_for" else words.moment
        if name in shown:
            shown[name] = [
                told(None if pd.isna(moment) else moment.to_pydatetime(), zone) for moment in shown[name]
            ]
    for name in ("engaged", "lead_created", "booked"):
        if name in shown:
            shown[name] = ["Yes" if value else "No" for value in shown[name]]
    if "reason" in shown:
        shown["reason"] = [REASONS[reason] for reason in shown["reason"]]
    return shown.rename(columns=RECORD_NAMES)


def cell(written: str, zone: ZoneInfo) -> str:
    """A cell as people read it: a moment as Airtable writes it is told in the zone."""
    if not AIRTABLES_MOMENT.fullmatch(written):
        return written
    try:
        return words.moment(datetime.fromisoformat(written), zone)
    except ValueError:
        return written


def result(decided: Mapping[str, object], zone: ZoneInfo) -> pd.DataFrame:
    """What the rules make of a record, as text (core.samples.as_json)."""
    found = {
        RESULT_NAMES[name]: _plainly(name, value, zone)
        for name, value in decided.items()
        if name in RESULT_NAMES
    }
    return pd.DataFrame({"What": list(found), "Becomes": list(found.values())})


def _plainly(name: str, value: object, zone: ZoneInfo) -> str:
    if value is None:
        return words.NOTHING
    if isinstance(value, bool):
        return "Yes" if value else "No"
    text = str(value)
    if name == "dateStatus":
        return DATE_STATUSES[text]
    if name in MOMENTS:
        told = words.booked_for if name == "bookedFor" else words.moment
        return told(datetime.fromisoformat(text), zone)
    return words.day(date.fromisoformat(text)) if name == "localDate" else text


def parts(report: HealthReport, standing: Standing, told: Told) -> pd.DataFrame:
    """Each part of the system with its state in words and what there is to know."""
    ended = standing.last_ended
    rows_of = [
        ("Dashboard", True, "Works", f"Version {report.version}"),
        ("Database", report.database.status == "ok", *_database(report)),
        ("Schedule", *_schedule(report, standing, told)),
        (
            "Last import",
            _ended_well(ended["status"]) if ended else None,
            RESULTS[ended["status"]].label if ended else "None yet",
            f"Import {ended['id']}, {told(ended['started_at'])}" if ended else words.NOTHING,
        ),
    ]
    return pd.DataFrame(
        [
            {"Part": part, "State": marked(state, well=well), "More": more}
            for part, well, state, more in rows_of
        ]
    )


def _ended_well(status: str) -> bool | Literal["partly"] | None:
    """Whether an import did; of one that a person cancelled nobody can say."""
    if status == "partial":
        return "partly"
    return True if status == "succeeded" else None if status in WELL else False


def _database(report: HealthReport) -> tuple[str, str]:
    if report.database.status != "ok":
        return "Does not answer in time", "Is PostgreSQL up, and is it overloaded?"
    return "Works", f"{words.number(report.data.conversations)} conversations"


def _schedule(
    report: HealthReport, standing: Standing, told: Told
) -> tuple[bool | Literal["partly"], str, str]:
    """A schedule at work is well while it brings data: its light is the status line's."""
    if report.scheduler.status == "paused":
        return False, "Paused", f"By {standing.beat['changed_by']}, {told(standing.beat['changed_at'])}"
    if report.scheduler.status == "running":
        coming = f"Next import {told(report.scheduler.next_run)}"
        if not standing.missed:
            return True, "Works", coming
        return "partly" if standing.missed == 1 else False, missing(standing.missed), coming
    return False, "Stopped", "No server keeps the schedule: start one with `make start`"


def columns(named: Mapping[Column, str], report: ConnectionReport) -> pd.DataFrame:
    """Each column with the variable that names it below, and whether the table has it, as what.

    Two columns, for a variable's name breaks nowhere: on a phone a third one would be cut.
    """
    return pd.DataFrame(
        [
            {
                "Column, and its variable": f"{column.value}  \n{words.plain(column_variable(column))}",
                "In the table": _column_state(column, named.get(column), report.missing_fields),
            }
            for column in Column
        ]
    )


def _column_state(column: Column, name: str | None, missing_fields: Sequence[str]) -> str:
    if name is None:
        return "Not asked for"
    there = name not in missing_fields
    state = marked("There" if there else "Missing", well=there)
    return state if name == column.value else f"{state} as {words.plain(name)}"


def settings(variables: Mapping[str, str]) -> pd.DataFrame:
    """Variables and values as a table."""
    return pd.DataFrame({"Variable": list(variables), "Value": list(variables.values())})
