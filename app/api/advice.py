"""Routes of advice: whether to stop labeling, and which proxy to take."""

from fastapi import APIRouter
from sqlalchemy.orm import Session

from app.api.bodies import Route
from app.api.deps import AdminDep, ProjectDep, ProjectIdDep, SessionDep, SettingsDep
from app.api.recent import Recent, RecentDep
from app.db.queries import analyses, events, projects
from app.db.tables import AnalysisKind, Project
from app.domain.states import LABEL_ACCEPTING_PROJECT_STATES, ProjectState
from app.presenters.advice import present_advice
from app.presenters.jobs import present_with_job
from app.schemas.advice import AdviceOut
from app.schemas.bodies import problems
from app.schemas.proxy_advice import ProxyAdviceIn, ProxyAdviceOut
from app.services import proxy_advice
from app.services.advice import read_advice
from app.services.budget import n_next_batch
from app.services.projects import ModelChoice

router = APIRouter(prefix="/projects/{project}", tags=["progress"], route_class=Route)


@router.get("/advice", summary="Read stopping advice", responses=problems(403, 404))
def read_stopping_advice(
    session: SessionDep, project: ProjectDep, _admin: AdminDep, recent: RecentDep
) -> AdviceOut:
    """Return whether labeling more is worth it, why, and what was measured of each round."""
    return advice_of(session, project, recent)


def advice_of(session: Session, project: Project, recent: Recent) -> AdviceOut:
    """Return the advice for the batch that would come next, as of the project's newest event."""
    project_id = project.id

    def count(other: Session) -> AdviceOut:
        return _advice(other, projects.get(other, project_id))

    version = events.newest_of(session, project_id)
    return recent.read("advice", project, count, session, version)


def _advice(session: Session, project: Project) -> AdviceOut:
    takes_labels = project.state in {*LABEL_ACCEPTING_PROJECT_STATES, ProjectState.DRAFT}
    n_next = n_next_batch(session, project) if takes_labels else 0
    return present_advice(read_advice(session, project, n_next))


@router.post(
    "/advice/proxy", status_code=202, summary="Ask for a proxy", responses=problems(403, 404, 422)
)
def ask_for_proxy(
    body: ProxyAdviceIn,
    session: SessionDep,
    project: ProjectIdDep,
    _admin: AdminDep,
    settings: SettingsDep,
) -> ProxyAdviceOut:
    """Ask for the cheapest proxy that scores as the target does; a worker tries candidates."""
    candidates = [
        proxy_advice.CandidateIn(c.name, ModelChoice(c.model, c.recipe)) for c in body.candidates
    ]
    wanted = proxy_advice.ProxyAdviceIn(body.seconds, body.strategy, body.n_sample, candidates)
    found = proxy_advice.ask_proxy_advice(session, project, wanted, settings)
    return present_with_job(ProxyAdviceOut, *found)


@router.get("/advice/proxy", summary="List advice on the proxy", responses=problems(403, 404))
def list_proxy_advice(
    session: SessionDep, project: ProjectDep, _admin: AdminDep
) -> list[ProxyAdviceOut]:
    """Return every advice on the proxy, oldest first."""
    rows = analyses.list_all(session, project.id, AnalysisKind.PROXY_ADVICE)
    return [present_with_job(ProxyAdviceOut, *row) for row in rows]
