"""Sends requests to Label Studio: credentials, retries with back-off, and clear errors."""

import time
from collections.abc import Callable
from typing import Any

import httpx

from app.domain.errors import LabelStudioAway, LabelStudioRefused

TRIES = 3
FIRST_PAUSE_SECONDS = 0.5
TIMEOUT = httpx.Timeout(30.0, connect=5.0)
RETRIED = frozenset({429, 502, 503, 504})
MAX_SAID = 500  # characters of its answer in an error


class Transport:
    """An HTTP connection with the credentials of one user.

    A personal access token is a JWT: it is exchanged for one that lasts minutes, and exchanged
    again when that is refused. Any other token is a legacy one and is sent as it is.

    Args:
        url: base URL of Label Studio.
        token: of one of its users; it stands in no error.
        sleep: waits between tries.
        tries: of a request that may be sent again.
        timeout: of a try.
        network: sends the requests; None: straight to the URL.
    """

    def __init__(  # noqa: PLR0913 - by name: how it is reached
        self,
        url: str,
        token: str,
        *,
        sleep: Callable[[float], None] = time.sleep,
        tries: int = TRIES,
        timeout: httpx.Timeout = TIMEOUT,
        network: httpx.BaseTransport | None = None,
    ) -> None:
        self._url = url
        self._token = token
        self._sleep = sleep
        self._tries = tries
        self._is_personal = token.count(".") == 2
        self._authorization = None if self._is_personal else f"Token {token}"
        self._http = httpx.Client(base_url=url, timeout=timeout, transport=network, trust_env=False)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def request(
        self, method: str, path: str, *, is_idempotent: bool = True, **sent: Any
    ) -> httpx.Response:
        """Return the answer, whatever its status below 500 but 401 and 403.

        Args:
            method: of the request.
            path: below the base URL.
            is_idempotent: it may be sent again when no answer came.
            **sent: what httpx sends: params, json.

        Raises:
            LabelStudioAway: it does not answer, or fails.
            LabelStudioRefused: it refuses the token.
        """
        answer = self._send(method, path, is_idempotent=is_idempotent, **sent)
        if answer.status_code == httpx.codes.UNAUTHORIZED and self._is_personal:
            self._authorization = None
            answer = self._send(method, path, is_idempotent=is_idempotent, **sent)
        if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise self._refused(answer)
        return answer

    def _send(self, method: str, path: str, *, is_idempotent: bool, **sent: Any) -> httpx.Response:
        if self._authorization is None:
            self._authorization = f"Bearer {self._access_token()}"
        headers = {"Authorization": self._authorization}
        tries = self._tries if is_idempotent else 1
        return self._try(tries, method, path, headers=headers, **sent)

    def _access_token(self) -> str:
        """Return a token that lasts some minutes, for the personal access token."""
        path, given = "/api/token/refresh/", {"refresh": self._token}
        answer = self._try(self._tries, "POST", path, json=given)
        if answer.is_success:
            access: str = json_of(answer)["access"]
            return access
        raise self._refused(answer)

    def _try(self, tries: int, method: str, path: str, **sent: Any) -> httpx.Response:
        said = ""
        for attempt in range(tries):
            if attempt:
                self._sleep(FIRST_PAUSE_SECONDS * 2 ** (attempt - 1))
            try:
                answer = self._http.request(method, path, **sent)
            except httpx.TransportError as error:
                said = f"does not answer ({type(error).__name__}: {error})"
                continue
            if answer.status_code not in RETRIED and answer.status_code < 500:
                return answer
            said = f"answered {method} {path} with {answer.status_code}"
        raise LabelStudioAway(
            f"Label Studio at {self._url} {said}. Check that it runs and that this machine reaches "
            "it; nothing is lost, and it is tried again."
        )

    def _refused(self, answer: httpx.Response) -> LabelStudioRefused:
        return LabelStudioRefused(
            f"Label Studio at {self._url} refuses the token ({answer.status_code}: "
            f"{said_of(answer)}). Take a token of a user who may see and change the project, and "
            "connect again with it."
        )


def json_of(answer: httpx.Response) -> Any:
    """Return what a successful answer holds.

    Raises:
        LabelStudioAway: it is no JSON; something else answers at the address.
    """
    try:
        return answer.json()
    except ValueError:
        raise LabelStudioAway(
            f"What answers at {answer.url.copy_with(query=None)} is no Label Studio: no JSON came. "
            "Check the URL."
        ) from None


def said_of(answer: httpx.Response) -> str:
    """Return the sentence of an answer that is an error."""
    try:
        body = answer.json()
    except ValueError:
        return "no reason given"
    if not isinstance(body, dict):
        return "no reason given"
    faults = body.get("validation_errors") or ""
    return f"{body.get('detail', '')} {faults or ''}".strip()[:MAX_SAID]
