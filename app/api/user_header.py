"""The name in the header of a proxy that signs people in, such as one for OpenID Connect."""

import ipaddress

from fastapi import Request

from app.config import Settings


def named_by_proxy(request: Request) -> str | None:
    """Return whom the proxy has signed in; None: none does, or the request is not from there."""
    settings: Settings = request.app.state.settings
    if settings.user_header is None:
        return None
    name = request.headers.get(settings.user_header)
    return name and _as_utf8(name) if _is_from(request, settings.user_header_from) else None


def _is_from(request: Request, networks: tuple[str, ...]) -> bool:
    client = request.client.host if request.client else ""
    try:
        address = ipaddress.ip_address(request.scope.get("peer", client))
    except ValueError:
        return False
    return any(address in ipaddress.ip_network(network, strict=False) for network in networks)


def _as_utf8(value: str) -> str:
    """Return a header's value, which was read as Latin-1, as the UTF-8 that proxies send."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeDecodeError:
        return value
