"""Addresses of hosts outside: resolved in time, and public or private."""

import ipaddress
import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TypeVar
from urllib.parse import SplitResult

from app.services.downloads import Deadline

T = TypeVar("T")
PORTS = {"http": 80, "https": 443}
# An IPv4 address behind one of IPv6 (RFC 6052): a gateway may lead from there to this network.
TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")


def in_time(use: Callable[[], T], seconds: float) -> T:
    """Return the result of `use`, run in a thread that is abandoned when time is up.

    For calls that cannot be interrupted: the resolver and the drivers of object stores, which give
    up by themselves at some point.

    Raises:
        TimeoutError: it took longer.
    """
    result: Future[T] = Future()

    def run() -> None:
        try:
            result.set_result(use())
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            result.set_exception(error)

    threading.Thread(target=run, name="outside", daemon=True).start()
    return result.result(seconds)


def resolve(host: str, port: int, deadline: Deadline) -> list[str]:
    """Return the addresses of a host, in the order in which to try them; at least one.

    Raises:
        OSError: it has none.
        TimeoutError: no name server answers in time.
    """
    found = in_time(
        lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM), deadline.left()
    )
    return [str(entry[4][0]) for entry in found]


def is_public(address: str) -> bool:
    """Return whether an address leads to the internet, not to this machine or network.

    An IPv4 address that is wrapped into one of IPv6 counts as itself.
    """
    found = ipaddress.ip_address(address)
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour
        if found in TRANSLATED:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return found.is_global and not found.is_multicast


def is_private_literal(host: str) -> bool:
    """Return whether a host, as it is written, is this machine or a private address."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return not is_public(host)


def port_of(parts: SplitResult) -> int:
    """Return the port of an http(s) URL."""
    return parts.port or PORTS[parts.scheme]


def is_among(parts: SplitResult, hosts: Sequence[str]) -> bool:
    """Return whether a list of `HOST` and `HOST:PORT` holds the URL's host."""
    host = parts.hostname or ""
    return bool({host, f"{host}:{port_of(parts)}"} & set(hosts))


def as_url_host(address: str) -> str:
    """Return the address as a URL has it."""
    return f"[{address}]" if ":" in address else address
