"""Who reaches what: peers, hosts, origins, tokens, passwords, cookies and headers (spec, section 9)."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from core.access import Access
from core.clock import Clock
from core.people import COOKIE, COOKIE_SECONDS, Person, Role
from core.service import Service
from core.settings import load
from tests.support.asgi import LOCAL_HOST, LOCAL_PEER, REMOTE_PEER, Answer, call

TOKEN = "token-for-tests"  # noqa: S105 (opens nothing but these tests)
BEARER = ("authorization", f"Bearer {TOKEN}")
PASSWORDS = {"DASHBOARD_PASSWORD": "press", "DASHBOARD_VIEWER_PASSWORD": "look"}
BY_HEADER = {"TRUSTED_USER_HEADER": "X-User", "OPERATORS": "ann@example.com,bob"}
PAGES = ("/", "/imports", "/static/js/index.js", "/_stcore/health", "/_stcore/host-config", "/media/x.png")
FORM = ("content-type", "application/x-www-form-urlencoded")
OWN, FOREIGN = ("origin", f"http://{LOCAL_HOST}"), ("origin", "https://elsewhere.example")


class World:
    """The middleware in front of an app that tells who came in, with a clock that tests set."""

    def __init__(self, **variables: str) -> None:
        """`variables` are the settings."""
        self.now = datetime(2026, 1, 5, 12, tzinfo=UTC)
        clock = Clock(now=lambda: self.now, monotonic=lambda: datetime.timestamp(self.now))
        self.service = Service(load({"TIMEZONE": "UTC", **variables}, Path("no-file")), clock)
        self.app = Access(_tell_person, lambda: self.service)

    def ask(self, path: str, *headers: tuple[str, str | bytes], peer: str | None = LOCAL_PEER) -> Answer:
        """GET a path."""
        return call(self.app, "GET", path, headers=headers, peer=peer)

    def sign_in(
        self, password: str, name: str = "Ann", *, peer: str = LOCAL_PEER, scheme: str = "http", **more: str
    ) -> Answer:
        """Send the form."""
        body = urlencode({"name": name, "password": password, **more}).encode()
        return call(self.app, "POST", "/sign-in", headers=[FORM, OWN], body=body, peer=peer, scheme=scheme)

    def cookie(self, password: str, name: str = "Ann") -> tuple[str, str]:
        """The header of somebody who has signed in."""
        answer = self.sign_in(password, name)
        assert answer.status == 303
        return "cookie", answer.headers["set-cookie"].partition(";")[0]


async def _tell_person(scope: Scope, receive: Receive, send: Send) -> None:
    who: Person = scope["state"]["person"]
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        return
    await JSONResponse({"name": who.name, "role": who.role.value})(scope, receive, send)


# Nothing guards it


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("host", ["127.0.0.1:8501", "localhost", "LOCALHOST:1", "[::1]:8501", "[::1]"])
def test_unguarded_this_machine_is_served(peer: str, host: str) -> None:
    """Loopback peers whose Host is a loopback name, at any port, are the local operator."""
    answer = call(World().app, "GET", "/", peer=peer, host=host)
    assert answer.json == {"name": "local", "role": "operator"}


STRANGE_HOSTS = (
    *("evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8501", "evil.example#localhost"),
    *(
        "user@localhost",
        "localhost/x",
        "localhost#",
        "localhost?",
        "",
        "10.0.0.1",
        "192.168.1.2:8501",
        "[::1",
        "localhost:x",
    ),
)


@pytest.mark.parametrize("path", [*PAGES, "/api/import/status", "/health", "/api"])
@pytest.mark.parametrize(
    ("peer", "host", "headers"),
    [
        *(
            (peer, LOCAL_HOST, [])
            for peer in (REMOTE_PEER, "192.168.1.2", "::ffff:10.0.0.1", "testclient", None)
        ),
        *((LOCAL_PEER, host, []) for host in STRANGE_HOSTS),
        (LOCAL_PEER, None, []),
        (LOCAL_PEER, LOCAL_HOST, [("host", "evil.example")]),
        (LOCAL_PEER, LOCAL_HOST, [("x-forwarded-for", "127.0.0.1")]),
        (REMOTE_PEER, LOCAL_HOST, [("x-forwarded-for", "127.0.0.1")]),
        (LOCAL_PEER, LOCAL_HOST, [("forwarded", "for=127.0.0.1")]),
    ],
)
def test_unguarded_nobody_else_is_served(
    path: str, peer: str | None, host: str | None, headers: list[tuple[str, str]]
) -> None:
    """Other peers, other names for this machine, and whatever came through a proxy get 403."""
    answer = call(World().app, "GET", path, peer=peer, host=host, headers=headers)
    assert answer.status == 403
    if path.startswith(("/api", "/health")):
        assert answer.code == "not_local"


@pytest.mark.parametrize("host", [LOCAL_HOST, "evil.example"])
@pytest.mark.parametrize("peer", [LOCAL_PEER, REMOTE_PEER])
def test_the_websocket_is_guarded_too(peer: str, host: str) -> None:
    """A handshake is refused where a page would be."""
    served = (peer, host) == (LOCAL_PEER, LOCAL_HOST)
    answer = call(World().app, "WEBSOCKET", "/_stcore/stream", peer=peer, host=host)
    assert answer.status == (101 if served else 1008)


ORIGINS = (
    ("http://127.0.0.1:8501", LOCAL_HOST, True),
    ("HTTP://127.0.0.1:8501", LOCAL_HOST, True),
    ("https://dashboard.example", "dashboard.example", True),
    ("https://dashboard.example", "dashboard.example:443", True),
    ("http://dashboard.example:80", "Dashboard.example", True),
    ("http://localhost:8501", LOCAL_HOST, False),
    ("http://127.0.0.1:3000", LOCAL_HOST, False),
    ("https://elsewhere.example", LOCAL_HOST, False),
    ("null", LOCAL_HOST, False),
    ("", LOCAL_HOST, False),
    ("file://", LOCAL_HOST, False),
    ("http://127.0.0.1:8501@elsewhere.example", LOCAL_HOST, False),
    ("http://elsewhere.example", "elsewhere.example:443", False),
)


@pytest.mark.parametrize(("origin", "host", "own"), ORIGINS)
@pytest.mark.parametrize("method", ["POST", "DELETE", "WEBSOCKET", "GET"])
def test_a_foreign_origin_cannot_press(origin: str, host: str, own: bool, method: str) -> None:
    """Whatever may change something is refused from pages of other sites, guarded or not."""
    world = World(API_TOKEN=TOKEN)
    answer = call(world.app, method, "/api/x", headers=[BEARER, ("origin", origin)], host=host)
    refused = 1008 if method == "WEBSOCKET" else 403
    assert answer.status == (
        refused if not own and method != "GET" else 101 if method == "WEBSOCKET" else 200
    )


@pytest.mark.parametrize("more", [OWN, FOREIGN, ("host", "elsewhere.example")])
@pytest.mark.parametrize("method", ["POST", "WEBSOCKET"])
def test_two_origins_or_hosts_are_foreign(method: str, more: tuple[str, str]) -> None:
    """Which of two headers counts is not guessed."""
    answer = call(World(API_TOKEN=TOKEN).app, method, "/api/x", headers=[BEARER, OWN, more])
    assert answer.status == (1008 if method == "WEBSOCKET" else 403)


def test_a_program_names_no_origin() -> None:
    """Calls without Origin are no browser's."""
    assert call(World().app, "POST", "/api/import/trigger").json == {"name": "api", "role": "operator"}
    assert call(World().app, "POST", "/", headers=[FOREIGN]).status == 403


