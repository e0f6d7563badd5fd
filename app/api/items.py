"""Routes of items: streaming import, upload, list."""

from typing import Annotated, Any

import orjson
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
from app.api.uploads import UPLOAD_SCHEMA, uploaded
from app.db.queries import items as queries
from app.db.queries import visibility
from app.db.tables import Split
from app.domain.errors import NotFound
from app.domain.roles import Right
from app.presenters.items import present_item, present_item_to_annotator
from app.schemas.bodies import problems
from app.schemas.items import AnnotatorItemOut, ImportResult, ItemOut, ItemPage

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
async def import_lines(
    request: Request,
    project: ProjectIdDep,
    _admin: AdminDep,
    settings: SettingsDep,
    store: StoreDep,
    strict: Strict = False,  # noqa: FBT002 - a query parameter
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
    body_import = BodyImport(request, project, settings, store)
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


@router.get("", summary="List items", responses=problems(403, 404))
def list_items(  # noqa: PLR0913, PLR0917 - the parts of a request
    session: SessionDep,
    project: ProjectDep,
    _admin: AdminDep,
    urls: ImageUrlsDep,
    split: Annotated[Split | None, Query(description="pool by default.")] = None,
    external_id: Annotated[
        str | None, Query(max_length=512, description="Only the item of this id, of either split.")
    ] = None,
    metadata: Annotated[
        str | None,
        Query(
            max_length=2000, description='Only items whose metadata hold this, e.g. {"site": 3}.'
        ),
    ] = None,
    cursor: Annotated[int, Query(ge=-1)] = -1,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> ItemPage:
    """Return the items of a split in order of import, or the one item of an external id."""
    if external_id is not None:
        found = queries.get_by_external_id(session, project.id, external_id)
        is_wanted = found is not None and split in (None, found.split) and found.index > cursor
        page = [found] if found is not None and is_wanted else []
    else:
        page = queries.page_by_index(
            session, project.id, split or Split.POOL, (cursor, limit), _metadata_of(metadata)
        )
    return ItemPage(
        items=[present_item(item, project, urls) for item in page],
        next_cursor=page[-1].index if len(page) == limit and external_id is None else None,
    )


def _metadata_of(parameter: str | None) -> dict[str, Any] | None:
    """Return what items' metadata shall hold.

    Raises:
        HTTPException: 422, it is no JSON object.
    """
    try:
        wanted = None if parameter is None else orjson.loads(parameter)
    except orjson.JSONDecodeError:
        wanted = parameter
    if wanted is not None and not isinstance(wanted, dict):
        raise HTTPException(422, 'query.metadata: give a JSON object such as {"site": 3}.')
    return wanted


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
