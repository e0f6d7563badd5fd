"""Routes of what goes on beside labels: flags, items handed out again or to someone, history."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.api.bodies import Route
from app.api.deps import (
    AdminDep,
    AnnotatorIdDep,
    ProjectDep,
    ProjectIdDep,
    SessionDep,
    SettingsDep,
)
from app.api.labels import given_label
from app.db.queries import flags, labels
from app.domain.errors import NotFound
from app.schemas.bodies import problems
from app.schemas.labeling import (
    AnswersOut,
    FlagOut,
    FlagPage,
    FlagsIn,
    ItemsIn,
    LabelHistoryOut,
    ReassignIn,
)
from app.services.flags import flag_items
from app.services.requeue import reassign_items, requeue_items

router = APIRouter(prefix="/projects/{project}", tags=["review"], route_class=Route)


@router.post("/flags", summary="Flag items", responses=problems(403, 404, 409))
def flag(
    body: FlagsIn,
    session: SessionDep,
    project: ProjectIdDep,
    annotator_id: AnnotatorIdDep,
    settings: SettingsDep,
) -> AnswersOut:
    """Note a remark on items that the annotator holds or has labeled; nothing else changes."""
    outcomes = flag_items(session, project, annotator_id, body.item_ids, body.comment, settings)
    return AnswersOut.model_validate({"results": outcomes})


@router.get("/flags", summary="List flags", responses=problems(403, 404))
def list_flags(
    session: SessionDep,
    project: ProjectDep,
    _admin: AdminDep,
    cursor: Annotated[int, Query(ge=0, le=2**53)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    open_: Annotated[bool, Query(alias="open", description="Only those not closed.")] = True,  # noqa: FBT002 - a query parameter
) -> FlagPage:
    """Return annotators' remarks, oldest first."""
    page = flags.page(session, project.id, cursor, limit, only_open=open_)
    return FlagPage(
        flags=[
            FlagOut(
                id=flag.id,
                item_id=flag.item_id,
                annotator=name,
                comment=flag.comment,
                created_at=flag.created_at,
                closed_at=flag.closed_at,
            )
            for flag, name in page
        ],
        next_cursor=page[-1][0].id if len(page) == limit else None,
    )


@router.post(
    "/flags/{flag}/close", status_code=204, summary="Close a flag", responses=problems(403, 404)
)
def close_flag(session: SessionDep, project: ProjectIdDep, _admin: AdminDep, flag: int) -> None:
    """Close a remark; it leaves the list and the export."""
    if not flags.close(session, project, flag):
        raise NotFound("flag", flag)


@router.post("/requeue", summary="Hand items out again", responses=problems(403, 404, 409))
def requeue(
    body: ItemsIn,
    session: SessionDep,
    project: ProjectIdDep,
    _admin: AdminDep,
    settings: SettingsDep,
) -> AnswersOut:
    """Withdraw all labels of these items, kept as history, and hand the items out again."""
    outcomes = requeue_items(session, project, body.item_ids, settings)
    return AnswersOut.model_validate({"results": outcomes})


@router.post("/reassign", summary="Reassign items", responses=problems(403, 404, 409))
def reassign(
    body: ReassignIn,
    session: SessionDep,
    project: ProjectIdDep,
    _admin: AdminDep,
    settings: SettingsDep,
) -> AnswersOut:
    """Keep a label of each of these open items for one annotator, whoever holds it now."""
    outcomes = reassign_items(session, project, body.item_ids, body.annotator, settings)
    return AnswersOut.model_validate({"results": outcomes})


@router.get("/items/{item}/labels", summary="An item's labels", responses=problems(403, 404))
def read_history(
    session: SessionDep, project: ProjectDep, _admin: AdminDep, item: int
) -> list[LabelHistoryOut]:
    """Return every label that the item was given, withdrawn ones too, with replaced classes."""
    if item not in labels.items_of_project(session, project.id, [item]):
        raise NotFound("pool item", item)
    given = labels.given_labels(session, [item], with_withdrawn=True).get(item, [])
    earlier = labels.earlier_classes(session, [g.label.id for g in given])
    return [
        LabelHistoryOut(
            **given_label(g, project.classes).model_dump(),
            item_id=item,
            created_at=g.label.created_at,
            revised_at=g.label.revised_at,
            withdrawn_at=g.label.withdrawn_at,
            earlier_classes=[project.classes[c] for c in earlier.get(g.label.id, [])],
        )
        for g in given
    ]