# API_TOKEN


@pytest.mark.parametrize(
    "path", ["/api", "/api/", "/api/import/status", "/api/nothing", "/api/openapi.json", "//api/x"]
)
@pytest.mark.parametrize("peer", [LOCAL_PEER, REMOTE_PEER])
def test_the_token_opens_the_api_from_anywhere(path: str, peer: str) -> None:
    """With API_TOKEN every /api call needs it, and nothing else opens it: no cookie, no local peer."""
    world = World(API_TOKEN=TOKEN, **PASSWORDS)
    assert world.ask(path, BEARER, peer=peer).json == {"name": "api", "role": "operator"}
    for refused in (world.ask(path, peer=peer), world.ask(path, world.cookie("press"), peer=peer)):
        assert (refused.status, refused.code) == (401, "unauthorized")
        assert refused.headers["www-authenticate"] == "Bearer"


@given(
    value=st.one_of(
        st.binary(max_size=60).map(lambda sent: sent.replace(b"\n", b"").replace(b"\r", b"")),
        st.sampled_from(
            [b"", b"Bearer", b"Bearer ", b"Basic dG9rZW4=", TOKEN.encode(), b"Bearer \xff\xfe\x00"]
        ),
        st.text(max_size=30).map(lambda sent: b"Bearer " + sent.encode()),
    )
)
def test_any_other_authorization_is_401(value: bytes) -> None:
    """Whatever the bytes, the answer is a JSON 401."""
    answer = World(API_TOKEN=TOKEN).ask("/api/import/status", ("authorization", value))
    assert (answer.status, answer.code) == (401, "unauthorized")


