"""The door: who may reach page, static files, websocket and API (spec, section 9).

A plain ASGI middleware, for only such a one sees the websocket too. What it lets in, it names:
`scope["state"]["person"]`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address
from urllib.parse import quote, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core import signin
from core.body import TooLargeError, read_body
from core.log import Log
from core.openapi import HEALTH, is_api
from core.people import ANONYMOUS, COOKIE, COOKIE_SECONDS, LOCAL, PROGRAM, People, Person, proper_name
from core.service import Service, current
from core.signin import SIGN_IN, SIGN_OUT

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# Only their presence is looked at: a request that came through a proxy does not come from this machine.
FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
DEFAULT_PORTS = {"http": ":80", "https": ":443"}
POLICY_VIOLATION = 1008
# Nobody may frame the pages to make an operator press what they do not see.
ANSWER_HEADERS = {
    "x-frame-options": "SAMEORIGIN",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
}

log = Log("server")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why somebody is not let in, as an answer."""

    status: int
    code: str
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)


NOT_LOCAL = Refusal(
    403,
    "not_local",
    "Nothing guards this server, so it answers this machine alone. To reach it from elsewhere set API_TOKEN "
    "and DASHBOARD_PASSWORD (or TRUSTED_USER_HEADER).",
)
NO_TOKEN = Refusal(
    401,
    "unauthorized",
    "Send the header Authorization: Bearer with API_TOKEN.",
    {"www-authenticate": "Bearer"},
)
NOT_SIGNED_IN = Refusal(401, "unauthorized", "Sign in first.")
LOOKS_ONLY = Refusal(403, "viewer", "You may look, but not start, stop or change anything.")
FOREIGN_ORIGIN = Refusal(403, "foreign_origin", "This call comes from a page of another site.")
TWO_NAMES = Refusal(400, "two_names", "The header that names the user was sent more than once.")


def middleware() -> list[Middleware]:
    """What stands in front of everything, for `st.App`."""
    return [Middleware(Access)]


class Access:
    """The middleware; asks the service for what the settings say about people."""

    def __init__(self, app: ASGIApp, service: Callable[[], Service] = current) -> None:
        """`service` is called with each request, for the app is built before the service is."""
        self._app = app
        self._service = service
        self._attempts = signin.Attempts()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let in or refuse."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        service, connection = self._service(), HTTPConnection(scope)
        send = _with_headers(send)
        signs = service.people.signs_in and scope["path"] in {SIGN_IN, SIGN_OUT}
        if signs and scope["type"] == "http":
            answer = await self._sign(Request(scope, receive), service)
            await answer(scope, receive, send)
            return
        verdict = admit(connection, service.people)
        if isinstance(verdict, Person):
            scope.setdefault("state", {})["person"] = verdict
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": verdict.code})
        else:
            await _answer(connection, verdict, service.people)(scope, receive, send)

    async def _sign(self, request: Request, service: Service) -> Response:
        """The sign-in form, what is sent with it, and signing out."""
        if _presses(request) and not _of_own_origin(request):
            return _plain(FOREIGN_ORIGIN)
        if request.url.path == SIGN_OUT:
            answer = RedirectResponse(SIGN_IN, 303)
            answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="lax")
            return answer
        if request.method in {"GET", "HEAD"}:
            return _form(200, signin.local_path(request.query_params.get("next", "")))
        if request.method != "POST":
            return PlainTextResponse("Method not allowed.", 405, {"allow": "GET, HEAD, POST"})
        try:
            typed = signin.read_form(await read_body(request, signin.LARGEST_FORM))
        except TooLargeError:
            return PlainTextResponse("The form is too large.", 413)
        return self._signed_in(request, service, typed)

    def _signed_in(self, request: Request, service: Service, typed: signin.Form) -> Response:
        """The page that was wanted, with the cookie; or the form again, with what is wrong."""
        peer, now = _peer(request), service.clock.monotonic()
        wait = self._attempts.seconds_left(peer, now)
        if wait:
            fault = f"Too many wrong passwords. Wait {wait} s, then try again."
            answer = _form(429, typed.next, typed.name, fault)
            answer.headers["retry-after"] = str(wait)
            return answer
        role = service.people.role_by_password(typed.password)
        if role is None:
            self._attempts.failed(peer, now)
            log.warning("sign_in_refused", peer=peer)
            return _form(401, typed.next, typed.name, "This password is not right.")
        name = proper_name(typed.name)
        if name is None:
            return _form(422, typed.next, typed.name, "Give your name; this one cannot be used.")
        self._attempts.succeeded(peer)
        log.info("signed_in", role=role.value)
        return _welcome(request, service.people, Person(name, role), typed.next)


def admit(connection: HTTPConnection, people: People) -> Person | Refusal:
    """Who it is that is let in, or why nobody is."""
    path = connection.scope["path"]
    if not people.guarded and not _local(connection):
        return NOT_LOCAL
    if people.trusted_header and len(connection.headers.getlist(people.trusted_header)) > 1:
        return TWO_NAMES
    if path == HEALTH:
        return _inquirer(connection, people)
    verdict = _caller(connection, people) if is_api(path) else _visitor(connection, people)
    if isinstance(verdict, Person) and _presses(connection) and not _of_own_origin(connection):
        return FOREIGN_ORIGIN
    return verdict


