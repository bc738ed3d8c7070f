"""Wrong passwords by peer, and forms that are none."""

import pytest

from core import signin
from core.signin import Attempts, Form, read_form


def waits(attempts: Attempts, peer: str) -> bool:
    """Whether a peer must wait."""
    return attempts.seconds_left(peer, 0.0) > 0


@pytest.mark.parametrize(
    ("peer", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("", "", True),
        ("a socket", "another", False),
    ],
)
def test_a_peer_is_what_its_owner_cannot_change(peer: str, other: str, same: bool) -> None:
    """Of IPv6 the network: its owner has as many addresses as they like."""
    attempts = Attempts()
    for _ in range(signin.FREE_FAILURES):
        attempts.failed(peer, 0.0)
    assert waits(attempts, peer)
    assert waits(attempts, other) is same


def test_memory_of_wrong_passwords_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever tries from everywhere fills no memory; the oldest are forgotten."""
    monkeypatch.setattr(signin, "MOST_PEERS", 2)
    attempts = Attempts()
    for peer in ("192.0.2.1", "192.0.2.2", "192.0.2.3"):
        for _ in range(signin.FREE_FAILURES):
            attempts.failed(peer, 0.0)
    assert [waits(attempts, f"192.0.2.{number}") for number in (1, 2, 3)] == [False, True, True]


def test_a_wrong_password_is_forgotten_in_time() -> None:
    """Yesterday's slips do not slow today's."""
    attempts = Attempts()
    for _ in range(signin.FREE_FAILURES):
        attempts.failed("192.0.2.1", 0.0)
    attempts.failed("192.0.2.1", signin.FORGET_SECONDS)
    assert attempts.seconds_left("192.0.2.1", signin.FORGET_SECONDS) == 0


def test_a_right_password_makes_up_for_wrong_ones() -> None:
    """Whoever got in begins anew: their next slip costs nothing."""
    attempts = Attempts()
    for _ in range(signin.FREE_FAILURES):
        attempts.failed("192.0.2.1", 0.0)
    attempts.succeeded("192.0.2.1")
    attempts.failed("192.0.2.1", 0.0)
    assert not waits(attempts, "192.0.2.1")


def test_a_wait_is_told_in_whole_seconds_until_it_is_over() -> None:
    """`Retry-After` takes no fractions, and what is left of the last one is still a wait."""
    attempts = Attempts()
    for _ in range(signin.FREE_FAILURES + 1):
        attempts.failed("192.0.2.1", 0.0)
    left = [attempts.seconds_left("192.0.2.1", now) for now in (0.0, 0.5, 1.0, 1.9, 2.0)]
    assert left == [2, 2, 1, 1, 0]


def test_a_form_of_too_many_fields_is_empty() -> None:
    """Nobody makes the server read a thousand."""
    body = b"name=Ann&" + b"&".join(b"field=x" for _ in range(signin.FORM_FIELDS))
    assert read_form(body) == Form("", "", "/")
