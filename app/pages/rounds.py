"""Pages of rounds: the list, and what one round selected and why."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from app.api.deps import ImageUrlsDep, ProjectDep, SessionDep
from app.db.queries import rounds
from app.domain.errors import NotFound
from app.pages.page import PageRoute, ReadPage
from app.presenters.items import content_of
from app.presenters.rounds import present_selected_item
from app.schemas.rounds import RoundOut

router = APIRouter(prefix="/projects/{project}", include_in_schema=False, route_class=PageRoute)
SHOWN = 100


@router.get("/rounds")
def list_rounds(page: ReadPage, session: SessionDep, project: ProjectDep) -> Response:
    """Show every round, newest first."""
    found = [RoundOut.model_validate(r) for r in rounds.list_all(session, project.id)]
    return page.render("rounds.html", project=project, rounds=found[::-1])


@router.get("/rounds/{number}")
def read_round(  # noqa: PLR0913, PLR0917 - the parts of a request
    page: ReadPage,
    session: SessionDep,
    project: ProjectDep,
    urls: ImageUrlsDep,
    number: int,
    after: Annotated[int, Query(ge=-1, le=2**40)] = -1,
) -> Response:
    """Show one round: by what it selected, its seconds by part, and its items by rank."""
    found = rounds.get(session, project.id, number)
    if found is None:
        raise NotFound("round", number)
    rows = rounds.ranked_page(session, found.id, after, SHOWN)
    return page.render(
        "round.html",
        project=project,
        round=RoundOut.model_validate(found),
        items=[present_selected_item(selected, item) for selected, item in rows],
        contents={item.id: content_of(item, urls) for _, item in rows},
        more=rows[-1][0].rank if len(rows) == SHOWN else None,
    )
