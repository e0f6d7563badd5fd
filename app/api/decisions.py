"""The route of decisions: a lead says of which class items are."""

from fastapi import APIRouter

from app.api.bodies import Route
from app.api.deps import AdminDep, ProjectIdDep, SessionDep, SettingsDep
from app.schemas.answers import AnswersOut
from app.schemas.bodies import problems
from app.schemas.decisions import DecisionsIn
from app.services.decisions import decide_labels

router = APIRouter(prefix="/projects/{project}", tags=["labeling"], route_class=Route)


@router.post("/decisions", summary="Decide labels", responses=problems(403, 404, 409))
def decide(
    body: DecisionsIn,
    session: SessionDep,
    project: ProjectIdDep,
    admin: AdminDep,
    settings: SettingsDep,
) -> AnswersOut:
    """Give selected items their class, whatever annotators gave; it stands as an adjudication.

    The labels of annotators are kept. The decision can be revised by the same caller.
    """
    classes = {each.item_id: each.class_ for each in body.decisions}
    outcomes = decide_labels(session, project, admin.annotator_id, classes, settings)
    return AnswersOut.model_validate({"results": outcomes})
