"""The demo's made-up clinics and automations: how large each is, since when, and how well it does."""

from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

FIRST_DAY = date(2024, 1, 1)
LAST_DAY = date(2025, 12, 31)


@dataclass(frozen=True, slots=True)
class Clinic:
    """A clinic; `size` is its share of a day's conversations against the other clinics."""

    name: str
    zone: ZoneInfo
    area_code: str
    size: float
    first_day: date
    last_day: date


@dataclass(frozen=True, slots=True)
class Automation:
    """An automation's habits: shares from 0 to 1, and how often a contact cell stays blank."""

    name: str
    share: float
    campaign_share: float
    engaged: float
    lead: float
    booking: float
    blank_name: float
    blank_email: float
    blank_phone: float
    first_day: date = FIRST_DAY


CAMPAIGN_MONTHS = frozenset({2, 5, 9, 11})

AUTOMATIONS = (
    Automation("Website Chatbot", 0.47, 0.40, 0.56, 0.74, 0.20, 0.03, 0.08, 0.18),
    Automation("Missed Call Text Back", 0.25, 0.21, 0.27, 0.84, 0.15, 0.15, 0.55, 0.0),
    Automation("SMS Follow-up", 0.14, 0.12, 0.34, 0.60, 0.12, 0.06, 0.45, 0.0),
    Automation("Reactivation Campaign", 0.02, 0.16, 0.15, 0.35, 0.08, 0.01, 0.25, 0.02),
    Automation("Facebook Messenger", 0.12, 0.11, 0.42, 0.56, 0.09, 0.02, 0.35, 0.45),
    # Not among the automations that `seed` loads: an import meets it as a new one.
    Automation("Instagram Direct", 0.03, 0.03, 0.46, 0.50, 0.07, 0.05, 0.50, 0.60, date(2025, 9, 1)),
)

_ZONES = {
    "E": ZoneInfo("America/New_York"),
    "C": ZoneInfo("America/Chicago"),
    "M": ZoneInfo("America/Denver"),
    "P": ZoneInfo("America/Los_Angeles"),
}

# Name, zone, area code, first and last day where they differ from the demo's own; largest first.
_ROWS: tuple[tuple[str, str, str, date | None, date | None], ...] = (
    ("Asheville Family Chiropractic", "E", "828", None, None),
    ("Boulder Spine & Wellness", "M", "303", None, None),
    ("Chattanooga Chiropractic Center", "E", "423", None, None),
    ("Scottsdale Joint & Spine", "M", "480", None, None),
    ("Naperville Back Care", "C", "630", date(2024, 3, 4), None),
    ("Bellevue Chiropractic Group", "P", "425", None, None),
    ("Plano Family Spine", "C", "972", None, None),
    ("Greenville Chiropractic & Rehab", "E", "864", None, None),
    ("Overland Park Wellness Chiropractic", "C", "913", None, None),
    ("Sarasota Spinal Health", "E", "941", date(2024, 6, 3), None),
    ("Fort Collins Chiropractic", "M", "970", None, None),
    ("Savannah Back & Neck Clinic", "E", "912", None, None),
    ("Round Rock Chiropractic", "C", "512", None, None),
    ("Bend Active Chiropractic", "P", "541", None, None),
    ("Ann Arbor Spine Studio", "E", "734", date(2024, 9, 9), None),
    ("Carlsbad Coastal Chiropractic", "P", "760", None, None),
    ("Franklin Family Chiropractic", "C", "615", None, None),
    ("Rochester Spine & Sport", "E", "585", None, None),
    ("Eau Claire Chiropractic", "C", "715", None, date(2025, 6, 13)),
    ("Tacoma Joint Care", "P", "253", None, None),
    ("Lexington Chiropractic Partners", "E", "859", None, None),
    ("Tulsa Midtown Chiropractic", "C", "918", date(2025, 1, 6), None),
    ("Frederick Wellness & Spine", "E", "301", None, None),
    ("Santa Fe Chiropractic Arts", "M", "505", None, None),
    ("Pensacola Beach Chiropractic", "C", "850", None, None),
    ("Iowa City Family Spine", "C", "319", None, None),
    ("Portsmouth Harbor Chiropractic", "E", "603", None, date(2025, 8, 29)),
    ("Provo Peak Chiropractic", "M", "801", None, None),
    ("Mesa Verde Back Clinic", "M", "602", date(2025, 3, 10), None),
    ("Duluth Lakeside Chiropractic", "C", "218", None, None),
    ("Waco Chiropractic & Massage", "C", "254", None, None),
    ("Burlington Green Spine", "E", "802", None, None),
    ("Spokane Valley Chiropractic", "P", "509", None, None),
    ("Hattiesburg Family Chiropractic", "C", "601", None, date(2025, 4, 17)),
    ("Missoula Mountain Chiropractic", "M", "406", None, None),
    ("Charlottesville Spine Center", "E", "434", date(2025, 5, 5), None),
    ("Lincoln Capital Chiropractic", "C", "402", None, None),
    ("Redding Riverside Chiropractic", "P", "530", None, None),
    ("Traverse City Chiropractic", "E", "231", None, None),
    ("Kalispell Back Care", "M", "406", date(2025, 8, 4), None),
)

CLINICS = tuple(
    Clinic(name, _ZONES[zone], area_code, 1 / (rank + 3) ** 0.85, first or FIRST_DAY, last or LAST_DAY)
    for rank, (name, zone, area_code, first, last) in enumerate(_ROWS)
)
