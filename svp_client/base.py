"""The base of both clients: the service's address, the token and the connections."""

from abc import abstractmethod
from typing import Any, Generic, Self, TypeVar

import httpx

from svp_client.calls import Call, raw
from svp_client.connection import TIMEOUT_SECONDS, Connection
from svp_client.methods import result
from svp_client.retries import Retries
from svp_client.routes import Routes

Http = TypeVar("Http", httpx.Client, httpx.AsyncClient)


class BaseClient(Routes, Generic[Http]):
    """A service, a token, and httpx's client of one kind."""

    def __init__(  # noqa: PLR0913 - by name: how it connects
        self,
        url: str,
        token: str,
        *,
        timeout: float = TIMEOUT_SECONDS,
        retries: Retries | None = None,
        trust_env: bool | None = None,
        http: Http | None = None,
    ) -> None:
        """Connect to one service with one token.

        Args:
            url: of the service, e.g. http://127.0.0.1:8000.
            token: a bearer token, from `svp token create` or `create_token`.
            timeout: seconds to wait for a connection and for each part of an answer.
            retries: how often requests that may be repeated are sent again.
            trust_env: whether proxies and certificates are taken from the environment (HTTP_PROXY,
                SSL_CERT_FILE and so on). By default they are, unless the service is on this
                machine.
            http: an httpx client to use instead of a new one; closing this client leaves it open.

        Raises:
            ClientError: the URL is not one.
        """
        self._connection = Connection(url, token, retries or Retries())
        self._owns_http = http is None
        self._http: Http = http or self._new_http(
            **self._connection.http_options(timeout, trust_env=trust_env)
        )

    @staticmethod
    @abstractmethod
    def _new_http(**options: Any) -> Http:
        """Return a new httpx client."""

    @property
    def token(self) -> str:
        """The token that requests carry."""
        return self._connection.token

    def with_token(self, token: str) -> Self:
        """Return a client with another token over the same connections."""
        connection = self._connection
        return type(self)(connection.url, token, retries=connection.retries, http=self._http)

    @result
    def request(
        self, /, method: str, path: str, *, is_idempotent: bool | None = None, **options: Any
    ) -> Call[httpx.Response]:
        """Return the answer to a request below /api/v1, for routes without a method of their own.

        Args:
            method: of HTTP.
            path: below /api/v1, e.g. /projects.
            is_idempotent: whether it may be sent again; by default the method says so.
            **options: of httpx's `build_request`: params, json, content, headers.

        Raises:
            ClientError: it failed.
        """
        return raw(method, path, options, is_idempotent=is_idempotent)
