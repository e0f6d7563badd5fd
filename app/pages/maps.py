"""The page of the map; its points come from the API."""

from fastapi import APIRouter, Response

from app.api.deps import ProjectDep, SessionDep
from app.db.queries import analyses
from app.db.tables import AnalysisKind
from app.pages.page import PageRoute, ReadPage
from app.schemas.jobs import JobOut
from app.services.maps import has_features

router = APIRouter(prefix="/projects/{project}", include_in_schema=False, route_class=PageRoute)


@router.get("/map")
def show_map(page: ReadPage, session: SessionDep, project: ProjectDep) -> Response:
    """Show the map, or how to have one drawn."""
    rows = analyses.list_all(session, project.id, AnalysisKind.MAP)
    return page.render(
        "map.html",
        project=project,
        job=JobOut.model_validate(rows[-1][1]) if rows else None,
        can_be_drawn=has_features(session, project),
        drawn=next((a for a, _ in reversed(rows) if a.result_hash is not None), None),
    )