def test_two_tokens_are_none() -> None:
    """Which of two headers counts is not guessed."""
    answer = World(API_TOKEN=TOKEN).ask("/api/x", BEARER, ("authorization", "Bearer other"))
    assert answer.status == 401


@pytest.mark.parametrize("path", PAGES)
def test_a_token_alone_leaves_the_pages_local(path: str) -> None:
    """API_TOKEN says nothing about people, so pages stay on this machine; the token opens no page."""
    world = World(API_TOKEN=TOKEN)
    assert world.ask(path).json == {"name": "local", "role": "operator"}
    assert world.ask(path, BEARER, peer=REMOTE_PEER).status == 403
    assert call(world.app, "GET", path, host="evil.example").status == 403


@pytest.mark.parametrize("variables", [{"API_TOKEN": TOKEN}, PASSWORDS, BY_HEADER])
def test_the_health_answers_strangers_as_strangers(variables: dict[str, str]) -> None:
    """Guarded, /health lets everybody in, and knows only who says who they are; even this machine."""
    assert World(**variables).ask("/health", peer=REMOTE_PEER).json["role"] == "anonymous"
    assert World(**variables).ask("/health").json["role"] == "anonymous"


@pytest.mark.parametrize("password", ["press", "look"])
def test_the_health_knows_people_and_programs(password: str) -> None:
    """A token or a signed-in person sees all of it."""
    world = World(API_TOKEN=TOKEN, **PASSWORDS)
    assert world.ask("/health", BEARER).json["role"] == "operator"
    assert world.ask("/health", world.cookie(password)).json["name"] == "Ann"


# Passwords


@pytest.mark.parametrize("path", [*PAGES, "/api/import/status", "/api"])
@pytest.mark.parametrize("method", ["GET", "POST", "WEBSOCKET"])
@pytest.mark.parametrize("peer", [LOCAL_PEER, REMOTE_PEER])
@pytest.mark.parametrize("variables", [PASSWORDS, BY_HEADER])
def test_guarded_strangers_reach_nothing(
    path: str, method: str, peer: str, variables: dict[str, str]
) -> None:
    """Page, static files, websocket, API, media and Streamlit's own endpoints: not even from this machine."""
    answer = call(World(**variables).app, method, path, peer=peer, headers=[("x-forwarded-for", "127.0.0.1")])
    assert answer.status == (1008 if method == "WEBSOCKET" else 401)


