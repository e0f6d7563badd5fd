"""Webhooks by the Standard Webhooks specification: signatures, and when a failure is tried again.

Source: https://github.com/standard-webhooks/standard-webhooks, version 1.0.0.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

SECRET_PREFIX = "whsec_"  # noqa: S105 - of every secret
SECRET_BYTES = 32
BY_LEAD = "a lead has disabled it"
# A message that fails for so long is dead; a webhook that fails for so long is disabled.
RETRY_FOR = timedelta(days=3)
DISABLE_AFTER = timedelta(days=5)
# After a change of the secret the former one signs, too, for so long.
KEEP_FORMER = timedelta(hours=24)
FIRST_PAUSE_SECONDS = 5.0
PAUSE_GROWTH = 3.0
LONGEST_PAUSE_SECONDS = 4 * 3600.0
LONGEST_ASKED_SECONDS = 24 * 3600.0


def new_secret() -> bytes:
    """Return a random key."""
    return secrets.token_bytes(SECRET_BYTES)


def shown_secret(secret: bytes) -> str:
    """Return the key as its receiver is given it."""
    return SECRET_PREFIX + base64.b64encode(secret).decode()


def signed_headers(
    secrets_: Sequence[bytes], message_id: str, at: datetime, body: bytes
) -> dict[str, str]:
    """Return the headers by which a receiver knows who sent this message, and when.

    Args:
        secrets_: the keys; a receiver that knows one of them takes the message.
        message_id: the same each time that the message is sent.
        at: when it is sent.
        body: of the request.
    """
    timestamp = str(int(at.timestamp()))
    signed = b".".join([message_id.encode(), timestamp.encode(), body])
    digests = [hmac.new(secret, signed, hashlib.sha256).digest() for secret in secrets_]
    signatures = [f"v1,{base64.b64encode(digest).decode()}" for digest in digests]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(signatures),
    }


def pause_seconds(
    n_failures: int, asked_seconds: float, uniform: Callable[[float, float], float]
) -> float:
    """Return how long to wait after so many failures in a row.

    5 s, 15 s, 45 s and so on up to 4 h, drawn from the upper half so that receivers of many
    messages are not asked all at once; longer where the receiver asks for it, up to a day.

    Args:
        n_failures: in a row, 1 or more.
        asked_seconds: of its Retry-After; 0: none.
        uniform: draws a number between two.
    """
    grown = FIRST_PAUSE_SECONDS * PAUSE_GROWTH ** min(n_failures - 1, 20)
    longest = min(grown, LONGEST_PAUSE_SECONDS)
    return max(uniform(longest / 2, longest), min(asked_seconds, LONGEST_ASKED_SECONDS))


def retry_after_seconds(value: str, now: datetime) -> float:
    """Return the seconds that a Retry-After asks for, as a number or as a date; else 0."""
    text = value.strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(0.0, (until - now).total_seconds())
