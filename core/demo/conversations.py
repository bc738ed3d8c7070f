"""The demo's made-up conversations: the same ones every time, with totals that are known in advance.

Nothing here is a person's: names come from Faker, mail addresses lie in example domains, telephone
numbers in the range 555-0100 to 555-0199 that is kept for fiction.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import accumulate, count
from random import Random

from faker import Faker

from core.demo import DEMO_TABLE_NAME
from core.demo.clinics import AUTOMATIONS, CAMPAIGN_MONTHS, CLINICS, FIRST_DAY, LAST_DAY, Automation, Clinic
from core.demo.table import Field, Record, Table, airtable_id, to_airtable_precision
from core.records import Column

DEMO_CONVERSATIONS = 20_077
DEMO_BOOKINGS = 3_122
DEMO_LEADS = 13_908
DEMO_ENGAGED = 7_910

_SEED = 2025
_BOOKING_YEAR = 2025
_BOOKING_CELL_SINCE = date(2024, 10, 1)
_RETURNING_SHARE = 0.153
_BLANK_AUTOMATION_SHARE = 0.02
_STAFF_NOTE_SHARE = 0.006
_LATE_RECORD_SHARE = 0.04
_EDITED_RECORD_SHARE = 0.25
_END = datetime.combine(LAST_DAY, time(), UTC) + timedelta(days=1)

_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_SATURDAY = 5
_NOON = 12

_BY_MONTH = (1.18, 1.08, 1.06, 1.02, 1.0, 0.94, 0.86, 0.93, 1.05, 1.06, 0.95, 0.80)
_BY_WEEKDAY = (1.32, 1.18, 1.10, 1.08, 0.98, 0.48, 0.36)
_HOLIDAYS = frozenset({(1, 1), (7, 4), (11, 28), (12, 24), (12, 25), (12, 31)})
_HOLIDAY_FACTOR = 0.25
_BY_HOUR = (1, 1, 0.5, 0.5, 0.5, 1, 3, 7, 13, 17, 18, 16, 13, 14, 16, 16, 15, 14, 11, 9, 8, 6, 4, 2)
_BY_WEEKEND_HOUR = (2, 1, 1, 0.5, 0.5, 1, 2, 4, 7, 10, 12, 12, 11, 10, 10, 9, 9, 9, 9, 10, 10, 8, 6, 4)


def conversation_fields() -> tuple[Field, ...]:
    """The columns of spec section 1 as Airtable's schema describes them; clinic is the primary one."""
    kinds = {Column.EMAIL: "email", Column.PHONE: "phoneNumber", Column.LEAD_CREATED: "checkbox"}
    options = {Column.LEAD_CREATED: {"icon": "check", "color": "greenBright"}}
    return tuple(
        Field(
            airtable_id("fld", f"{DEMO_TABLE_NAME}/{column}"),
            column.value,
            kinds.get(column, "singleLineText"),
            options.get(column),
        )
        for column in Column
    )


def demo_table() -> Table:
    """The demo's table: DEMO_CONVERSATIONS records in the order in which they were created."""
    random = Random(_SEED)  # noqa: S311 -- makes up data; nothing is kept secret with it
    drafts = _drafts(random)
    _decide_outcomes(drafts, random)
    records = [_record(number, draft, random) for number, draft in enumerate(drafts)]
    records.sort(key=lambda record: record.created_at)
    return Table(DEMO_TABLE_NAME, conversation_fields(), records)


@dataclass(frozen=True, slots=True)
class _Customer:
    user_id: str
    name: str
    email: str
    phone: str


@dataclass(slots=True)
class _Draft:
    """A conversation on its way: what happened, before it is written as cells."""

    clinic: Clinic
    automation: Automation
    customer: _Customer
    local: datetime
    at: datetime
    appointment: datetime
    engaged: bool = False
    lead: bool = False
    booking: str = ""


