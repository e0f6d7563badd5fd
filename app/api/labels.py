"""Routes of labels: submit, undo, export, history."""

from fastapi import APIRouter, Response

from app.api.bodies import Route
from app.api.deps import AdminDep, AnnotatorIdDep, ProjectDep, ProjectIdDep, SessionDep, SettingsDep
from app.api.even_time import EvenSessionDep
from app.api.responses import rendered
from app.db.queries import labels as queries
from app.domain.errors import NotFound
from app.presenters.labels import present_history
from app.schemas.answers import AnswersOut, ItemsIn
from app.schemas.bodies import problems
from app.schemas.labels import LabelHistoryOut, LabelsIn
from app.services.labels import LabelEntry, submit_labels, withdraw_labels

router = APIRouter(prefix="/projects/{project}", tags=["labeling"], route_class=Route)


@router.post(
    "/labels",
    summary="Submit labels",
    response_model=AnswersOut,
    responses=problems(403, 404, 409),
)
def submit(
    body: LabelsIn,
    session: EvenSessionDep,
    project: ProjectIdDep,
    annotator_id: AnnotatorIdDep,
    settings: SettingsDep,
) -> Response:
    """Take 1 to 1,000 labels; the valid ones are kept, the refused are listed with a code.

    Sending again is safe: the same class is `unchanged`, another one `revised`.
    """
    entries = [LabelEntry(e.item_id, e.class_, e.seconds) for e in body.labels]
    outcomes = submit_labels(session, project, annotator_id, entries, settings)
    session.commit()  # others wait for the project's lock
    return rendered(AnswersOut.model_validate({"results": outcomes}))


@router.post("/labels/withdraw", summary="Undo labels", responses=problems(403, 404, 409))
def withdraw(
    body: ItemsIn,
    session: EvenSessionDep,
    project: ProjectIdDep,
    annotator_id: AnnotatorIdDep,
    settings: SettingsDep,
) -> AnswersOut:
    """Withdraw your own labels; the items are leased to you again."""
    outcomes = withdraw_labels(session, project, annotator_id, body.item_ids, settings)
    return AnswersOut.model_validate({"results": outcomes})


@router.get("/items/{item}/labels", summary="An item's labels", responses=problems(403, 404))
def read_history(
    session: SessionDep, project: ProjectDep, _admin: AdminDep, item: int
) -> list[LabelHistoryOut]:
    """Return every label that the item was given, withdrawn ones too, with replaced classes."""
    if item not in queries.items_of_project(session, project.id, [item]):
        raise NotFound("pool item", item)
    given = queries.given_labels(session, [item], with_withdrawn=True).get(item, [])
    earlier = queries.earlier_classes(session, [g.label.id for g in given])
    return [present_history(g, project.classes, earlier.get(g.label.id, [])) for g in given]
