"""How long a webhook's message waits before it is tried again."""

from datetime import UTC, datetime

import pytest

from app.domain.webhooks import pause_seconds, retry_after_seconds


def test_they_grow_to_four_hours_from_the_upper_half() -> None:
    longest = [pause_seconds(n, 0, lambda _, high: high) for n in range(1, 12)]
    assert longest[:4] == [5, 15, 45, 135]
    assert longest[-1] == 4 * 3600
    assert pause_seconds(1, 0, lambda low, _: low) == 2.5
    assert pause_seconds(10_000, 0, lambda _, high: high) == 4 * 3600


def test_a_receiver_may_ask_for_a_day_and_no_more() -> None:
    assert pause_seconds(1, 600, lambda _, high: high) == 600
    assert pause_seconds(1, 10**9, lambda _, high: high) == 24 * 3600


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 5 ", 5),
        ("", 0),
        ("soon", 0),
        ("-5", 0),
        ("٣", 0),
        ("Tue, 01 Dec 2026 00:01:00 GMT", 60),
        ("Mon, 30 Nov 2026 23:00:00 GMT", 0),
    ],
)
def test_retry_after_is_a_number_or_a_date(value: str, seconds: float) -> None:
    assert retry_after_seconds(value, datetime(2026, 12, 1, tzinfo=UTC)) == seconds
