"""What Airtable's answers mean: each way to fail becomes one of `errors`' classes, which say what to do.

The kinds: https://airtable.com/developers/web/api/errors
"""

import re
from collections.abc import Mapping
from typing import Any

import requests

from core.errors import (
    AccessDeniedError,
    BillingLimitError,
    ListingExpiredError,
    MalformedAnswerError,
    NotFoundError,
    RateLimitError,
    RequestRefusedError,
    RetryableSourceError,
    SourceError,
    TokenRefusedError,
    UnknownColumnError,
)
from core.listings import Source

# What no repetition mends.
PERMANENT: dict[int, tuple[type[SourceError], str]] = {
    401: (TokenRefusedError, "Airtable refuses the token. Check it, or make a new one (AIRTABLE_API_KEY)."),
    403: (
        AccessDeniedError,
        (
            "Airtable denies access to base {base}, table {table}. Check both (AIRTABLE_BASE_ID, "
            "AIRTABLE_TABLE_NAME), and that the token has the scope data.records:read for it "
            "(AIRTABLE_API_KEY)."
        ),
    ),
    404: (
        NotFoundError,
        (
            "Airtable knows no base {base} with a table {table}. Check base, table and address "
            "(AIRTABLE_BASE_ID, AIRTABLE_TABLE_NAME, AIRTABLE_ENDPOINT_URL)."
        ),
    ),
}


def sorted_fault(response: requests.Response, source: Source) -> SourceError:
    """What an answer above 399 means: its class says what to do, its message what to mend."""
    kind, detail = _error_body(response)
    status = response.status_code
    if status in PERMANENT:
        fault, message = PERMANENT[status]
        return fault(message.format(base=source.base, table=source.table))
    if status == requests.codes.unprocessable:
        return _refused(kind, detail, source)
    if status == requests.codes.too_many and kind == "PUBLIC_API_BILLING_LIMIT_EXCEEDED":
        return BillingLimitError(
            "This month's Airtable API calls are used up (PUBLIC_API_BILLING_LIMIT_EXCEEDED). Waiting does "
            "not help: raise the workspace's plan, or import again next month."
        )
    if status == requests.codes.too_many:
        return RateLimitError("Airtable's rate limit was met.")
    if status >= requests.codes.server_error:
        return RetryableSourceError(
            f"Airtable answers {status}: it has an outage. The next import will make up for it.",
            retry_after=retry_after(response),
        )
    return RequestRefusedError(f"Airtable refuses the request with status {status}{_named(kind)}.")


def _refused(kind: str, detail: str, source: Source) -> SourceError:
    """The kinds of 422; only an expired listing can be mended by asking again."""
    if kind == "LIST_RECORDS_ITERATOR_NOT_AVAILABLE":
        return ListingExpiredError("Airtable dropped the listing.")
    if kind == "UNKNOWN_FIELD_NAME":
        return UnknownColumnError(_unknown_column(detail, source))
    if "VIEW" in kind:
        return RequestRefusedError(
            f"Airtable knows no view {source.view}. Check the view's name (AIRTABLE_VIEW)."
        )
    return RequestRefusedError(f"Airtable refuses the request{_named(kind)}.")


def _unknown_column(detail: str, source: Source) -> str:
    """Name the variable of the column that Airtable names; all of them where it names none of ours."""
    quoted = set(re.findall(r'"([^"]*)"', detail))
    unknown = [column for column, name in source.columns.items() if name in quoted]
    variables = ", ".join(f"AIRTABLE_FIELD_{column.name}" for column in unknown) or "AIRTABLE_FIELD_…"
    names = ", ".join(source.columns[column] for column in unknown) or "asked for"
    return (
        f"Table {source.table} has no column {names}. Give the column's name, or none where the table has no "
        f"such column ({variables})."
    )


def _error_body(response: requests.Response) -> tuple[str, str]:
    """Type and message of an error in any of Airtable's three JSON shapes; blank for anything else."""
    try:
        body = response.json()
    except (ValueError, RecursionError):
        return "", ""
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(body, dict) and error is None and isinstance(body.get("errors"), list):
        error = next(iter(body["errors"]), None)
    if isinstance(error, str):
        return error, ""
    if not isinstance(error, dict):
        return "", ""
    kind = error.get("type", error.get("error", ""))
    return str(kind), str(error.get("message", ""))


def _named(kind: str) -> str:
    return f" ({kind})" if re.fullmatch(r"[A-Z_]{3,60}", kind) else ""


def checked(answer: object) -> dict[str, Any]:
    """A page has a list of records; a 200 of `{}` would otherwise read as an empty table."""
    if not isinstance(answer, dict) or not isinstance(answer.get("records"), list):
        raise MalformedAnswerError(
            "An answer came that is no page of records. Check the address (AIRTABLE_ENDPOINT_URL), or try "
            "again later."
        )
    return answer


def page_token(answer: Mapping[str, Any]) -> str | None:
    """What the next page is asked for with; null where this one is the last."""
    token = answer.get("offset")
    return str(token) if token else None


def broken(error: Exception, endpoint: str) -> RetryableSourceError:
    """A fault of the network, or a body that is cut short or not JSON."""
    if isinstance(error, requests.exceptions.ChunkedEncodingError | requests.exceptions.ContentDecodingError):
        return MalformedAnswerError(
            "Airtable's answers are cut short. Check the network, or try again later."
        )
    if isinstance(error, requests.Timeout):
        return RetryableSourceError(
            f"{endpoint} does not answer in time. Check the network, or try again later."
        )
    if isinstance(error, requests.ConnectionError):
        return RetryableSourceError(
            f"{endpoint} cannot be reached. Check the network and the address (AIRTABLE_ENDPOINT_URL)."
        )
    if isinstance(error, requests.exceptions.JSONDecodeError | ValueError | RecursionError):
        return MalformedAnswerError(
            "An answer came that is not JSON. Check the address (AIRTABLE_ENDPOINT_URL), or try again later."
        )
    return RetryableSourceError(f"The request to {endpoint} failed ({type(error).__name__}).")


def retry_after(response: requests.Response) -> float:
    """`Retry-After` in seconds, 0 without one; a date there is rare and not worth reading."""
    text = response.headers.get("Retry-After", "")
    return float(text) if re.fullmatch(r"[0-9]{1,4}(\.[0-9]+)?", text) else 0.0