def test_a_browser_is_shown_the_way_to_the_form() -> None:
    """Whoever wants a page is sent to the sign-in, and then back to it; what is sent is refused."""
    world = World(**PASSWORDS)
    query, accept = b"period=Last+7+days&clinic=A%26B", ("accept", "text/html,*/*")
    assert call(world.app, "POST", "/rates", headers=[accept], peer=REMOTE_PEER).status == 401
    answer = call(world.app, "GET", "/rates", query=query, headers=[accept], peer=REMOTE_PEER)
    assert answer.status == 303
    path, _, sent = answer.headers["location"].partition("?")
    form = call(world.app, "GET", path, query=sent.encode(), peer=REMOTE_PEER)
    assert form.status == 200
    wanted = re.findall(r'name="next" value="([^"]*)"', form.body.decode())
    assert wanted == ["/rates?period=Last+7+days&amp;clinic=A%26B"]
    back = world.sign_in("press", next="/rates?period=Last+7+days&clinic=A%26B")
    assert (back.status, back.headers["location"]) == (303, "/rates?period=Last+7+days&clinic=A%26B")


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "/\t/evil.example",
        "javascript:x",
        "",
        "x",
    ],
)
def test_nobody_is_sent_elsewhere(target: str) -> None:
    """After signing in one stays on this server."""
    assert World(**PASSWORDS).sign_in("press", next=target).headers["location"] == "/"


@pytest.mark.parametrize(
    ("password", "role"), [("press", "operator"), ("look", "viewer"), (" press ", "operator")]
)
def test_a_password_gives_a_role_and_the_form_a_name(password: str, role: str) -> None:
    """Operators and viewers, by their own password, under the name that each run keeps."""
    world = World(**PASSWORDS)
    known = world.ask("/imports", world.cookie(password, "  Zoë  van Dyk "), peer=REMOTE_PEER)
    assert known.json == {"name": "Zoë van Dyk", "role": role}


@pytest.mark.parametrize(
    "password", ["", "wrong", "presss", "PRESS", "\udcff".encode("utf-8", "replace").decode()]
)
def test_any_other_password_gives_nothing(password: str) -> None:
    """No cookie, and the form again with a fault that is read aloud."""
    answer = World(**PASSWORDS).sign_in(password)
    assert answer.status == 401
    assert "set-cookie" not in answer.headers
    assert b'role="alert"' in answer.body


@pytest.mark.parametrize(
    "name", ["", "  ", "api", "Scheduler", "startup", "local", "CLI:root", "x" * 81, "a\x07b"]
)
def test_a_name_must_be_a_persons(name: str) -> None:
    """A run's row must not say that a program began it when a person did."""
    answer = World(**PASSWORDS).sign_in("press", name)
    assert (answer.status, "set-cookie" in answer.headers) == (422, False)


def test_what_was_typed_is_shown_as_text() -> None:
    """A name or a path is no markup."""
    answer = World(**PASSWORDS).sign_in("wrong", '"><script>x</script>', next='/"><b>')
    assert b"<script>" not in answer.body
    assert b"<b>" not in answer.body


def test_no_cache_keeps_a_cookie() -> None:
    """A proxy that stored the answer would sign in whoever asks next."""
    assert World(**PASSWORDS).sign_in("press").headers["cache-control"] == "no-store"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_cookie_is_kept_from_scripts_and_other_sites(scheme: str) -> None:
    """HttpOnly, SameSite=Lax, for a working day, and Secure where the connection is."""
    cookie = SimpleCookie(World(**PASSWORDS).sign_in("press", scheme=scheme).headers["set-cookie"])[COOKIE]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "lax", "/")
    assert cookie["max-age"] == str(COOKIE_SECONDS)
    assert bool(cookie["secure"]) == (scheme == "https")