def _drafts(random: Random) -> list[_Draft]:
    """Every conversation in the order of time, with clinic, automation and customer."""
    mixes = {clinic.name: [random.uniform(0.4, 1.6) for _ in AUTOMATIONS] for clinic in CLINICS}
    pools, numbers = _pools_of_names(), count()
    known: dict[str, list[_Customer]] = defaultdict(list)
    drafts = []
    for at, local, clinic in _moments(random):
        earlier = known[clinic.name]
        if earlier and random.random() < _RETURNING_SHARE:
            customer = random.choice(earlier)
        else:
            customer = _customer(next(numbers), clinic, pools, random)
            earlier.append(customer)
        automation = _automation(local.date(), mixes[clinic.name], random)
        drafts.append(_Draft(clinic, automation, customer, local, at, _appointment(local, random)))
    return drafts


def _moments(random: Random) -> list[tuple[datetime, datetime, Clinic]]:
    """When (in UTC and in the clinic's own time) and where each conversation took place."""
    days = [FIRST_DAY + timedelta(days=number) for number in range((LAST_DAY - FIRST_DAY).days + 1)]
    weights = {day: _day_weight(day) for day in days}
    open_days = {
        clinic.name: [d for d in days if clinic.first_day <= d <= clinic.last_day] for clinic in CLINICS
    }
    sizes = [clinic.size * sum(weights[day] for day in open_days[clinic.name]) for clinic in CLINICS]
    moments: list[tuple[datetime, datetime, Clinic]] = []
    for clinic, number in zip(CLINICS, _apportioned(DEMO_CONVERSATIONS, sizes), strict=True):
        candidates = open_days[clinic.name]
        limits = list(accumulate(weights[day] for day in candidates))
        chosen = random.choices(candidates, cum_weights=limits, k=number)
        moments += [(*_moment(day, clinic, random), clinic) for day in chosen]
    return sorted(moments, key=lambda moment: moment[0])


def _day_weight(day: date) -> float:
    """How much happens on a day: growth over the two years, season, weekday, holidays."""
    growth = 1 + 0.9 * _progress(day)
    holiday = _HOLIDAY_FACTOR if (day.month, day.day) in _HOLIDAYS else 1.0
    return growth * _BY_MONTH[day.month - 1] * _BY_WEEKDAY[day.weekday()] * holiday


def _progress(day: date) -> float:
    return (day - FIRST_DAY) / (LAST_DAY - FIRST_DAY)


def _apportioned(total: int, sizes: Sequence[float]) -> list[int]:
    """Whole numbers in proportion to the sizes that add up to the total (largest remainders)."""
    exact = [total * size / sum(sizes) for size in sizes]
    shares = [math.floor(share) for share in exact]
    by_remainder = sorted(range(len(sizes)), key=lambda index: shares[index] - exact[index])
    for index in by_remainder[: total - sum(shares)]:
        shares[index] += 1
    return shares


def _moment(day: date, clinic: Clinic, random: Random) -> tuple[datetime, datetime]:
    weights = _BY_WEEKEND_HOUR if day.weekday() >= _SATURDAY else _BY_HOUR
    hour = random.choices(range(24), weights)[0]
    clock = time(hour, random.randrange(60), random.randrange(60))
    local = datetime.combine(day, clock, clinic.zone)
    if local.astimezone(UTC) >= _END:
        local -= timedelta(days=1)
    return local.astimezone(UTC), local


def _automation(day: date, mix: Sequence[float], random: Random) -> Automation:
    campaign = day.month in CAMPAIGN_MONTHS
    weights = [
        factor * (automation.campaign_share if campaign else automation.share) * (day >= automation.first_day)
        for automation, factor in zip(AUTOMATIONS, mix, strict=True)
    ]
    return random.choices(AUTOMATIONS, weights)[0]


def _pools_of_names() -> tuple[list[str], list[str]]:
    """First and last names; Faker's own order, so that its releases change names but no figure."""
    fake = Faker("en_US")
    fake.seed_instance(_SEED)
    return [fake.first_name() for _ in range(400)], [fake.last_name() for _ in range(600)]


