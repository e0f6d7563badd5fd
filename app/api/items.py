"""Routes of items: streaming import, upload, list."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.exceptions import HTTPException

from app.api.bodies import Route, takes_large_bodies
from app.api.deps import (
    AdminDep,
    CallerDep,
    ImageUrlsDep,
    ProjectDep,
    ProjectIdDep,
    SessionDep,
    SettingsDep,
    StoreDep,
    ViewerIdDep,
)
from app.api.imports import BodyImport
from app.api.item_filters import WantedItemsDep
from app.api.uploads import UPLOAD_SCHEMA, uploaded
from app.db.queries import item_filters, visibility
from app.db.queries import items as queries
from app.db.tables import Split
from app.domain.errors import NotFound
from app.domain.roles import Right
from app.presenters.item_history import present_item_history
from app.presenters.items import present_item, present_item_to_annotator, present_listed
from app.schemas.bodies import problems
from app.schemas.item_history import ItemHistoryOut
from app.schemas.items import AnnotatorItemOut, ImportResult, ItemOut, ItemPage
from app.services.item_history import read_item_history

router = APIRouter(prefix="/projects/{project}/items", tags=["items"], route_class=Route)


NDJSON_TYPES = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl"})


Strict = Annotated[
    bool, Query(description="Refuse all (422 import_refused) if one line or file is refused.")
]


@router.post(
    "",
    summary="Import items as NDJSON",
    responses=problems(400, 403, 404, 409, 413, 415, 507),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/x-ndjson": {
                    "schema": {"type": "string"},
                    "example": '{"external_id": "r-1", "text": "good"}\n'
                    '{"external_id": "r-2", "text": "bad", "class": "neg"}\n',
                }
            },
        }
    },
)
@takes_large_bodies
async def import_lines(  # noqa: PLR0913 - the parts of a request
    request: Request,
    project: ProjectIdDep,
    _admin: AdminDep,
    settings: SettingsDep,
    store: StoreDep,
    strict: Strict = False,  # noqa: FBT002 - a query parameter
    *,
    copies_images: Annotated[
        bool, Query(description="Store the images behind `image_uri` here.")
    ] = False,
) -> ImportResult:
    """Import one item per line, plain or with `Content-Encoding: gzip` or `zstd`, of any length.

    Up to 4,000 lines are committed at once, as they come. A bad line is refused with its number and
    does not stop the rest; importing again changes nothing. With `strict=true` one bad line refuses
    the whole import, and nothing is stored.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in NDJSON_TYPES:
        raise HTTPException(
            415, "Send Content-Type: application/x-ndjson, or image files to /items/upload."
        )
    body_import = BodyImport(request, project, settings, store, copies=copies_images)
    counts = await (body_import.run_strictly() if strict else body_import.run())
    return ImportResult.model_validate(counts)


@router.post(
    "/upload",
    summary="Upload image files",
    responses=problems(400, 403, 404, 409, 413, 415, 507),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"multipart/form-data": {"schema": UPLOAD_SCHEMA}},
        }
    },
)
@takes_large_bodies
async def upload(
    request: Request,
    project: ProjectIdDep,
    _admin: AdminDep,
    settings: SettingsDep,
    store: StoreDep,
    strict: Strict = False,  # noqa: FBT002 - a query parameter
) -> ImportResult:
    """Import image files; `external_id` is the file's name unless metadata says otherwise.

    With `strict=true` one bad file refuses them all, and nothing is stored.
    """
    body_import = BodyImport(request, project, settings, store)
    async with uploaded(request) as (form, files):
        return ImportResult.model_validate(
            await body_import.store_files(form, files, strict=strict)
        )


@router.get("", summary="List items", responses=problems(403, 404, 409, 410))
def list_items(  # noqa: PLR0913, PLR0917 - the parts of a request
    session: SessionDep,
    project: ProjectDep,
    _admin: AdminDep,
    urls: ImageUrlsDep,
    wanted: WantedItemsDep,
    external_id: Annotated[
        str | None, Query(max_length=512, description="Only the item of this id, of either split.")
    ] = None,
    cursor: Annotated[int, Query(ge=-1)] = -1,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> ItemPage:
    """Return the wanted items of a split in order of import, or the one item of an external id.

    `confused_by` takes items of the evaluation split: those that this model predicted as
    `predicted`, of the class `class`.
    """
    if external_id is not None:
        found = queries.get_by_external_id(session, project.id, external_id)
        is_wanted = found and wanted.split in (None, found.split) and found.index > cursor
        one = item_filters.listed(session, project.id, found.id) if found and is_wanted else None
        page = [one] if one else []
    else:
        split = wanted.split or Split.POOL
        page = item_filters.page(session, project.id, split, (cursor, limit), wanted.filter)
    return ItemPage(
        items=[present_listed(each, project, urls) for each in page],
        next_cursor=page[-1].item.index if len(page) == limit and external_id is None else None,
    )


@router.get("/{item}", summary="Read an item", responses=problems(403, 404))
def read(  # noqa: PLR0913, PLR0917 - FastAPI passes each dependency by itself
    session: SessionDep,
    project: ProjectDep,
    caller: CallerDep,
    annotator_id: ViewerIdDep,
    urls: ImageUrlsDep,
    item: int,
) -> ItemOut | AnnotatorItemOut:
    """Return one item: to annotators one that they hold, labeled or skipped, and less of it."""
    found = queries.get(session, project.id, item)
    if found is None:
        raise NotFound("item", item)
    if caller.may(Right.READ, project.id):
        return present_item(found, project, urls)
    if not visibility.is_shown(session, annotator_id, item):
        raise NotFound("item", item)
    return present_item_to_annotator(found, urls)


@router.get("/{item}/history", summary="An item's history", responses=problems(403, 404))
def read_history(
    session: SessionDep, project: ProjectDep, _admin: AdminDep, urls: ImageUrlsDep, item: int
) -> ItemHistoryOut:
    """Return the item and what happened to it: selections and why, leases, labels, flags, gold."""
    return present_item_history(read_item_history(session, project, item), project, urls)
