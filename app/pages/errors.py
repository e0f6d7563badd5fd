"""Errors as pages: the sentence of the API's problem, and what to do."""

import json
from typing import Any
from urllib.parse import quote

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from app.db.queries.tokens import Caller
from app.pages.page import Page

TITLES = {
    403: "You may not do this",
    404: "There is no such page",
    405: "This page does not take this",
    409: "That does not go now",
    413: "That is too large",
    422: "Something is missing or wrong",
    500: "The service failed",
    503: "The service is busy or starting",
    507: "The disk is full",
}


def wants_page(request: Request) -> bool:
    """Return whether a browser asks for a page, not a program or script for the API."""
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    return not path.startswith("/api/") and "text/html" in request.headers.get("accept", "")


def render_error(request: Request, problem: JSONResponse) -> Response:
    """Return the API's problem as a page, where a browser asks for one."""
    if not wants_page(request):
        return problem
    caller: Caller | None = getattr(request.state, "caller", None)
    page = Page(request, caller)
    if problem.status_code == 401:
        return _to_sign_in(page)
    body: dict[str, Any] = json.loads(bytes(problem.body))
    title = TITLES.get(problem.status_code, body["title"])
    answer = page.render("error.html", problem.status_code, title=title, problem=body)
    if "retry-after" in problem.headers:
        answer.headers["Retry-After"] = problem.headers["retry-after"]
    return answer


def _to_sign_in(page: Page) -> Response:
    """Send the browser to the sign-in page, which leads back here."""
    path = page.request.scope["path"].removeprefix(page.request.scope.get("root_path", ""))
    if page.request.method != "GET" or path == "/":
        return page.redirect("/sign-in")
    return page.redirect(f"/sign-in?next={quote(path)}")
