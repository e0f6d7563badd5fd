"""Shared by both clients: the service's URL, the token and the proxies."""

import ipaddress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from svp_client.calls import Call
from svp_client.errors import ClientError
from svp_client.retries import Retries, Tries

PREFIX = "/api/v1"
TIMEOUT_SECONDS = 60.0
NOT_MODIFIED = 304  # an answer too: to a request that says what it knows


@dataclass(frozen=True)
class Connection:
    """One service, one token, and how often a request is sent again."""

    url: str
    token: str
    retries: Retries

    def __post_init__(self) -> None:
        """Refuse an invalid URL now, rather than at the first request."""
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            detail = f"{self.url!r} is not a URL; give one such as http://127.0.0.1:8000."
            raise ClientError(0, "url_invalid", detail)

    def http_options(self, timeout: float, *, trust_env: bool | None) -> dict[str, Any]:
        """Return the arguments of an httpx client; trust_env None: unless the URL is loopback."""
        trusts = not is_loopback(self.url) if trust_env is None else trust_env
        return {"timeout": timeout, "trust_env": trusts}

    def request_options(self, call: Call[Any]) -> dict[str, Any]:
        """Return the arguments of httpx's `build_request`."""
        options = call.options()
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        url = f"{self.url.rstrip('/')}{PREFIX}{call.path}"
        return {**options, "url": url, "headers": headers}

    def tries(self, call: Call[Any]) -> Tries:
        """Return the tries of a call."""
        return Tries(self.retries, self.url, is_idempotent=call.is_idempotent)


def is_loopback(url: str) -> bool:
    """Return whether the URL leads to this machine itself, which no proxy would reach."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
