"""Routes of health: the only ones that answer without a token."""

import asyncio

import structlog
from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from app.api.admission import Admission
from app.domain.errors import NotReady, ServiceBusy
from app.schemas.bodies import PROBLEM_REF
from app.services.readiness import find_faults

PLACE_SECONDS = 2.0
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
async def ready(request: Request) -> Health:
    """Answer 200 if the service can do all its work, else 503.

    That is: the database answers, the disks have room, new bytes can be stored, the broker
    answers, a worker is there, and requests get their turn.
    """
    state = request.app.state
    faults = await run_in_threadpool(
        find_faults, state.session_factory, state.store, state.settings
    )
    if not await _gets_a_place(state.admission):
        faults["admission"] = f"requests wait for more than {PLACE_SECONDS:.0f} s"
    if faults:
        structlog.get_logger().warning("health.not_ready", **faults)
        raise NotReady("; ".join(f"{part}: {why}" for part, why in faults.items()))
    return Health()


async def _gets_a_place(admission: Admission) -> bool:
    try:
        async with asyncio.timeout(PLACE_SECONDS), admission.database.take("readiness"):
            return True
    except (TimeoutError, ServiceBusy):
        return False
