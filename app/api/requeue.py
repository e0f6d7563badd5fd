"""Routes that hand items out again, to everybody or to a named annotator."""

from fastapi import APIRouter

from app.api.bodies import Route
from app.api.deps import AdminDep, ProjectIdDep, SessionDep, SettingsDep
from app.schemas.answers import AnswersOut, ItemsIn
from app.schemas.bodies import problems
from app.schemas.requeue import ReassignIn
from app.services.requeue import reassign_items, requeue_items
from app.services.second_opinions import ask_second_opinions

router = APIRouter(prefix="/projects/{project}", tags=["labeling"], route_class=Route)


@router.post("/requeue", summary="Hand items out again", responses=problems(403, 404, 409))
def requeue(
    body: ItemsIn,
    session: SessionDep,
    project: ProjectIdDep,
    _admin: AdminDep,
    settings: SettingsDep,
) -> AnswersOut:
    """Withdraw all labels of these items, kept as history, and hand the items out again."""
    outcomes = requeue_items(session, project, body.item_ids, settings)
    return AnswersOut.model_validate({"results": outcomes})


@router.post(
    "/second-opinions", summary="Ask for second opinions", responses=problems(403, 404, 409)
)
def second_opinions(
    body: ItemsIn,
    session: SessionDep,
    project: ProjectIdDep,
    _admin: AdminDep,
    settings: SettingsDep,
) -> AnswersOut:
    """Hand labeled items to one more annotator; their labels stay, and are weighed with it."""
    outcomes = ask_second_opinions(session, project, body.item_ids, settings)
    return AnswersOut.model_validate({"results": outcomes})


@router.post("/reassign", summary="Reassign items", responses=problems(403, 404, 409))
def reassign(
    body: ReassignIn,
    session: SessionDep,
    project: ProjectIdDep,
    _admin: AdminDep,
    settings: SettingsDep,
) -> AnswersOut:
    """Reserve a label of each of these open items for one annotator, whoever holds it now."""
    outcomes = reassign_items(session, project, body.item_ids, body.annotator, settings)
    return AnswersOut.model_validate({"results": outcomes})
