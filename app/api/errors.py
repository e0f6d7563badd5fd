"""The one table from error codes to HTTP, and every error as application/problem+json."""

from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DataError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from structlog.contextvars import get_contextvars

from app.domain import errors
from app.domain.errors import DomainError

Handler = Callable[[Request, Exception], Awaitable[JSONResponse]]
Render = Callable[[Request, JSONResponse], Response]
HTTP_STATUS: dict[type[DomainError], int] = {
    errors.NotFound: 404,
    errors.TransitionNotAllowed: 409,
    errors.NotAuthenticated: 401,
    errors.NotAllowed: 403,
    errors.ImageUrlInvalid: 403,
    errors.ImageUrlExpired: 403,
    errors.InvitationEnded: 404,
    errors.InvalidName: 422,
    errors.TooManyAnnotators: 403,
    errors.InvalidProject: 422,
    errors.CoreSetInvalid: 422,
    errors.AnalysisInvalid: 422,
    errors.AnalysisNotReady: 409,
    errors.FeaturesInvalid: 422,
    errors.CoreSetNotReady: 409,
    errors.ExportInvalid: 422,
    errors.ExportTooLarge: 409,
    errors.LabelExportNotReady: 409,
    errors.NameTaken: 409,
    errors.ProjectNotStartable: 409,
    errors.ProjectNotAccepting: 409,
    errors.ProjectArchived: 409,
    errors.DeletionNotConfirmed: 422,
    errors.AnnotatorPaused: 403,
    errors.RoundNotEndable: 409,
    errors.NoNewLabels: 409,
    errors.BudgetSpent: 409,
    errors.ModelNotReady: 404,
    errors.PredictionNotPossible: 409,
    errors.PredictionsNotServed: 503,
    errors.NothingToTrainOn: 409,
    errors.ItemInvalid: 422,
    errors.ImportRefused: 422,
    errors.BodyTooLarge: 413,
    errors.BodyInvalid: 400,
    errors.StorageFull: 507,
    errors.ArtifactMissing: 410,
    errors.JobFenced: 409,
    errors.TooManyStreams: 429,
    errors.WebhookInvalid: 422,
    errors.WebhookDisabled: 409,
    errors.ServiceBusy: 503,
    errors.LabelStudioAway: 503,
    errors.LabelStudioRefused: 409,
    errors.LabelStudioHostRefused: 409,
    errors.LabelStudioProjectGone: 409,
    errors.LabelStudioClassesDiffer: 409,
    errors.LabelStudioNotConnected: 409,
    errors.LabelStudioBusy: 409,
    errors.DatabaseNotUsable: 503,
    errors.NotReady: 503,
}
TITLES = {
    400: "Bad request",
    401: "Not authenticated",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    410: "Gone",
    413: "Content too large",
    415: "Unsupported media type",
    422: "Invalid request",
    429: "Too many requests",
    500: "Internal error",
    503: "Not ready",
    507: "Storage full",
}
CODES = {
    400: "body_invalid",
    404: "path_not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "media_type_unsupported",
}
# SQLSTATE of values that no column holds: a number too large, a NUL character (found by the driver,
# without a state), characters that are not UTF-8, an instant out of range.
UNSTORABLE = frozenset({"22003", "22008", "22021", "22P05", None})
RETRY_AFTER_SECONDS = 5
MAX_DETAIL = 2000
MAX_FAULTS = 100  # of a request that pydantic refuses
MAX_FIELD = 200
HEADERS = {
    401: {"WWW-Authenticate": "Bearer"},
    429: {"Retry-After": str(RETRY_AFTER_SECONDS)},
    503: {"Retry-After": str(RETRY_AFTER_SECONDS)},
    507: {"Retry-After": str(RETRY_AFTER_SECONDS)},
}
# SQLSTATE of what Postgres gave up on because it took too long, and what that was.
TIMED_OUT = {
    "55P03": "Another request holds what this one needs, longer than SVP_LOCK_TIMEOUT_SECONDS.",
    "57014": "The database took longer than SVP_STATEMENT_TIMEOUT_SECONDS.",
    "25P03": "The request paused for longer than SVP_IDLE_TRANSACTION_SECONDS.",
}
TAKEN = ("application/json", "application/x-ndjson", "multipart/form-data")
DETAILS = {
    404: "There is no such path; /api/v1/openapi.json lists all that exist.",
    405: "This path does not take this method; /api/v1/openapi.json lists what it takes.",
}


