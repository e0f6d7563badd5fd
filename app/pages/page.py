"""How a page finds its caller, checks the caller's right, and answers: see CONTRIBUTING.md.

@router.get("/projects/{project}/gold")
def gold(page: ReadPage, session: SessionDep, project: ProjectDep) -> Response:
    return page.render("gold.html", project=project, gold=...)
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote, unquote

from fastapi import Depends, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute

from app.api.bodies import Body, BoundedRequest
from app.api.deps import READING, check_right, get_caller, path_project
from app.api.origin import check_origin
from app.config import Settings
from app.db.queries.tokens import Caller
from app.domain.errors import NotAuthenticated
from app.domain.roles import Right
from app.pages.environment import ENVIRONMENT

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    # Without any referrer a browser would not say in Origin where a form was sent from.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
FLASH_COOKIE = "svp_flash"
FLASH_SECONDS = 60
MAX_FLASH = 1000


class PageRoute(APIRoute):
    """A route of a page: its forms come from pages of this service, within the limits of bodies."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what serves one request."""
        serve = super().get_route_handler()
        is_large = getattr(self.endpoint, "takes_large_bodies", False)

        async def serve_own(request: Request) -> Response:
            if request.method in READING:
                return await serve(request)
            check_origin(request)
            settings: Settings = request.app.state.settings
            body = Body(request, settings, is_large=is_large)
            return await serve(BoundedRequest(request.scope, body))

        return serve_own


@dataclass(frozen=True)
class Page:
    """One request of a page: who asks, and how to answer.

    Attributes:
        request: the request.
        caller: who is signed in; None on the pages that let people in, and on errors.
    """

    request: Request
    caller: Caller | None = None

    @property
    def known_caller(self) -> Caller:
        """Who is signed in, on the pages that nobody else reaches."""
        assert self.caller is not None  # noqa: S101 - their dependency refuses others
        return self.caller

    @property
    def project_id(self) -> int | None:
        """The path's project."""
        return path_project(self.request)

    @property
    def is_fragment(self) -> bool:
        """Whether htmx asks, for a part of a page."""
        return self.request.headers.get("hx-request") == "true"

    def may(self, right: str, project_id: int | None = None) -> bool:
        """Return whether the caller has the right there; by default in the path's project."""
        wanted = self.project_id if project_id is None else project_id
        return self.caller is not None and self.caller.may(Right(right), wanted)

    def url(self, path: str) -> str:
        """Return the address of a path of this service, below the prefix of a proxy."""
        return f"{self.request.scope.get('root_path', '')}{path}"

    def render(self, template: str, status: int = 200, **context: Any) -> HTMLResponse:
        """Return a template as the answer; it also knows `page`, `url` and `flash`."""
        flash = "" if self.is_fragment else self._flash()
        known = {"page": self, "caller": self.caller, "url": self.url, "flash": flash}
        html = ENVIRONMENT.get_template(template).render({**known, **context})
        response = HTMLResponse(html, status, HEADERS)
        if flash:
            response.delete_cookie(FLASH_COOKIE, path=self.url("/"))
        return response

    def _flash(self) -> str:
        """Return what the last form said; only a whole page shows it, so only that takes it."""
        return unquote(self.request.cookies.get(FLASH_COOKIE, ""))[:MAX_FLASH]

    def redirect(self, path: str, flash: str = "") -> Response:
        """Send the browser on to a path of this service; the page there shows `flash` once."""
        target = self.url(path)
        if self.is_fragment:
            response = Response(status_code=204, headers={**HEADERS, "HX-Redirect": target})
        else:
            response = RedirectResponse(target, 303, HEADERS)
        if flash:
            self.set_cookie(response, FLASH_COOKIE, quote(flash[:MAX_FLASH]), FLASH_SECONDS)
        return response

    def set_cookie(self, response: Response, name: str, value: str, seconds: float) -> None:
        """Let the browser keep a value that no script reads and no other site's form sends."""
        response.set_cookie(
            name,
            value,
            max_age=round(seconds),
            path=self.url("/"),
            httponly=True,
            samesite="lax",
            secure=self.request.url.scheme == "https",
        )


async def get_open_page(request: Request) -> Page:
    """Return a page for everybody; its caller is known if somebody is signed in."""
    try:
        return Page(request, await get_caller(request, None))
    except NotAuthenticated:
        return Page(request)


async def get_page(request: Request) -> Page:
    """Return a page for everybody who is signed in."""
    return Page(request, await get_caller(request, None))


def needing(right: Right) -> Callable[[Request], Coroutine[Any, Any, Page]]:
    """Return the dependency that gives a page to those with this right in the path's project."""

    async def get_allowed_page(request: Request) -> Page:
        page = await get_page(request)
        check_right(page.known_caller, right, page.project_id)
        return page

    return get_allowed_page


OpenPage = Annotated[Page, Depends(get_open_page)]
SignedInPage = Annotated[Page, Depends(get_page)]
LabelPage = Annotated[Page, Depends(needing(Right.LABEL))]
ReadPage = Annotated[Page, Depends(needing(Right.READ))]
LeadPage = Annotated[Page, Depends(needing(Right.LEAD))]
AdminPage = Annotated[Page, Depends(needing(Right.SERVE))]
