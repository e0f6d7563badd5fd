"""Routes of flags."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.api.bodies import Route
from app.api.deps import AdminDep, AnnotatorIdDep, ProjectDep, ProjectIdDep, SessionDep, SettingsDep
from app.api.even_time import EvenSessionDep
from app.db.queries import flags
from app.domain.errors import NotFound
from app.presenters.flags import present_flag
from app.schemas.answers import AnswersOut
from app.schemas.bodies import problems
from app.schemas.flags import FlagPage, FlagsIn
from app.services.flags import flag_items

router = APIRouter(prefix="/projects/{project}", tags=["labeling"], route_class=Route)


@router.post("/flags", summary="Flag items", responses=problems(403, 404, 409))
def flag(
    body: FlagsIn,
    session: EvenSessionDep,
    project: ProjectIdDep,
    annotator_id: AnnotatorIdDep,
    settings: SettingsDep,
) -> AnswersOut:
    """Flag items that the annotator holds or has labeled; nothing else changes."""
    outcomes = flag_items(session, project, annotator_id, body.item_ids, body.comment, settings)
    return AnswersOut.model_validate({"results": outcomes})


@router.get("/flags", summary="List flags", responses=problems(403, 404))
def list_flags(
    session: SessionDep,
    project: ProjectDep,
    _admin: AdminDep,
    cursor: Annotated[int, Query(ge=0, le=2**53)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    open_: Annotated[bool, Query(alias="open", description="Only those not closed.")] = True,  # noqa: FBT002 - a query parameter
) -> FlagPage:
    """Return annotators' flags, oldest first."""
    page = flags.page(session, project.id, cursor, limit, only_open=open_)
    return FlagPage(
        flags=[present_flag(flag, name) for flag, name in page],
        next_cursor=page[-1][0].id if len(page) == limit else None,
    )


@router.post(
    "/flags/{flag}/close", status_code=204, summary="Close a flag", responses=problems(403, 404)
)
def close_flag(session: SessionDep, project: ProjectIdDep, _admin: AdminDep, flag: int) -> None:
    """Close a flag; it leaves the list and the export."""
    if not flags.close(session, project, flag):
        raise NotFound("flag", flag)
