"""Reads images by URI, only from roots and hosts that the operator listed.

A host may answer slowly, but not forever: a download has one deadline.
"""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import fsspec
import httpx

from app.config import Settings
from app.domain.errors import ItemInvalid
from app.services.addresses import as_url_host, in_time, is_public, resolve
from app.services.downloads import FAULTS, Deadline, download_to


def read_image_uri(uri: str, settings: Settings) -> bytes:
    """Return the bytes behind an image URI.

    Allowed are paths inside a folder of SVP_IMAGE_ROOTS, object-store URLs below a prefix listed
    there, and http(s) URLs whose host is listed in SVP_IMAGE_HOSTS. A listed name that resolves to
    a private address is refused unless that address itself is listed. Redirects are not followed.

    Raises:
        ItemInvalid: not allowed, not there, too large, or not whole within
            SVP_IMAGE_DOWNLOAD_SECONDS.
    """
    scheme = urlsplit(uri).scheme
    if scheme in ("http", "https"):
        return _read_http(uri, settings)
    if scheme == "":
        return _read_limited(path_in_roots(uri, settings), uri, settings)
    if "://" in uri and scheme != "file":
        return _read_object(uri, settings)
    raise _not_allowed(uri, "this scheme is never read")


def path_in_roots(uri: str, settings: Settings) -> Path:
    """Return the path that lies in one of the folders of SVP_IMAGE_ROOTS.

    Raises:
        ItemInvalid: it lies in none.
    """
    for root in settings.image_roots:
        if "://" in root:
            continue
        folder = Path(root).resolve()
        path = (folder / uri).resolve()
        if path.is_relative_to(folder):
            return path
    raise _not_allowed(uri, "it lies outside every folder of SVP_IMAGE_ROOTS")


def check_prefix(uri: str, settings: Settings) -> None:
    """Check that a URL of an object store lies below one of SVP_IMAGE_ROOTS.

    Raises:
        ItemInvalid: it does not.
    """
    prefixes = [root.rstrip("/") + "/" for root in settings.image_roots if "://" in root]
    if ".." in uri.split("/") or not any(uri.startswith(prefix) for prefix in prefixes):
        raise _not_allowed(uri, "it lies below no prefix of SVP_IMAGE_ROOTS")


def _read_limited(path: Path, uri: str, settings: Settings) -> bytes:
    try:
        with path.open("rb") as file:
            return _within_limit(file.read(settings.max_image_bytes + 1), uri, settings)
    except OSError as error:
        raise ItemInvalid("image_not_found", f"{uri} cannot be read: {error.strerror}.") from None


def _read_object(uri: str, settings: Settings) -> bytes:
    check_prefix(uri, settings)

    def read() -> bytes:
        with fsspec.open(uri, "rb") as file:
            data: bytes = file.read(settings.max_image_bytes + 1)
        return data

    try:
        data = in_time(read, settings.image_download_seconds)
    except TimeoutError:
        raise _too_slow(uri, settings) from None
    except (OSError, ImportError, ValueError) as error:
        raise ItemInvalid("image_not_found", f"{uri} cannot be read: {error}.") from None
    return _within_limit(data, uri, settings)


def _read_http(uri: str, settings: Settings) -> bytes:
    data = bytearray()

    def take(chunk: bytes) -> None:
        data.extend(chunk)
        _check_size(data, uri, settings)

    try:
        read_http(uri, settings, Deadline(settings.image_download_seconds), take)
    except TimeoutError:
        raise _too_slow(uri, settings) from None
    return bytes(data)


def check_host(uri: str, settings: Settings) -> tuple[str, int]:
    """Return host and port of an http(s) URL whose host is listed in SVP_IMAGE_HOSTS.

    Raises:
        ItemInvalid: it is not.
    """
    try:
        parts = urlsplit(uri)
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise _not_allowed(uri, "its port is no number") from None
    if host not in settings.image_hosts and f"{host}:{port}" not in settings.image_hosts:
        raise _not_allowed(uri, f"the host {host} is not in SVP_IMAGE_HOSTS")
    return host, port


def read_http(
    uri: str, settings: Settings, deadline: Deadline, take: Callable[[bytes], None]
) -> None:
    """Hand what lies behind an http(s) URL to `take` as it comes; its host must be listed.

    Raises:
        ItemInvalid: it may not be read, or is not there.
        TimeoutError: it is not whole at the deadline.
    """
    host, port = check_host(uri, settings)
    parts = urlsplit(uri)

    def take_if_there(status: int, chunk: bytes) -> None:
        if status != httpx.codes.OK:
            raise ItemInvalid("image_not_found", f"{uri} answered {status}; 200 is needed.")
        take(chunk)

    try:
        address = _checked_address(uri, host, port, deadline)
        # Connect to the address that was checked, so that a second answer of the name server
        # cannot lead elsewhere.
        url = parts._replace(netloc=f"{address}:{port}", fragment="").geturl()
        headers = {"Host": parts.netloc.rpartition("@")[2]}
        server_name = host if parts.scheme == "https" else None
        download_to(url, headers, server_name, deadline, take_if_there)
    except TimeoutError:
        raise
    except FAULTS as error:
        raise ItemInvalid("image_not_found", f"{uri} cannot be read: {error}.") from None


def _checked_address(uri: str, host: str, port: int, deadline: Deadline) -> str:
    """Return the address of the host as a URL has it, if it may be read.

    Raises:
        ItemInvalid: the host has none, or a private one that is not listed.
        TimeoutError: no name server answers in time.
    """
    try:
        address = resolve(host, port, deadline)[0]
    except TimeoutError:
        raise
    except OSError as error:
        raise ItemInvalid("image_not_found", f"{host} has no address: {error}.") from None
    # A literal address got here only because the operator listed it.
    if address != host and not is_public(address):
        raise _not_allowed(uri, f"{host} is the private address {address}, which is not listed")
    return as_url_host(address)


def _within_limit(data: bytes, uri: str, settings: Settings) -> bytes:
    _check_size(data, uri, settings)
    return data


def _check_size(data: bytes | bytearray, uri: str, settings: Settings) -> None:
    if len(data) > settings.max_image_bytes:
        raise ItemInvalid(
            "image_too_large", f"{uri} has more than {settings.max_image_bytes} bytes."
        )


def _too_slow(uri: str, settings: Settings) -> ItemInvalid:
    return ItemInvalid(
        "image_too_slow",
        f"{uri[:200]} did not come whole within {settings.image_download_seconds:g} s "
        "(SVP_IMAGE_DOWNLOAD_SECONDS). Send it again when its host answers faster, or let the "
        "operator raise the limit.",
    )


def _not_allowed(uri: str, reason: str) -> ItemInvalid:
    return ItemInvalid(
        "image_uri_not_allowed",
        f"{uri[:200]} may not be read: {reason}. The operator lists allowed folders in "
        "SVP_IMAGE_ROOTS and hosts in SVP_IMAGE_HOSTS.",
    )
