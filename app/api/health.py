"""Routes of health: the only ones that answer without a token."""

import asyncio
from functools import partial

import structlog
from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.datastructures import State

from app.api.admission import Admission
from app.config import Settings
from app.domain.errors import NotReady, ServiceBusy
from app.schemas.bodies import PROBLEM_REF
from app.services.readiness import find_faults

router = APIRouter(prefix="/health", tags=["health"])


class Health(BaseModel):
    """The service answers."""

    status: str = "ok"


@router.get("/live", summary="Is the process alive?")
async def live() -> Health:
    """Answer as long as the process serves requests; takes no thread, which others may hold."""
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
    answers, a worker is there, and requests get their turn. A part that does not answer within
    seconds is a fault: this answers in any case.
    """
    settings: Settings = request.app.state.settings
    faults = await _find_faults(request.app.state)
    seconds = settings.readiness_place_seconds
    if not await _gets_a_place(request.app.state.admission, seconds):
        faults["admission"] = f"requests wait for more than {seconds:g} s"
    if faults:
        structlog.get_logger().warning("health.not_ready", **faults)
        raise NotReady(faults)
    return Health()


async def _find_faults(state: State) -> dict[str, str]:
    asked: list[str] = []
    ask = partial(find_faults, state.session_factory, state.store, state.settings, asked)
    threads: CapacityLimiter = state.admission.health
    seconds: float = state.settings.readiness_part_seconds
    try:
        async with asyncio.timeout(seconds):
            return await to_thread.run_sync(ask, limiter=threads, abandon_on_cancel=True)
    except TimeoutError:
        part = asked[-1] if asked else "health"
        return {part: f"there was no answer within {seconds:g} s"}


async def _gets_a_place(admission: Admission, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds), admission.database.take("readiness"):
            return True
    except (TimeoutError, ServiceBusy):
        return False
