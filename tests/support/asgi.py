"""One request straight into an ASGI app, from any peer and with any bytes."""

import asyncio
import json
from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp

LOCAL_PEER, REMOTE_PEER = "127.0.0.1", "203.0.113.9"
LOCAL_HOST = "127.0.0.1:8501"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; of a websocket the status is 101 where it was accepted, else why it was closed."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401 (any JSON)
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of an error."""
        assert self.headers["content-type"] == "application/json"
        assert set(self.json["error"]) == {"code", "message"}
        return str(self.json["error"]["code"])


def call(
    app: ASGIApp,
    method: str,
    path: str,
    *,
    headers: Iterable[tuple[str, str | bytes]] = (),
    body: bytes = b"",
    query: bytes = b"",
    peer: str | None = LOCAL_PEER,
    host: str | None = LOCAL_HOST,
    scheme: str = "http",
    whole: bool = True,
) -> Answer:
    """Send one request; method `WEBSOCKET` opens a websocket instead. One that is not `whole` breaks off."""
    given = [("host", host)] if host is not None else []
    encoded = [
        (name.lower().encode(), value if isinstance(value, bytes) else value.encode("latin-1"))
        for name, value in [*given, *headers]
    ]
    scope: dict[str, Any] = {
        "type": "websocket" if method == "WEBSOCKET" else "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": scheme,
        "path": path,
        "raw_path": path.encode("utf-8", "surrogatepass"),
        "root_path": "",
        "query_string": query,
        "headers": encoded,
        "client": (peer, 50_000) if peer is not None else None,
        "server": ("127.0.0.1", 8501),
        "subprotocols": [],
    }
    if method == "WEBSOCKET":
        del scope["method"]
    return asyncio.run(_send(app, scope, {"body": body, "more_body": not whole}))


async def _send(app: ASGIApp, scope: dict[str, Any], body: dict[str, object]) -> Answer:
    sent: list[MutableMapping[str, Any]] = []
    websocket = scope["type"] == "websocket"
    waiting: list[MutableMapping[str, Any]] = [
        {"type": "websocket.connect"} if websocket else {"type": "http.request", **body}
    ]

    async def receive() -> MutableMapping[str, Any]:
        await asyncio.sleep(0)
        return waiting.pop() if waiting else {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        await asyncio.sleep(0)
        sent.append(message)

    await app(scope, receive, send)
    if websocket:
        return Answer(101 if sent[0]["type"] == "websocket.accept" else sent[0]["code"], {}, b"")
    headers = {name.decode(): value.decode("latin-1") for name, value in sent[0]["headers"]}
    return Answer(sent[0]["status"], headers, b"".join(part.get("body", b"") for part in sent[1:]))
