"""Reading a request's body, no further than it may be long."""

from starlette.requests import Request


class TooLargeError(Exception):
    """The body is longer than what this server reads; the rest of it stays unread."""


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body.

    Raises:
        TooLargeError: it has more than `limit` bytes, or says so.
        starlette.requests.ClientDisconnect: its sender has gone.
    """
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and int(length) > limit:
        raise TooLargeError
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise TooLargeError
        parts.append(part)
    return b"".join(parts)
