"""Routes of labels that are likely wrong."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.api.bodies import Route
from app.api.deps import AdminDep, ProjectDep, ProjectIdDep, SessionDep, SettingsDep
from app.db.queries import analyses
from app.db.tables import AnalysisKind
from app.presenters.jobs import present_with_job
from app.presenters.label_errors import present_suspected
from app.schemas.bodies import problems
from app.schemas.label_errors import LabelErrorsIn, LabelErrorsOut, SuspectedLabelPage
from app.services.label_errors import find_label_errors, suspected_page

router = APIRouter(prefix="/projects/{project}/label-errors", tags=["analyses"], route_class=Route)


@router.post("", status_code=202, summary="Find label errors", responses=problems(403, 404, 422))
def create(
    body: LabelErrorsIn,
    session: SessionDep,
    project: ProjectIdDep,
    _admin: AdminDep,
    settings: SettingsDep,
) -> LabelErrorsOut:
    """Ask which labels are likely wrong; a worker trains models that judge them."""
    found = find_label_errors(session, project, body.judge, settings)
    return present_with_job(LabelErrorsOut, *found)


@router.get("", summary="List searches for label errors", responses=problems(403, 404))
def list_searches(
    session: SessionDep, project: ProjectDep, _admin: AdminDep
) -> list[LabelErrorsOut]:
    """Return every search, oldest first."""
    rows = analyses.list_all(session, project.id, AnalysisKind.LABEL_ERRORS)
    return [present_with_job(LabelErrorsOut, *row) for row in rows]


@router.get("/{search}/items", summary="List suspected labels", responses=problems(403, 404, 409))
def list_items(
    session: SessionDep,
    project: ProjectDep,
    _admin: AdminDep,
    search: int,
    cursor: int | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> SuspectedLabelPage:
    """Return the labels that are likely wrong, most suspected first, with the reasons."""
    after = -1 if cursor is None else cursor
    page = suspected_page(session, project.id, search, after, limit)
    return SuspectedLabelPage(
        items=[present_suspected(found, project.classes) for found in page],
        next_cursor=page[-1].suspected.rank if len(page) == limit else None,
    )