def _customer(number: int, clinic: Clinic, pools: tuple[list[str], list[str]], random: Random) -> _Customer:
    first, last = (random.choice(pool) for pool in pools)
    # 7919 shares no factor with 900,000: six-digit numbers without order and without repetition.
    user_id = f"JC-{number * 7919 % 900_000 + 100_000}"
    return _Customer(user_id, f"{first} {last}", _email(first, last, random), _phone(clinic, random))


def _email(first: str, last: str, random: Random) -> str:
    first, last = first.lower(), last.lower().replace("'", "").replace(" ", "")
    user = random.choice((f"{first}.{last}", f"{first[0]}{last}", f"{first}{last}", f"{last}.{first}"))
    digits = random.choice(("", str(random.randrange(1, 100))))
    return f"{user}{digits}@example.{random.choice(('com', 'net', 'org'))}"


def _phone(clinic: Clinic, random: Random) -> str:
    area, line = clinic.area_code, f"01{random.randrange(100):02d}"
    return random.choice((f"({area}) 555-{line}", f"{area}-555-{line}", f"+1 {area} 555 {line}"))


def _appointment(local: datetime, random: Random) -> datetime:
    """When this person would come: within three weeks, on a working day, on a quarter hour."""
    day = local.date() + timedelta(days=min(1 + int(random.expovariate(1 / 4)), 21))
    if day.weekday() > _SATURDAY:
        day += timedelta(days=1)
    return datetime.combine(day, time(random.randrange(8, 18), random.choice((0, 15, 30, 45))), local.tzinfo)


def _decide_outcomes(drafts: Sequence[_Draft], random: Random) -> None:
    """Engaged, lead and booking for each; the totals are exact because the best scores are taken."""
    biases = {clinic.name: [random.gauss(0, 0.4) for _ in range(3)] for clinic in CLINICS}
    for index in _best([_engaged_score(draft, biases, random) for draft in drafts], DEMO_ENGAGED):
        drafts[index].engaged = True
    for index in _best([_lead_score(draft, biases, random) for draft in drafts], DEMO_LEADS):
        drafts[index].lead = True
    _decide_bookings(drafts, [_booking_score(draft, biases, random) for draft in drafts], random)


def _best(scores: Sequence[float], number: int) -> list[int]:
    return sorted(range(len(scores)), key=scores.__getitem__, reverse=True)[:number]


def _score(share: float, random: Random) -> float:
    """A share as log odds, with noise that makes the best scores a fair draw at those odds."""
    noise = random.uniform(1e-9, 1 - 1e-9)
    return math.log(share / (1 - share)) + math.log(noise / (1 - noise))


def _engaged_score(draft: _Draft, biases: dict[str, list[float]], random: Random) -> float:
    return _score(draft.automation.engaged, random) + biases[draft.clinic.name][0]


def _lead_score(draft: _Draft, biases: dict[str, list[float]], random: Random) -> float:
    better_with_time = 0.5 * _progress(draft.local.date())
    return (
        _score(draft.automation.lead, random)
        + biases[draft.clinic.name][1]
        + draft.engaged
        + better_with_time
    )


def _booking_score(draft: _Draft, biases: dict[str, list[float]], random: Random) -> float:
    return (
        _score(draft.automation.booking, random)
        + biases[draft.clinic.name][2]
        + 3 * draft.lead
        + 2 * draft.engaged
    )


def _decide_bookings(drafts: Sequence[_Draft], scores: Sequence[float], random: Random) -> None:
    """Exactly DEMO_BOOKINGS texts with the year that counts, others at the same rate in their own years."""
    counted = [index for index, draft in enumerate(drafts) if draft.appointment.year == _BOOKING_YEAR]
    booked = [counted[place] for place in _best([scores[index] for index in counted], DEMO_BOOKINGS)]
    least = scores[booked[-1]]
    for index, draft in enumerate(drafts):
        if draft.appointment.year != _BOOKING_YEAR and draft.local.date() >= _BOOKING_CELL_SINCE:
            draft.booking = _booking_text(draft.appointment, random) if scores[index] > least else ""
    for index in booked:
        drafts[index].booking = _booking_text(drafts[index].appointment, random)
    for draft in drafts:
        if not draft.booking and random.random() < _STAFF_NOTE_SHARE:
            draft.booking = random.choice(("call back", "left voicemail", "no", "requested, no time yet"))


