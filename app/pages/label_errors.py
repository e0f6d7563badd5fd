"""The page of suspected label errors."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from app.api.deps import ImageUrlsDep, ProjectDep, SessionDep
from app.db.queries import analyses, label_errors
from app.db.tables import AnalysisKind
from app.domain.states import JobState
from app.pages.page import PageRoute, ReadPage
from app.presenters.jobs import present_with_job
from app.presenters.label_errors import present_suspected, present_suspected_content
from app.schemas.label_errors import LabelErrorsOut

router = APIRouter(prefix="/projects/{project}", include_in_schema=False, route_class=PageRoute)
SHOWN = 50


@router.get("/label-errors")
def list_suspected(
    page: ReadPage,
    session: SessionDep,
    project: ProjectDep,
    urls: ImageUrlsDep,
    after: Annotated[int, Query(ge=-1, le=2**40)] = -1,
) -> Response:
    """Show the labels that the newest search takes for likely wrong."""
    rows = analyses.list_all(session, project.id, AnalysisKind.LABEL_ERRORS)
    answered = [analysis for analysis, job in rows if job.state == JobState.SUCCEEDED]
    found = label_errors.page(session, answered[-1].id, after, SHOWN) if answered else []
    return page.render(
        "label_errors.html",
        project=project,
        newest=present_with_job(LabelErrorsOut, *rows[-1]) if rows else None,
        search=answered[-1] if answered else None,
        suspected=[present_suspected(one, project.classes) for one in found],
        contents={
            one.suspected.item_id: present_suspected_content(one, project.id, urls) for one in found
        },
        more=found[-1].suspected.rank if len(found) == SHOWN else None,
    )
