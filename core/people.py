"""Who is asking: names, roles, passwords and the signed cookie that remembers them (spec, section 9).

A cookie is believed for what its signature says and until it expires, by every process and after a restart.
The key is made from the passwords (and the token), so that changing one signs everybody out.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from itsdangerous import BadData, URLSafeSerializer

from core.clock import Clock
from core.settings import Settings

COOKIE = "jointchiro_session"
# A working day: one sign-in each.
COOKIE_SECONDS = 12 * 60 * 60
LONGEST_NAME = 80
# Names that the rows of imports give to others than people (spec, section 7).
RESERVED_NAMES = frozenset({"api", "startup", "scheduler", "local"})
SALT = b"jointchiro session cookie 1"


class Role(StrEnum):
    """What somebody may do."""

    OPERATOR = "operator"
    """Look, and press every button."""
    VIEWER = "viewer"
    """Look only."""
    ANONYMOUS = "anonymous"
    """Nothing but sign in."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody, as far as the server may believe it."""

    name: str
    role: Role

    @property
    def may_look(self) -> bool:
        """Whether figures may be shown to them."""
        return self.role is not Role.ANONYMOUS

    @property
    def may_press(self) -> bool:
        """Whether they may start, cancel, pause and resume."""
        return self.role is Role.OPERATOR


ANONYMOUS = Person("anonymous", Role.ANONYMOUS)
LOCAL = Person("local", Role.OPERATOR)
"""Whoever sits at this machine, where nothing guards the pages."""
PROGRAM = Person("api", Role.OPERATOR)
"""Whoever holds `API_TOKEN`."""


class People:
    """What the settings say about who may do what."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        """The cookie's key is made when it is first needed: it takes a moment, on purpose."""
        self._clock = clock
        self._operators = frozenset(settings.operators)
        self.trusted_header = settings.trusted_user_header
        self._token = _bytes(settings.api_token.get_secret_value()) if settings.api_token else None
        given = (
            (settings.dashboard_password, Role.OPERATOR),
            (settings.dashboard_viewer_password, Role.VIEWER),
        )
        self._passwords = [(_bytes(secret.get_secret_value()), role) for secret, role in given if secret]

    @property
    def guarded(self) -> bool:
        """Whether anybody must identify themselves for anything."""
        return bool(self.has_token or self.signs_in or self.trusted_header)

    @property
    def has_token(self) -> bool:
        """Whether the API is for holders of `API_TOKEN` alone."""
        return self._token is not None

    @property
    def signs_in(self) -> bool:
        """Whether there is a sign-in form."""
        return bool(self._passwords)

    @property
    def pages_guarded(self) -> bool:
        """Whether people must identify themselves to see pages; a token alone says nothing about people."""
        return self.signs_in or self.trusted_header is not None

    def person(self, headers: Mapping[str, str], cookies: Mapping[str, str]) -> Person:
        """Who sends these; a name is believed of the trusted header and of a signed cookie alone.

        Where nothing guards the pages it is whoever sits at this machine: the middleware lets nobody else in.
        """
        if not self.pages_guarded:
            return LOCAL
        return self._by_header(headers) or self._by_cookie(cookies) or ANONYMOUS

    def signed_in_here(self, headers: Mapping[str, str], cookies: Mapping[str, str]) -> bool:
        """Whether who sends these is known by the sign-in form's cookie, so that signing out ends it."""
        return self._by_header(headers) is None and self._by_cookie(cookies) is not None

    def knows_token(self, authorization: bytes) -> bool:
        """Whether an `Authorization` header, whatever its bytes, carries the token."""
        scheme, _, token = authorization.partition(b" ")
        return (
            self._token is not None
            and scheme.lower() == b"bearer"
            and hmac.compare_digest(token.strip(), self._token)
        )

    def role_by_password(self, password: str) -> Role | None:
        """The role that a password opens; each is compared, whichever fits, in constant time."""
        typed = hashlib.sha256(_bytes(password.strip())).digest()
        fitting = [
            role
            for secret, role in self._passwords
            if hmac.compare_digest(typed, hashlib.sha256(secret).digest())
        ]
        return fitting[0] if fitting else None

    def cookie(self, person: Person) -> str:
        """The signed value that remembers somebody for `COOKIE_SECONDS`."""
        until = int(self._clock.now().timestamp()) + COOKIE_SECONDS
        return str(self._signer.dumps([person.name, person.role.value, until]))

    def _by_header(self, headers: Mapping[str, str]) -> Person | None:
        if self.trusted_header is None:
            return None
        # HTTP hands over bytes as Latin-1; a proxy that knows more than ASCII sends UTF-8.
        sent = headers.get(self.trusted_header, "").encode("latin-1", "replace").decode("utf-8", "replace")
        name = proper_name(sent)
        if name is None:
            return None
        return Person(name, Role.OPERATOR if name in self._operators else Role.VIEWER)

    def _by_cookie(self, cookies: Mapping[str, str]) -> Person | None:
        value = cookies.get(COOKIE)
        if not value or not self._passwords:
            return None
        try:
            name, role, until = self._signer.loads(value)
        except (BadData, ValueError):
            return None
        return Person(name, Role(role)) if self._clock.now().timestamp() < until else None

    @cached_property
    def _signer(self) -> URLSafeSerializer:
        """Slow to make, so that a cookie does not serve to guess the passwords that made its key."""
        parts = [secret for secret, _ in self._passwords] + [self._token or b""]
        secret = b"".join(hashlib.sha256(part).digest() for part in parts)
        key = hashlib.scrypt(secret, salt=SALT, n=2**14, r=8, p=1)
        return URLSafeSerializer(key, signer_kwargs={"digest_method": hashlib.sha256})


def proper_name(text: str) -> str | None:
    """A name that a run may keep: short, printable, and not one that stands for something else."""
    name = " ".join(text.split())
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        return None
    taken = name.casefold() in RESERVED_NAMES or name.casefold().startswith("cli:")
    return None if taken else name


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
