"""Tells requests of the service's own pages from those that other sites' pages let a browser send.

A cookie travels with both; only one's own pages may change anything.
"""

from urllib.parse import urlsplit

from fastapi import Request

from app.domain.errors import NotAllowed

OWN = frozenset({"same-origin", "none"})  # none: an address that its reader typed


def check_origin(request: Request) -> None:
    """Refuse a request that a page of another site made.

    Browsers say so in Sec-Fetch-Site, over plain HTTP only in Origin.

    Raises:
        NotAllowed: another site's page made it, or nothing says whose did.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        is_own = site in OWN
    else:
        origin = urlsplit(request.headers.get("origin", "")).netloc
        is_own = bool(origin) and origin == request.headers.get("host")
    if not is_own:
        raise NotAllowed(
            "The request does not come from a page of this service. Open the page here and try "
            "again; a proxy in front must pass on the Host header, a program needs a token."
        )
