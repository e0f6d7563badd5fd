"""Routes of health: the only ones that answer without a token."""

import structlog
from fastapi import APIRouter, Request
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.db.session import transaction
from app.domain.errors import DatabaseNotUsable, StorageFull
from app.schemas.bodies import PROBLEM_REF

router = APIRouter(prefix="/health", tags=["health"])


class Health(BaseModel):
    """The service answers."""

    status: str = "ok"


@router.get("/live", summary="Is the process alive?")
def live() -> Health:
    """Answer as long as the process serves requests."""
    return Health()


@router.get(
    "/ready",
    summary="Can it serve?",
    responses={
        503: {
            "description": "Not ready",
            "content": {"application/problem+json": {"schema": {"$ref": PROBLEM_REF}}},
        }
    },
)
def ready(request: Request) -> Health:
    """Answer 200 if the database answers and the artifact store can be written, else 503."""
    try:
        with transaction(request.app.state.session_factory) as session:
            session.execute(text("SELECT 1"))
        request.app.state.store.check_writable()
    except (SQLAlchemyError, OSError, StorageFull) as error:
        structlog.get_logger().warning("health.not_ready", reason=str(error))
        raise DatabaseNotUsable(
            f"Not ready: {type(error).__name__}. Check the database and the artifact store."
        ) from None
    return Health()
