"""Routes of gold items."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.api.bodies import Route
from app.api.deps import AdminDep, ProjectDep, ProjectIdDep, SessionDep
from app.db.queries import gold as queries
from app.presenters.gold import present_gold_item
from app.schemas.bodies import problems
from app.schemas.gold import GoldIn, GoldOutcomes, GoldPage, GoldRemoved, GoldRemoveIn
from app.services.gold import remove_gold, set_gold

router = APIRouter(prefix="/projects/{project}/gold", tags=["gold"], route_class=Route)


@router.put("", summary="Make items gold", responses=problems(403, 404))
def put(body: GoldIn, session: SessionDep, project: ProjectIdDep, _admin: AdminDep) -> GoldOutcomes:
    """Make labeled pool items gold: `gold_fraction` of what annotators get is drawn from them."""
    wanted = {item.external_id: item.class_ for item in body.items}
    return GoldOutcomes.model_validate({"results": set_gold(session, project, wanted)})


@router.post("/remove", summary="Remove items from the gold set", responses=problems(403, 404))
def remove(
    body: GoldRemoveIn, session: SessionDep, project: ProjectIdDep, _admin: AdminDep
) -> GoldRemoved:
    """Remove items from the gold set, and delete the answers to them."""
    return GoldRemoved(n_removed=remove_gold(session, project, body.external_ids))


@router.get("", summary="List gold", responses=problems(403, 404))
def list_gold(
    session: SessionDep,
    project: ProjectDep,
    _admin: AdminDep,
    cursor: Annotated[int, Query(ge=0, le=2**53)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> GoldPage:
    """Return the gold items and how often they were answered rightly."""
    page = queries.page(session, project.id, cursor, limit)
    return GoldPage(
        items=[present_gold_item(entry, project.classes) for entry in page],
        next_cursor=page[-1].item.id if len(page) == limit else None,
    )
