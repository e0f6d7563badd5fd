"""Reading images by URI, only from the roots and hosts that the operator listed."""

import ipaddress
import socket
from pathlib import Path
from urllib.parse import urlsplit

import fsspec
import httpx

from app.config import Settings
from app.domain.errors import ItemInvalid

TIMEOUT_SECONDS = 20.0


def read_image_uri(uri: str, settings: Settings) -> bytes:
    """Return the bytes behind an image URI.

    Allowed are paths inside a folder of SVP_IMAGE_ROOTS, object-store URLs below a prefix listed
    there, and http(s) URLs whose host is listed in SVP_IMAGE_HOSTS. A listed name that resolves to
    a private address is refused unless that address itself is listed.

    Raises:
        ItemInvalid: not allowed, not there, or too large.
    """
    scheme = urlsplit(uri).scheme
    if scheme in ("http", "https"):
        return _read_http(uri, settings)
    if scheme == "":
        return _read_path(uri, settings)
    if "://" in uri and scheme != "file":
        return _read_object(uri, settings)
    raise _not_allowed(uri, "this scheme is never read")


def _read_path(uri: str, settings: Settings) -> bytes:
    for root in settings.image_roots:
        if "://" in root:
            continue
        folder = Path(root).resolve()
        path = (folder / uri).resolve()
        if path.is_relative_to(folder):
            return _read_limited(path, uri, settings)
    raise _not_allowed(uri, "it lies outside every folder of SVP_IMAGE_ROOTS")


def _read_limited(path: Path, uri: str, settings: Settings) -> bytes:
    try:
        with path.open("rb") as file:
            return _within_limit(file.read(settings.max_image_bytes + 1), uri, settings)
    except OSError as error:
        raise ItemInvalid("image_not_found", f"{uri} cannot be read: {error.strerror}.") from None


def _read_object(uri: str, settings: Settings) -> bytes:
    prefixes = [root.rstrip("/") + "/" for root in settings.image_roots if "://" in root]
    if ".." in uri.split("/") or not any(uri.startswith(prefix) for prefix in prefixes):
        raise _not_allowed(uri, "it lies below no prefix of SVP_IMAGE_ROOTS")
    try:
        with fsspec.open(uri, "rb") as file:
            return _within_limit(file.read(settings.max_image_bytes + 1), uri, settings)
    except (OSError, ImportError, ValueError) as error:
        raise ItemInvalid("image_not_found", f"{uri} cannot be read: {error}.") from None


def _read_http(uri: str, settings: Settings) -> bytes:
    parts = urlsplit(uri)
    host = parts.hostname or ""
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise _not_allowed(uri, "its port is no number") from None
    if host not in settings.image_hosts and f"{host}:{port}" not in settings.image_hosts:
        raise _not_allowed(uri, f"the host {host} is not in SVP_IMAGE_HOSTS")
    address = _checked_address(uri, host, port)
    # Connect to the address that was checked, so that a second answer of the name server cannot
    # lead elsewhere.
    netloc = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    url = parts._replace(netloc=netloc, fragment="").geturl()
    headers = {"Host": parts.netloc.rpartition("@")[2]}
    extensions = {"sni_hostname": host} if parts.scheme == "https" else {}
    try:
        with (
            httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=False, trust_env=False) as http,
            http.stream("GET", url, headers=headers, extensions=extensions) as response,
        ):
            if response.status_code != httpx.codes.OK:
                raise ItemInvalid(
                    "image_not_found", f"{uri} answered {response.status_code}; 200 is needed."
                )
            data = bytearray()
            for chunk in response.iter_bytes():
                data += chunk
                _check_size(data, uri, settings)
            return bytes(data)
    except httpx.HTTPError as error:
        raise ItemInvalid("image_not_found", f"{uri} cannot be read: {error}.") from None


def _checked_address(uri: str, host: str, port: int) -> str:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise ItemInvalid("image_not_found", f"{host} has no address: {error}.") from None
    address = str(found[0][4][0])
    # A literal address got here only because the operator listed it.
    if address != host and not ipaddress.ip_address(address).is_global:
        raise _not_allowed(uri, f"{host} is the private address {address}, which is not listed")
    return address


def _within_limit(data: bytes, uri: str, settings: Settings) -> bytes:
    _check_size(data, uri, settings)
    return data


def _check_size(data: bytes | bytearray, uri: str, settings: Settings) -> None:
    if len(data) > settings.max_image_bytes:
        raise ItemInvalid(
            "image_too_large", f"{uri} has more than {settings.max_image_bytes} bytes."
        )


def _not_allowed(uri: str, reason: str) -> ItemInvalid:
    return ItemInvalid(
        "image_uri_not_allowed",
        f"{uri[:200]} may not be read: {reason}. The operator lists allowed folders in "
        "SVP_IMAGE_ROOTS and hosts in SVP_IMAGE_HOSTS.",
    )
