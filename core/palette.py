"""The one palette: which colour, dash and mark means what, on every page.

Each colour stands at 3.7:1 or more against both of the theme's backgrounds, so that one figure serves
light and dark; dash and mark tell the same things apart without colour.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ink:
    """How one thing is drawn."""

    label: str
    colour: str
    dash: str = "solid"
    mark: str = "circle"


# The four totals.
MEASURES: Mapping[str, Ink] = {
    "conversations": Ink("Conversations", "#6f7f8f"),
    "engaged": Ink("Engaged", "#2f80c2", "dot", "square"),
    "leads": Ink("Leads", "#b9740f", "dash", "diamond"),
    "bookings": Ink("Bookings", "#0f8f7a", "solid", "circle"),
}

# A chart's words: 4.5:1 or more against each theme's background, which no one colour reaches.
WORDS: Mapping[str, str] = {"light": "#5a6472", "dark": "#b3bbc6"}

# Words within a bar: 4.5:1 or more on every measure's colour, which white is not.
ON_COLOUR = "#0b1015"

# The three rates, each drawn as what it counts.
RATES: Mapping[str, str] = {
    "bookings": "Booking rate",
    "leads": "Lead rate",
    "engaged": "Engagement rate",
}

# How an import ended, or that a slot passed without one.
RESULTS: Mapping[str, Ink] = {
    "succeeded": Ink("Succeeded", "#1f8f4e", mark="circle"),
    "partial": Ink("Partial", "#b9740f", mark="diamond"),
    "failed": Ink("Failed", "#cf4a41", mark="x"),
    "cancelled": Ink("Cancelled", "#6f7f8f", mark="square"),
    "interrupted": Ink("Interrupted", "#8a68c8", mark="triangle-down"),
    "running": Ink("Running", "#2f80c2", mark="circle-open"),
    "missed": Ink("Missed", "#cf4a41", mark="line-ns-open"),
    "paused": Ink("Paused", "#6f7f8f", mark="line-ew-open"),
}

# From nothing to much; transparent at its low end, so that it serves light and dark.
INTENSITY: tuple[tuple[float, str], ...] = (
    (0.0, "rgba(15,143,122,0.14)"),
    (0.5, "rgba(15,143,122,0.55)"),
    (1.0, "rgba(15,143,122,1)"),
)

GUIDE = "#8a96a1"
"""Lines that help to read a chart: an expectation, an average, a period not over yet."""
