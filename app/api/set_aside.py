"""Routes of items that are set aside because their content cannot be read."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from app.api.bodies import Route
from app.api.deps import (
    AdminDep,
    ProjectDep,
    ProjectIdDep,
    SessionDep,
    SettingsDep,
    StoreDep,
    in_reading_thread,
    in_thread,
)
from app.db.queries import projects
from app.db.queries import set_aside as queries
from app.db.session import transaction
from app.db.tables import Item
from app.presenters.set_aside import present_set_aside
from app.schemas.bodies import problems
from app.schemas.set_aside import RetriedOut, RetryIn, SetAsidePage
from app.services.set_aside import Retried, read_again, take_back

router = APIRouter(prefix="/projects/{project}/set-aside", tags=["items"], route_class=Route)
AT_ONCE = 1000


@router.get("", summary="List items set aside", responses=problems(403, 404))
def list_set_aside(
    session: SessionDep,
    project: ProjectDep,
    _admin: AdminDep,
    cursor: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=AT_ONCE)] = 100,
) -> SetAsidePage:
    """Return the items whose content could not be read, with the reason, by id.

    No selection or training uses them, and no annotator gets them.
    """
    page = queries.page(session, project.id, cursor, limit)
    return SetAsidePage(
        items=[present_set_aside(item, row) for item, row in page],
        next_cursor=page[-1][0].id if len(page) == limit else None,
    )


@router.post("/retry", summary="Read items set aside again", responses=problems(403, 404))
async def retry(
    request: Request,
    body: RetryIn,
    project: ProjectIdDep,
    _admin: AdminDep,
    settings: SettingsDep,
    store: StoreDep,
) -> RetriedOut:
    """Try to read items again; those that can be read are selected and trained on again.

    Without `item_ids` the first 1,000; `n_left` says how many are set aside afterwards.
    """

    def find() -> list[Item]:
        with transaction(request.app.state.session_factory) as session:
            projects.get(session, project)
            if body.item_ids is not None:
                return queries.of_items(session, project, body.item_ids)
            return [item for item, _ in queries.page(session, project, 0, AT_ONCE)]

    def keep(retried: Retried) -> RetriedOut:
        with transaction(request.app.state.session_factory) as session:
            n = take_back(session, project, retried, settings)
            return RetriedOut(n_taken_back=n, n_left=queries.n_of_project(session, project))

    items = await in_thread(request, find)
    return await in_thread(
        request, keep, await in_reading_thread(request, read_again, items, store, settings)
    )