def test_a_cookie_survives_a_restart_and_expires() -> None:
    """Another process with the same passwords believes it, until its time is over."""
    cookie = World(**PASSWORDS).cookie("press")
    later = World(**PASSWORDS)
    later.now += timedelta(seconds=COOKIE_SECONDS - 1)
    assert later.ask("/", cookie).status == 200
    later.now += timedelta(seconds=1)
    assert later.ask("/", cookie).status == 401


@pytest.mark.parametrize("variable", [*PASSWORDS, "API_TOKEN"])
def test_changing_a_password_signs_everybody_out(variable: str) -> None:
    """Any of the secrets: whoever knew one of them may have been told to go."""
    before = {**PASSWORDS, "API_TOKEN": TOKEN}
    cookie = World(**before).cookie("look")
    assert World(**before).ask("/", cookie).status == 200
    assert World(**{**before, variable: "changed"}).ask("/", cookie).status == 401


@pytest.mark.parametrize(
    "forge",
    [
        lambda value: value[:-1] + ("A" if value[-1] != "A" else "B"),
        lambda value: "WyJBbm4iLCJvcGVyYXRvciIsOTk5OTk5OTk5OV0" + value[value.index(".") :],
        lambda value: value.partition(".")[0],
        lambda value: value + "x",
        lambda _: '["Ann","operator",9999999999]',
        lambda _: "\xff.\xff",
    ],
)
def test_a_forged_cookie_is_nobodys(forge: Callable[[str], str]) -> None:
    """A viewer cannot make an operator of themselves."""
    world = World(**PASSWORDS)
    name, cookie = world.cookie("look")
    forged = forge(cookie.removeprefix(f"{COOKIE}="))
    assert world.ask("/", (name, f"{COOKIE}={forged}")).status == 401


def test_signing_out_takes_the_cookie_back() -> None:
    """The browser forgets it and is shown the form."""
    answer = World(**PASSWORDS).ask("/sign-out")
    assert (answer.status, answer.headers["location"]) == (303, "/sign-in")
    assert f'{COOKIE}=""' in answer.headers["set-cookie"]
    assert "Max-Age=0" in answer.headers["set-cookie"]


def test_another_site_cannot_sign_anybody_in() -> None:
    """The form is taken from its own page alone."""
    body = urlencode({"name": "Ann", "password": "press"}).encode()
    for path in ("/sign-in", "/sign-out"):
        answer = call(World(**PASSWORDS).app, "POST", path, headers=[FORM, FOREIGN], body=body)
        assert (answer.status, "set-cookie" in answer.headers) == (403, False)


@pytest.mark.parametrize(("method", "size", "status"), [("PUT", 0, 405), ("POST", 9_000, 413)])
def test_the_form_takes_no_more_than_a_form(method: str, size: int, status: int) -> None:
    """Before anybody is known, little is read."""
    body = b"name=" + b"x" * size
    assert call(World(**PASSWORDS).app, method, "/sign-in", headers=[FORM], body=body).status == status


def test_without_passwords_there_is_no_form() -> None:
    """The path is then a page's like any other."""
    assert World().ask("/sign-in").json["name"] == "local"
    assert World(**BY_HEADER).ask("/sign-in").status == 401


def test_wrong_passwords_are_slowed_for_their_peer_alone() -> None:
    """After three, each doubles the wait, during which not even the right one is looked at."""
    world = World(**PASSWORDS)
    assert [world.sign_in("wrong").status for _ in range(4)] == [401, 401, 401, 429]
    assert world.sign_in("press", peer=REMOTE_PEER).status == 303
    waiting = world.sign_in("press")
    assert (waiting.status, waiting.headers["retry-after"]) == (429, "1")
    world.now += timedelta(seconds=1)
    assert world.sign_in("wrong").status == 401
    assert world.sign_in("press").headers["retry-after"] == "2"
    world.now += timedelta(seconds=2)
    assert world.sign_in("press").status == 303
    assert [world.sign_in("wrong").status for _ in range(3)] == [401, 401, 401]


