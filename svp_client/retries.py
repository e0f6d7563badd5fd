"""Decides whether a failed request is sent again, and after how long."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from svp_client.errors import ClientError, refusal, unreachable

NOT_PROCESSED = frozenset({429})  # safe to send again whatever the request does
PERHAPS_PROCESSED = frozenset({502, 503, 504})
NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
NEVER_RIGHT = (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.TooManyRedirects)


@dataclass(frozen=True)
class Retries:
    """Limits on repeating a request: how often, and how long the client waits before each try.

    The wait doubles each time and is drawn from its upper half, so that many clients do not come
    back together. A longer `Retry-After` from the service is respected.

    Attributes:
        n: number of retries after the first try; 0: none.
        first_seconds: the longest wait before the first of them.
        longest_seconds: no wait is longer. An answer that asks for more is an error at once.
    """

    n: int = 5
    first_seconds: float = 0.5
    longest_seconds: float = 30.0

    def wait_seconds(self, n_before: int, asked_seconds: float = 0.0) -> float | None:
        """Return how long to wait after `n_before` retries; None: do not retry.

        `asked_seconds` is the service's Retry-After.
        """
        if n_before >= self.n or asked_seconds > self.longest_seconds:
            return None
        longest = min(self.longest_seconds, self.first_seconds * 2**n_before)
        wait = random.uniform(longest / 2, longest)
        if asked_seconds > wait:
            wait = random.uniform(asked_seconds, asked_seconds + self.first_seconds)
        return wait


class Tries:
    """The tries of one request.

    Args:
        retries: how often and how patiently.
        url: of the service, for errors.
        is_idempotent: whether sending it twice does what sending it once does.
    """

    def __init__(self, retries: Retries, url: str, *, is_idempotent: bool) -> None:
        self._retries = retries
        self._url = url
        self._is_idempotent = is_idempotent
        self._n_retries = 0

    def wait_after_answer(self, response: httpx.Response) -> float:
        """Return how many seconds to wait before the next try; the body has been read.

        Raises:
            ClientError: the request must not be sent again.
        """
        status = response.status_code
        if status in NOT_PROCESSED or (self._is_idempotent and status in PERHAPS_PROCESSED):
            return self._wait_or_raise(refusal(response), retry_after_seconds(response))
        raise refusal(response)

    def wait_after_failure(self, failure: httpx.RequestError) -> float:
        """Return how many seconds to wait before the next try.

        Raises:
            ClientError: the request must not be sent again.
        """
        error = unreachable(self._url, failure)
        if isinstance(failure, NEVER_RIGHT):
            raise error from failure
        if self._is_idempotent or isinstance(failure, NEVER_SENT):
            return self._wait_or_raise(error)
        error.add_note("The service may have processed it; check before you send it again.")
        raise error from failure

    def _wait_or_raise(self, error: ClientError, asked_seconds: float = 0.0) -> float:
        wait = self._retries.wait_seconds(self._n_retries, asked_seconds)
        if wait is None:
            raise error
        self._n_retries += 1
        return wait


def retry_after_seconds(response: httpx.Response) -> float:
    """Return the seconds that `Retry-After` asks for, given as a number or as a date; else 0."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())
