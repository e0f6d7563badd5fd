"""Routes of audits: how far the proxy's scores are those of the target."""

from fastapi import APIRouter

from app.api.bodies import Route
from app.api.deps import AdminDep, ProjectDep, ProjectIdDep, SessionDep, SettingsDep
from app.db.queries import analyses
from app.db.tables import AnalysisKind
from app.presenters.jobs import present_with_job
from app.schemas.audits import AuditIn, AuditOut
from app.schemas.bodies import problems
from app.services import audits

router = APIRouter(prefix="/projects/{project}/audits", tags=["analyses"], route_class=Route)


@router.post("", status_code=202, summary="Audit the proxy", responses=problems(403, 404, 422))
def create(
    body: AuditIn,
    session: SessionDep,
    project: ProjectIdDep,
    _admin: AdminDep,
    settings: SettingsDep,
) -> AuditOut:
    """Ask how far the proxy's scores are those of the target; a worker trains both."""
    wanted = audits.AuditIn(**body.model_dump())
    return present_with_job(AuditOut, *audits.create_audit(session, project, wanted, settings))


@router.get("", summary="List audits", responses=problems(403, 404))
def list_audits(session: SessionDep, project: ProjectDep, _admin: AdminDep) -> list[AuditOut]:
    """Return every audit, oldest first."""
    rows = analyses.list_all(session, project.id, AnalysisKind.AUDIT)
    return [present_with_job(AuditOut, *row) for row in rows]