@pytest.mark.parametrize(
    ("password", "method", "status"),
    [
        *(("press", method, 200) for method in ("GET", "HEAD", "POST", "DELETE")),
        *(("look", method, 200) for method in ("GET", "HEAD")),
        *(("look", method, 403) for method in ("POST", "PUT", "DELETE", "PATCH")),
    ],
)
def test_where_people_sign_in_the_api_is_theirs(password: str, method: str, status: int) -> None:
    """Without API_TOKEN operators may call all of it, and viewers read."""
    world = World(**PASSWORDS)
    answer = call(world.app, method, "/api/import/trigger", headers=[world.cookie(password), OWN])
    assert answer.status == status
    if status == 403:
        assert answer.code == "viewer"


# A proxy's header


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("ann@example.com", ("ann@example.com", "operator")),
        (" bob ", ("bob", "operator")),
        ("Bob", ("Bob", "viewer")),
        ("carol", ("carol", "viewer")),
        ("Zoë".encode(), ("Zoë", "viewer")),
        ("", None),
        ("  ", None),
        ("api", None),
        ("cli:root", None),
    ],
)
def test_the_proxy_names_people(sent: str | bytes, expected: tuple[str, str] | None) -> None:
    """OPERATORS, by their exact name, may press; others look; a name that stands for a program is nobody."""
    answer = World(**BY_HEADER).ask("/", ("x-user", sent), peer=REMOTE_PEER)
    assert answer.status == (200 if expected else 401)
    if expected:
        assert (answer.json["name"], answer.json["role"]) == expected


def test_a_header_sent_twice_is_refused() -> None:
    """A proxy that adds its header to the client's own must not let the client choose."""
    answer = World(**BY_HEADER).ask("/", ("x-user", "bob"), ("x-user", "carol"))
    assert answer.status == 400


@pytest.mark.parametrize("variables", [{}, PASSWORDS, {"API_TOKEN": TOKEN}])
def test_no_header_is_believed_unless_its_setting_says_so(variables: dict[str, str]) -> None:
    """Without TRUSTED_USER_HEADER it is a header like any other."""
    for header in (("x-user", "bob"), ("x-forwarded-user", "bob")):
        before, after = World(**variables).ask("/"), World(**variables).ask("/", header)
        assert (before.status, before.body) == (after.status, after.body)


# What a page learns


def test_a_page_asks_the_same_judge() -> None:
    """From headers and cookies a page learns the person that the middleware let in, signature checked."""
    world = World(**PASSWORDS)
    _, sent = world.cookie("look", "Vic")
    cookies = {COOKIE: sent.removeprefix(f"{COOKIE}=")}
    people = world.service.people
    assert people.person({}, cookies) == Person("Vic", Role.VIEWER)
    assert people.person({"x-user": "bob"}, {}).role is Role.ANONYMOUS
    assert World().service.people.person({}, {}) == Person("local", Role.OPERATOR)
    world.now += timedelta(seconds=COOKIE_SECONDS)
    assert people.person({}, cookies).role is Role.ANONYMOUS


def test_only_our_own_sign_in_can_be_ended_here() -> None:
    """A proxy would sign the same person in again with the next request."""
    people = World(**PASSWORDS, **BY_HEADER).service.people
    cookies = {COOKIE: people.cookie(Person("Vic", Role.VIEWER))}
    assert people.trusted_header is not None
    assert people.signed_in_here({}, cookies)
    assert not people.signed_in_here({people.trusted_header: "bob"}, cookies)
    assert not people.signed_in_here({}, {})


def test_every_answer_forbids_foreign_frames() -> None:
    """An operator must not be made to press what they do not see."""
    for answer in (World().ask("/"), World(**PASSWORDS).ask("/sign-in"), World().ask("/", peer=REMOTE_PEER)):
        assert answer.headers["x-frame-options"] in {"SAMEORIGIN", "DENY"}
        assert answer.headers["x-content-type-options"] == "nosniff"
