"""Pages that let people in and out."""

from typing import Annotated

from fastapi import APIRouter, Form, Query, Response

from app.api.deps import SESSION_COOKIE, SessionDep, SettingsDep
from app.domain.errors import NotAuthenticated
from app.pages.page import OpenPage, PageRoute, SignedInPage
from app.services.web_sessions import sign_in_by_link, sign_in_by_token, sign_out

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Secret = Annotated[str, Form(max_length=200)]
Next = Annotated[str, Form(max_length=500)]


@router.get("/sign-in")
def sign_in(
    page: OpenPage,
    code: Annotated[str, Query(max_length=200)] = "",
    next: Annotated[str, Query(max_length=500)] = "/",  # noqa: A002 - a query parameter
) -> Response:
    """Show how to get in; with the code of a link, a button that uses it.

    A link is used up by a form alone: programs that look at links in messages send no forms.
    """
    return page.render("sign_in.html", code=code, next=_own_path(next), fault="")


@router.post("/sign-in")
def submit_sign_in(  # noqa: PLR0913, PLR0917 - the fields of a form
    page: OpenPage,
    session: SessionDep,
    settings: SettingsDep,
    code: Secret = "",
    token: Secret = "",
    next: Next = "/",  # noqa: A002 - a field's name
) -> Response:
    """Begin a session, by a link's code or with a token."""
    try:
        if code:
            secret = sign_in_by_link(session, code, settings)
        else:
            secret = sign_in_by_token(session, token.strip(), settings)
    except NotAuthenticated as error:
        shown = {"code": "", "next": _own_path(next), "fault": error.detail}
        return page.render("sign_in.html", 403, **shown)
    response = page.redirect(_own_path(next))
    page.set_cookie(response, SESSION_COOKIE, secret, settings.session_days * 86_400)
    return response


@router.post("/sign-out")
def submit_sign_out(
    page: SignedInPage,
    session: SessionDep,
    everywhere: Annotated[bool, Form()] = False,  # noqa: FBT002 - a field of a form
) -> Response:
    """End the caller's session, or all of theirs."""
    sign_out(session, page.known_caller, everywhere=everywhere)
    words = "You are signed out on every device." if everywhere else "You are signed out."
    response = page.redirect("/sign-in", flash=words)
    response.delete_cookie(SESSION_COOKIE, path=page.url("/"))
    return response


def _own_path(path: str) -> str:
    """Return the path if it leads to a page of this service, else the first page."""
    is_own = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if is_own else "/"