def problem(
    status: int, code: str, detail: str, headers: dict[str, str] | None = None, **extra: Any
) -> JSONResponse:
    """Return an application/problem+json response (RFC 9457) with a stable `code`."""
    if len(detail) > MAX_DETAIL:
        detail = f"{detail[:MAX_DETAIL]}..."
    body = {
        "type": f"urn:svp:error:{code}",
        "title": TITLES.get(status, "Error"),
        "status": status,
        "code": code,
        "detail": detail,
        "request_id": get_contextvars().get("request_id"),
        **extra,
    }
    return JSONResponse(body, status, headers, media_type="application/problem+json")


def add_error_handlers(app: FastAPI, render: Render = lambda _, found: found) -> None:
    """Let the application answer every error as a problem, or as what `render` makes of it.

    The handlers are async, although none waits: for others Starlette takes a thread, and an error
    must be answered even if requests hold all threads.
    """
    # The driver's own, too: COPY does not go through SQLAlchemy.
    raw = (psycopg.OperationalError, psycopg.InterfaceError)
    absences = (OperationalError, InterfaceError, PoolTimeout, *raw)
    handlers: dict[type[Exception], Handler] = {
        DomainError: _domain_error,
        RequestValidationError: _validation_error,
        HTTPException: _http_error,
        DataError: _unstorable_value,
        ClientDisconnect: _client_gone,
        **dict.fromkeys(absences, _database_away),
        InternalError: _database_failed,
        Exception: _unexpected_error,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, _rendering(handler, render))


def _rendering(
    handler: Handler, render: Render
) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def answer(request: Request, error: Exception) -> Response:
        return render(request, await handler(request, error))

    return answer


async def _domain_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, DomainError)  # noqa: S101 - registered for it
    code = error.item_code if isinstance(error, errors.ItemInvalid) else error.code
    status = HTTP_STATUS[type(error)]
    headers = HEADERS.get(status)
    extra: dict[str, Any] = {}
    if isinstance(error, errors.ImportRefused):
        extra = {"errors": error.faults}
    elif isinstance(error, errors.NotReady):
        extra = {"parts": error.parts}
    return problem(status, code, error.detail, headers, **extra)


async def _validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it
    faults = [
        {
            "field": ".".join(str(part)[:MAX_FIELD] for part in fault["loc"]),
            "message": fault["msg"][:MAX_DETAIL],
        }
        for fault in error.errors()[:MAX_FAULTS]
    ]
    first = faults[0] if faults else {"field": "body", "message": "unreadable"}
    detail = f"{first['field']}: {first['message']}. Correct it and send the request again."
    if request.method != "GET" and not request.headers.get("Content-Type", "").startswith(TAKEN):
        detail = "Send JSON with the header Content-Type: application/json."
    return problem(422, "request_invalid", detail, errors=faults)


async def _http_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
    code = CODES.get(error.status_code, "request_invalid")
    headers = dict(error.headers) if error.headers else None
    detail = str(error.detail)
    if error.status_code in DETAILS and detail in {"Not Found", "Method Not Allowed"}:
        detail = DETAILS[error.status_code]
    return problem(error.status_code, code, detail, headers)


async def _unstorable_value(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, DataError)  # noqa: S101 - registered for it
    if getattr(error.orig, "sqlstate", None) not in UNSTORABLE:
        return await _unexpected_error(request, error)
    detail = f"A value cannot be stored: {error.orig}. Correct it and send the request again."
    return problem(422, "request_invalid", detail)


async def _database_failed(request: Request, error: Exception) -> JSONResponse:
    is_known = _timed_out(error) is not None
    return await (_database_away if is_known else _unexpected_error)(request, error)


def _timed_out(error: Exception) -> str | None:
    """Return what took too long, if that is why Postgres gave up."""
    return TIMED_OUT.get(getattr(getattr(error, "orig", error), "sqlstate", None) or "")


async def _database_away(request: Request, error: Exception) -> JSONResponse:
    reason = str(error).splitlines()[0]
    timed_out = _timed_out(error)
    if timed_out is not None:
        structlog.get_logger().warning("request.timed_out", path=request.url.path, reason=reason)
        detail = f"{timed_out} Nothing was done; send the request again later."
        return problem(503, errors.ServiceBusy.code, detail, HEADERS[503])
    structlog.get_logger().warning("request.database_away", path=request.url.path, reason=reason)
    detail = (
        "The database does not answer. Send the request again; what it did before is kept or "
        "undone as a whole, so repeating is safe."
    )
    return problem(503, errors.DatabaseNotUsable.code, detail, HEADERS[503])


async def _client_gone(request: Request, _error: Exception) -> JSONResponse:
    structlog.get_logger().info("request.cut_off", path=request.url.path)
    return problem(400, "body_invalid", "The body ended early; send the request again.")


async def _unexpected_error(request: Request, error: Exception) -> JSONResponse:
    structlog.get_logger().error("request.failed", path=request.url.path, exc_info=error)
    return problem(
        500, "internal_error", "The service failed; report this with the request_id shown."
    )
