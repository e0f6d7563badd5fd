"""The route of the stopping advice."""

from dataclasses import asdict

from fastapi import APIRouter

from app.api.bodies import Route
from app.api.deps import AdminDep, ProjectDep, SessionDep
from app.domain.learning_curve import Share
from app.domain.states import LABEL_ACCEPTING_PROJECT_STATES, ProjectState
from app.schemas.advice import AdviceOut, GainOut, MeasuredRoundOut, ShareOut, StabilityOut
from app.schemas.bodies import problems
from app.services.advice import ProjectAdvice, read_advice
from app.services.lifecycle import n_next_batch

router = APIRouter(prefix="/projects/{project}", tags=["progress"], route_class=Route)


@router.get("/advice", summary="Label more, or stop", responses=problems(403, 404))
def read_stopping_advice(session: SessionDep, project: ProjectDep, _admin: AdminDep) -> AdviceOut:
    """Return whether labeling more is worth it, why, and what was measured of each round."""
    takes_labels = project.state in {*LABEL_ACCEPTING_PROJECT_STATES, ProjectState.DRAFT}
    return render_advice(
        read_advice(session, project, n_next_batch(session, project) if takes_labels else 0)
    )


def render_advice(found: ProjectAdvice) -> AdviceOut:
    """Return the advice as the API shows it."""
    return AdviceOut(
        advice=found.advice.verdict,
        reasons=list(found.advice.reasons),
        expected_gain=GainOut(**asdict(found.gain)) if found.gain else None,
        measured_on=found.measured_on,
        rounds=[
            MeasuredRoundOut(
                round=measured.round_.number,
                model_id=measured.model.id,
                proxy=measured.model.name,
                n_labeled=measured.model.n_labeled,
                evaluation=_share(measured.evaluation),
                control=_share(measured.control),
                stability=StabilityOut(**measured.stability) if measured.stability else None,
            )
            for measured in found.rounds
        ],
    )


def _share(share: Share | None) -> ShareOut | None:
    if share is None:
        return None
    low, high = share.interval
    return ShareOut(accuracy=share.value, low=low, high=high, n=share.n)
