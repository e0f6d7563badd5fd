"""The route of skips."""

from fastapi import APIRouter

from app.api.bodies import Route
from app.api.deps import AnnotatorIdDep, ProjectIdDep, SettingsDep
from app.api.even_time import EvenSessionDep
from app.schemas.answers import AnswersOut
from app.schemas.bodies import problems
from app.schemas.skips import SkipsIn
from app.services.skips import submit_skips

router = APIRouter(prefix="/projects/{project}", tags=["labeling"], route_class=Route)


@router.post("/skips", summary="Skip items", responses=problems(403, 404, 409))
def skip(
    body: SkipsIn,
    session: EvenSessionDep,
    project: ProjectIdDep,
    annotator_id: AnnotatorIdDep,
    settings: SettingsDep,
) -> AnswersOut:
    """Take items out of their batch; the next reserve item takes the place of each."""
    outcomes = submit_skips(
        session, project, annotator_id, body.item_ids, body.reason, settings, body.comment
    )
    return AnswersOut.model_validate({"results": outcomes})