def _booking_text(when: datetime, random: Random) -> str:
    """The appointment in one of the ways in which people type it; a few leave out what one would need."""
    day, month, year = when.day, _MONTHS[when.month - 1], when.year
    clock, half = _twelve_hour_clock(when)
    texts = {
        f"{when.month}/{day}/{year} {clock} {half}": 34,
        f"{year}-{when.month:02d}-{day:02d} {when.hour:02d}:{when.minute:02d}": 16,
        when.isoformat(timespec="seconds"): 12,
        f"{_WEEKDAYS[when.weekday()]}, {month} {day}, {year} {clock}{half.lower()}": 14,
        f"{month} {day}, {year}": 9,
        f"{month[:3]} {day}, {year} at {clock.zfill(5)} {half}": 8,
        f"{day} {month} {year}": 3,
        f"{year} - call back": 1.5,
        f"{month} {year}, day to be confirmed": 1.5,
        f"early {year}": 1,
    }
    return random.choices(list(texts), list(texts.values()))[0]


def _twelve_hour_clock(when: datetime) -> tuple[str, str]:
    return f"{when.hour % _NOON or _NOON}:{when.minute:02d}", "AM" if when.hour < _NOON else "PM"


def _record(number: int, draft: _Draft, random: Random) -> Record:
    created = draft.at + timedelta(seconds=random.randrange(20, 900))
    if random.random() < _LATE_RECORD_SHARE:
        created += timedelta(minutes=random.randrange(360))
    modified = created
    if random.random() < _EDITED_RECORD_SHARE:
        modified += timedelta(minutes=random.randrange(1, 3 * 24 * 60))
    cells = {column.value: value for column, value in _cells(draft, random).items() if value}
    return Record(
        airtable_id("rec", f"demo/{number}"),
        to_airtable_precision(created),
        to_airtable_precision(modified),
        cells,
    )


def _cells(draft: _Draft, random: Random) -> dict[Column, object]:
    """The conversation as people and machines write it; empty values are left out later."""
    automation, customer = draft.automation, draft.customer
    unnamed = automation is AUTOMATIONS[0] and random.random() < _BLANK_AUTOMATION_SHARE
    return {
        Column.CLINIC: draft.clinic.name,
        Column.USER_ID: customer.user_id,
        Column.NAME: _unless(automation.blank_name, customer.name, random),
        Column.EMAIL: _unless(automation.blank_email, customer.email, random),
        Column.PHONE: _unless(automation.blank_phone, customer.phone, random),
        Column.AUTOMATION: "" if unnamed else automation.name,
        Column.CONVERSATION_DATE: _date_text(draft, random),
        Column.ENGAGED: _engaged_text(draft.engaged, random),
        Column.LEAD_CREATED: draft.lead,
        Column.BOOKING: draft.booking,
    }


def _unless(share: float, text: str, random: Random) -> str:
    return "" if random.random() < share else text


def _engaged_text(engaged: bool, random: Random) -> str:
    return random.choice(("Yes",) * 9 + ("yes",)) if engaged else random.choice(("No", "No", "No", ""))


def _date_text(draft: _Draft, random: Random) -> str:
    """Mostly what the chatbot writes; seldom what a person typed, a word, or nothing."""
    local = draft.local
    clock = " ".join(_twelve_hour_clock(local))
    texts = {
        draft.at.strftime("%Y-%m-%dT%H:%M:%S.000Z"): 960,
        f"{local.month}/{local.day}/{local.year} {clock}": 18,
        f"{_MONTHS[local.month - 1]} {local.day}, {local.year} {clock}": 9,
        "": 10,
        "yesterday": 2,
    }
    return random.choices(list(texts), list(texts.values()))[0]
