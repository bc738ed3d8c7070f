"""What the network's own errors mean."""

import pytest
import requests

from core.answers import broken
from core.errors import MalformedAnswerError, RetryableSourceError


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (requests.exceptions.ChunkedEncodingError(), MalformedAnswerError, "cut short"),
        (requests.exceptions.ConnectTimeout(), RetryableSourceError, "does not answer in time"),
        (requests.exceptions.SSLError(), RetryableSourceError, "cannot be reached"),
        (ValueError(), MalformedAnswerError, "not JSON"),
        (
            requests.exceptions.TooManyRedirects("secret"),
            RetryableSourceError,
            r"failed \(TooManyRedirects\)",
        ),
    ],
)
def test_a_broken_request_may_be_tried_again(
    error: Exception, kind: type[RetryableSourceError], said: str
) -> None:
    """Each is told in words of its own; what an error says itself is not repeated."""
    fault = broken(error, "https://airtable.test")
    assert type(fault) is kind
    with pytest.raises(kind, match=said) as raised:
        raise fault
    assert "secret" not in raised.value.message
