"""The sign-in form, and how wrong passwords are slowed (spec, section 9)."""

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass
from html import escape
from math import ceil
from string import Template
from urllib.parse import parse_qsl, urlsplit

SIGN_IN, SIGN_OUT = "/sign-in", "/sign-out"
LARGEST_FORM = 8 * 1024
FORM_FIELDS = 10

# A slip of the finger costs nothing; from then on each wrong password doubles the wait.
FREE_FAILURES = 3
LONGEST_WAIT_SECONDS = 60.0
FORGET_SECONDS = 15 * 60.0
MOST_PEERS = 10_000


@dataclass(slots=True)
class _Record:
    failures: int
    at: float
    """When the last one was, by the monotonic clock."""

    @property
    def wait(self) -> float:
        if self.failures < FREE_FAILURES:
            return 0.0
        return float(min(2.0 ** min(self.failures - FREE_FAILURES, 16), LONGEST_WAIT_SECONDS))


class Attempts:
    """Wrong passwords by peer: each peer waits for its own ones, nobody for another's."""

    def __init__(self) -> None:
        """Nobody has tried yet."""
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def seconds_left(self, peer: str, now: float) -> int:
        """How long the peer must wait before a password of its is looked at again; 0: not at all."""
        record = self._records.get(_network(peer))
        return max(0, ceil(record.at + record.wait - now)) if record else 0

    def failed(self, peer: str, now: float) -> None:
        """The peer gave a wrong password."""
        key = _network(peer)
        record = self._records.pop(key, None)
        fresh = record is not None and now - record.at < FORGET_SECONDS
        self._records[key] = _Record(record.failures + 1 if record and fresh else 1, now)
        while len(self._records) > MOST_PEERS:
            self._records.popitem(last=False)

    def succeeded(self, peer: str) -> None:
        """The peer gave a right one."""
        self._records.pop(_network(peer), None)


@dataclass(frozen=True, slots=True)
class Form:
    """What was typed, and where to go afterwards."""

    name: str
    password: str
    next: str


def read_form(body: bytes) -> Form:
    """The form's fields; whatever cannot be read is empty.

    Fields come as https://url.spec.whatwg.org/#application/x-www-form-urlencoded has them.
    """
    try:
        fields = dict(parse_qsl(body.decode("ascii", "replace"), max_num_fields=FORM_FIELDS))
    except ValueError:
        fields = {}
    return Form(fields.get("name", ""), fields.get("password", ""), local_path(fields.get("next", "")))


def local_path(target: str) -> str:
    """The target where it is a path of this server, else the first page: nobody is sent elsewhere."""
    plain = target.isascii() and target.isprintable() and " " not in target and "\\" not in target
    if not plain or not target.startswith("/") or target.startswith("//"):
        return "/"
    path = urlsplit(target).path
    return "/" if path in {SIGN_IN, SIGN_OUT} else target


def page(*, next_path: str, name: str = "", fault: str | None = None) -> str:
    """The form as HTML."""
    told = f'<p id="fault" role="alert">{escape(fault)}</p>' if fault else ""
    return PAGE.substitute(
        fault=told,
        described=' aria-describedby="fault" aria-invalid="true"' if fault else "",
        name=escape(name),
        next=escape(next_path),
        name_focus="" if name else " autofocus",
        password_focus=" autofocus" if name else "",
    )


def _network(peer: str) -> str:
    """Whom a peer's address stands for: of IPv6 the half that its owner cannot change at will."""
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return peer
    if isinstance(address, ipaddress.IPv4Address):
        return peer
    return str(ipaddress.ip_network((int(address), 64), strict=False))


# No script, no outside address. `same-origin` keeps the Origin header, which no-referrer would blank.
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; "
        "base-uri 'none'"
    ),
    "cache-control": "no-store",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}

PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>Sign in – JointChiro Data Dashboard</title>
<style>
:root { color-scheme: light dark; --back: #f3f6f6; --card: #ffffff; --text: #1b2730; --soft: #4b5862;
  --line: #7f8b95; --edge: #d5dddf; --accent: #0b6e5f; --on-accent: #ffffff; --fault: #a11f18; }
@media (prefers-color-scheme: dark) {
  :root { --back: #12171c; --card: #1b2228; --text: #e7ecef; --soft: #aab6be; --line: #7d8a94;
    --edge: #34404a; --accent: #54cdb6; --on-accent: #06231e; --fault: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1rem;
  background: var(--back); color: var(--text);
  font: 1rem/1.5 "Source Sans", "Source Sans Pro", system-ui, sans-serif; }
main { width: 100%; max-width: 24rem; padding: 2rem; background: var(--card);
  border: 1px solid var(--edge); border-radius: .5rem; }
h1 { margin: 0 0 .25rem; font-size: 1.375rem; line-height: 1.3; }
p { margin: 0 0 1.25rem; color: var(--soft); }
#fault { color: var(--fault); font-weight: 600; }
label { display: block; margin-bottom: .25rem; font-weight: 600; }
input { width: 100%; margin-bottom: 1rem; padding: .5rem .75rem; font: inherit; color: inherit;
  background: var(--back); border: 1px solid var(--line); border-radius: .375rem; }
button { width: 100%; padding: .625rem; font: inherit; font-weight: 600; cursor: pointer;
  color: var(--on-accent); background: var(--accent); border: 0; border-radius: .375rem; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
</style>
</head>
<body>
<main>
<h1>JointChiro Data Dashboard</h1>
<p>Sign in to see the figures.</p>
$fault
<form method="post" action="/sign-in">
<input type="hidden" name="next" value="$next">
<label for="name">Your name</label>
<input id="name" name="name" value="$name" autocomplete="username" maxlength="80" required$name_focus>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required
  $described$password_focus>
<button type="submit">Sign in</button>
</form>
</main>
</body>
</html>
""")
