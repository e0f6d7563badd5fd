"""Routes of the estimate of saved labels."""

from fastapi import APIRouter

from app.api.bodies import Route
from app.api.deps import AdminDep, ProjectDep, ProjectIdDep, SessionDep, SettingsDep
from app.db.queries import analyses
from app.db.tables import AnalysisKind
from app.presenters.jobs import present_with_job
from app.schemas.bodies import problems
from app.schemas.labels_saved import LabelsSavedOut
from app.services.labels_saved import estimate_labels_saved

router = APIRouter(prefix="/projects/{project}/labels-saved", tags=["analyses"], route_class=Route)


@router.post(
    "", status_code=202, summary="Estimate saved labels", responses=problems(403, 404, 422)
)
def create(
    session: SessionDep, project: ProjectIdDep, _admin: AdminDep, settings: SettingsDep
) -> LabelsSavedOut:
    """Ask how many labels the strategy saved against uniform selection; a worker trains models."""
    return present_with_job(LabelsSavedOut, *estimate_labels_saved(session, project, settings))


@router.get("", summary="List estimates of saved labels", responses=problems(403, 404))
def list_estimates(
    session: SessionDep, project: ProjectDep, _admin: AdminDep
) -> list[LabelsSavedOut]:
    """Return every estimate, oldest first."""
    rows = analyses.list_all(session, project.id, AnalysisKind.LABELS_SAVED)
    return [present_with_job(LabelsSavedOut, *row) for row in rows]