def _inquirer(connection: HTTPConnection, people: People) -> Person:
    """Who asks for the health: everybody may, whom nobody knows learns less."""
    if not people.guarded:
        return LOCAL
    if _has_token(connection, people):
        return PROGRAM
    return people.person(connection.headers, connection.cookies) if people.pages_guarded else ANONYMOUS


def _caller(connection: HTTPConnection, people: People) -> Person | Refusal:
    """Who calls the API.

    Where a token is set, its holders alone. Where only people are guarded, only they: not even this
    machine's own calls, since behind a proxy on the same machine every call looks like one.
    """
    if people.has_token:
        return PROGRAM if _has_token(connection, people) else NO_TOKEN
    if not people.pages_guarded:
        return PROGRAM
    found = people.person(connection.headers, connection.cookies)
    if not found.may_look:
        return NOT_SIGNED_IN
    return found if found.may_press or not _presses(connection) else LOOKS_ONLY


def _visitor(connection: HTTPConnection, people: People) -> Person | Refusal:
    """Who visits pages; where only a token is set it says nothing about people, so pages stay local."""
    if not people.pages_guarded and not _local(connection):
        return NOT_LOCAL
    found = people.person(connection.headers, connection.cookies)
    return found if found.may_look else NOT_SIGNED_IN


def _has_token(connection: HTTPConnection, people: People) -> bool:
    sent = [value for name, value in connection.headers.raw if name == b"authorization"]
    return len(sent) == 1 and people.knows_token(sent[0])


def _presses(connection: HTTPConnection) -> bool:
    """Whether it may change something; over a websocket everything may."""
    return connection.scope["type"] == "websocket" or connection.scope["method"] not in SAFE_METHODS


def _of_own_origin(connection: HTTPConnection) -> bool:
    """Whether the page that sends this is our own; programs and old browsers name none."""
    origins, hosts = connection.headers.getlist("origin"), connection.headers.getlist("host")
    if not origins:
        return True
    scheme, _, place = origins[0].lower().partition("://")
    port = DEFAULT_PORTS.get(scheme)
    if port is None or len(origins) > 1 or len(hosts) != 1:
        return False
    return place.removesuffix(port) == hosts[0].lower().removesuffix(port)


def _local(connection: HTTPConnection) -> bool:
    """Whether a browser or program on this machine sent this, and to this machine's own name.

    The name keeps out pages of other sites whose name leads here (DNS rebinding).
    """
    hosts = connection.headers.getlist("host")
    proxied = any(name in connection.headers for name in FORWARDED)
    return not proxied and len(hosts) == 1 and _is_loopback(_peer(connection)) and _names_loopback(hosts[0])


def _peer(connection: HTTPConnection) -> str:
    return connection.client.host if connection.client else ""


def _names_loopback(host: str) -> bool:
    try:
        parts = urlsplit(f"//{host}")
        parts.port  # noqa: B018 (raises where the port is none)
    except ValueError:
        return False
    if (
        parts.path
        or parts.query
        or parts.fragment
        or parts.username is not None
        or "#" in host
        or "?" in host
    ):
        return False
    return parts.hostname == "localhost" or _is_loopback(parts.hostname or "")


def _is_loopback(text: str) -> bool:
    try:
        address = ip_address(text)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


def _answer(connection: HTTPConnection, refusal: Refusal, people: People) -> Response:
    """The refusal in the form that the asker reads: JSON, the way to the form, or plain words."""
    scope = connection.scope
    path = scope["path"]
    if path == HEALTH or is_api(path):
        body = {"error": {"code": refusal.code, "message": refusal.message}}
        return JSONResponse(body, refusal.status, refusal.headers)
    wants_page = scope["method"] in {"GET", "HEAD"} and "text/html" in connection.headers.get("accept", "")
    if refusal is NOT_SIGNED_IN and people.signs_in and wants_page:
        query = scope["query_string"].decode("latin-1")
        target = quote(path) + (f"?{query}" if query else "")
        return RedirectResponse(f"{SIGN_IN}?next={quote(target, safe='')}", 303)
    return _plain(refusal)


def _plain(refusal: Refusal) -> Response:
    return PlainTextResponse(refusal.message, refusal.status, refusal.headers)


def _form(status: int, next_path: str, name: str = "", fault: str | None = None) -> Response:
    return HTMLResponse(signin.page(next_path=next_path, name=name, fault=fault), status, signin.HEADERS)


def _welcome(request: Request, people: People, who: Person, next_path: str) -> Response:
    answer = RedirectResponse(next_path, 303, {"cache-control": "no-store"})
    answer.set_cookie(
        COOKIE,
        people.cookie(who),
        max_age=COOKIE_SECONDS,
        path="/",
        secure=request.scope["scheme"] == "https",
        httponly=True,
        samesite="lax",
    )
    return answer


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in ANSWER_HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sending
