"""Routes of rounds."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.api.bodies import Route
from app.api.deps import AdminDep, ProjectDep, ProjectIdDep, SessionDep, SettingsDep
from app.db.queries import rounds
from app.domain.errors import NotFound
from app.presenters.rounds import present_selected_item
from app.schemas.bodies import problems
from app.schemas.jobs import JobOut
from app.schemas.rounds import RoundOut, SelectedPage
from app.services.jobs import retry_round
from app.services.next_round import begin_next_round

router = APIRouter(prefix="/projects/{project}", tags=["progress"], route_class=Route)


@router.get("/rounds", summary="List rounds", responses=problems(403, 404))
def list_rounds(session: SessionDep, project: ProjectDep, _admin: AdminDep) -> list[RoundOut]:
    """Return every round in order."""
    return [RoundOut.model_validate(r) for r in rounds.list_all(session, project.id)]


@router.post(
    "/rounds", status_code=201, summary="Begin the next round", responses=problems(403, 404, 409)
)
def begin_next(
    session: SessionDep, project: ProjectIdDep, _admin: AdminDep, settings: SettingsDep
) -> RoundOut:
    """End the round in labeling, train on the labels so far, and select again.

    Leased items stay with their annotators; the rest of the batch is handed out until the new
    batch replaces it. Refused with `no_new_labels`, `round_not_labeling` or `budget_spent` where
    there is nothing to begin.
    """
    round_ = begin_next_round(session, project, settings)
    session.refresh(round_)
    return RoundOut.model_validate(round_)


@router.get("/rounds/{number}", summary="Read a round", responses=problems(403, 404))
def read_round(session: SessionDep, project: ProjectDep, _admin: AdminDep, number: int) -> RoundOut:
    """Return one round by its number from 0."""
    round_ = rounds.get(session, project.id, number)
    if round_ is None:
        raise NotFound("round", number)
    return RoundOut.model_validate(round_)


@router.get("/rounds/{number}/items", summary="List selected items", responses=problems(403, 404))
def list_selected(
    session: SessionDep,
    project: ProjectDep,
    _admin: AdminDep,
    number: int,
    cursor: int | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> SelectedPage:
    """Return the round's batch and reserve by rank, best first, with scores.

    For admins: an annotator who knew the batch would know what is gold.
    """
    round_ = rounds.get(session, project.id, number)
    if round_ is None:
        raise NotFound("round", number)
    page = rounds.ranked_page(session, round_.id, -1 if cursor is None else cursor, limit)
    return SelectedPage(
        items=[present_selected_item(selected, item) for selected, item in page],
        next_cursor=page[-1][0].rank if len(page) == limit else None,
    )


@router.post(
    "/rounds/{number}/retry", status_code=201, summary="Retry", responses=problems(403, 404, 409)
)
def retry(
    session: SessionDep, project: ProjectIdDep, _admin: AdminDep, settings: SettingsDep, number: int
) -> JobOut:
    """Send a failed round back to where it failed, with a new job."""
    job = retry_round(session, project, number, settings)
    session.refresh(job)
    return JobOut.model_validate(job)
