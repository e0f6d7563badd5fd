"""Opens Label Studio: anywhere for the operator, on allowed hosts alone for a lead.

A lead's connection reaches public hosts by HTTPS and those that the operator lists. Its host is
resolved and checked for each request, and the connection goes to the address that was checked.
"""

from collections.abc import Callable
from urllib.parse import SplitResult, urlsplit

import httpx

from app.config import Settings
from app.domain.errors import LabelStudioHostRefused, LabelStudioRefused
from app.integrations.label_studio.client import LabelStudio
from app.integrations.label_studio.transport import TIMEOUT, TRIES, Transport
from app.services.addresses import PORTS, is_among, is_private_literal, is_public, resolve
from app.services.downloads import Deadline

Open = Callable[[str, str], LabelStudio]
RESOLVE_SECONDS = 5.0
# While somebody waits for the answer to a request of theirs.
IMPATIENT = httpx.Timeout(10.0, connect=5.0)


def open_label_studio(url: str, token: str) -> LabelStudio:
    """Return the Label Studio at this URL, as the token's user."""
    return LabelStudio(Transport(url, token))


def opener(settings: Settings, *, is_guarded: bool, is_patient: bool = True) -> Open:
    """Return what opens Label Studio for a connection.

    Args:
        settings: of this machine.
        is_guarded: a lead has made the connection: allowed hosts alone.
        is_patient: requests are tried again.
    """

    def open_(url: str, token: str) -> LabelStudio:
        return LabelStudio(
            Transport(
                url,
                token,
                tries=TRIES if is_patient else 1,
                timeout=TIMEOUT if is_patient else IMPATIENT,
                network=AllowedHosts(settings) if is_guarded else None,
            )
        )

    return open_


def checked_base(url: str) -> str:
    """Return a base URL without its last slash.

    Raises:
        LabelStudioRefused: it is none, or it holds a user or password.
    """
    parts = _split(url)
    if parts is None or parts.query or parts.fragment or "@" in parts.netloc:
        raise LabelStudioRefused(f"{url!r} is no base URL; give one like http://localhost:8080.")
    return url.rstrip("/")


def check_allowed(url: str, settings: Settings) -> None:
    """Check that a lead may connect this address, as far as its words tell.

    Raises:
        LabelStudioHostRefused: it may not be connected.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_among(parts, settings.label_studio_hosts):
        return
    if parts.scheme != "https":
        raise LabelStudioHostRefused(f"Label Studio is reached by https://, {_unless(host)}")
    if is_private_literal(host):
        raise LabelStudioHostRefused(f"{host} is a private address, {_unless(host)}")


class AllowedHosts(httpx.BaseTransport):
    """Sends requests to public hosts by HTTPS and to those that the operator lists."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._network = httpx.HTTPTransport(trust_env=False)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request to an address of its host that was checked.

        Raises:
            LabelStudioHostRefused: its host is not allowed.
            httpx.ConnectError: its host has no address.
        """
        check_allowed(str(request.url), self._settings)
        host = request.url.raw_host.decode("ascii")
        return self._network.handle_request(
            httpx.Request(
                request.method,
                request.url.copy_with(host=self._address(request.url)),
                headers=request.headers,  # they name the host
                stream=request.stream,
                extensions={**request.extensions, "sni_hostname": host},
            )
        )

    def close(self) -> None:
        """Close the connections."""
        self._network.close()

    def _address(self, url: httpx.URL) -> str:
        parts = urlsplit(str(url))
        port = url.port or PORTS[url.scheme]
        try:
            addresses = resolve(url.host, port, Deadline(RESOLVE_SECONDS))
        except (OSError, TimeoutError, UnicodeError) as error:
            raise httpx.ConnectError(f"{url.host} has no address: {error}") from error
        if not is_among(parts, self._settings.label_studio_hosts):
            addresses = [address for address in addresses if is_public(address)]
        if not addresses:
            raise LabelStudioHostRefused(f"{url.host} has a private address, {_unless(url.host)}")
        return addresses[0]


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        is_whole = parts.scheme in PORTS and parts.hostname and parts.port != 0
    except ValueError:
        return None
    return parts if is_whole and url.isprintable() and " " not in url else None


def _unless(host: str) -> str:
    return (
        f"unless the operator lists {host} in SVP_LABEL_STUDIO_HOSTS or connects the project with "
        "`svp labelstudio connect`."
    )
