"""Routes of rounds and the learning curve."""

from fastapi import APIRouter

from app.api.deps import ProjectDep, SessionDep
from app.db.queries import rounds
from app.db.tables import ModelRole
from app.domain.errors import NotFound
from app.schemas.common import problems
from app.schemas.progress import CurvePoint, RoundOut

router = APIRouter(prefix="/projects/{project}", tags=["progress"])


@router.get("/rounds", summary="List rounds", responses=problems(404))
def list_rounds(session: SessionDep, project: ProjectDep) -> list[RoundOut]:
    """Return every round in order."""
    return [RoundOut.model_validate(r) for r in rounds.list_all(session, project.id)]


@router.get("/rounds/{number}", summary="Read a round", responses=problems(404))
def read_round(session: SessionDep, project: ProjectDep, number: int) -> RoundOut:
    """Return one round by its number from 0."""
    round_ = rounds.get(session, project.id, number)
    if round_ is None:
        raise NotFound("round", number)
    return RoundOut.model_validate(round_)


@router.get("/learning-curve", summary="Accuracy by labels", responses=problems(404))
def learning_curve(session: SessionDep, project: ProjectDep) -> list[CurvePoint]:
    """Return every model's accuracy on the evaluation split, oldest first."""
    return [
        CurvePoint(
            model_id=model.id,
            role=ModelRole(model.role),
            round=model.round_number,
            n_labeled=model.n_labeled,
            accuracy=model.metrics.get("accuracy"),
            seconds=model.seconds,
        )
        for model in rounds.models_of(session, project.id)
    ]
