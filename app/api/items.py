"""Routes of items: streaming import, upload, list, images."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Annotated

from fastapi import APIRouter, File, Form, Header, Query, Request, Response, UploadFile
from pydantic import TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from app.api.deps import (
    AdminDep,
    CallerDep,
    ProjectDep,
    ProjectIdDep,
    SessionDep,
    SettingsDep,
    StoreDep,
    in_thread,
)
from app.api.ndjson import read_lines
from app.db.queries import items as queries
from app.db.queries.leases import ShownItem
from app.db.session import transaction
from app.db.tables import Item, Project, Role, Split
from app.domain.errors import ArtifactMissing, BodyInvalid, ItemInvalid, NotFound
from app.schemas.bodies import problems
from app.schemas.items import Content, ImportResult, ItemLine, ItemOut, ItemPage, UploadMetadata
from app.services.images import media_type
from app.services.items import (
    ImportCounts,
    ItemIn,
    Prepared,
    import_items,
    prepare_items,
    read_image,
    store_items,
)

router = APIRouter(prefix="/projects/{project}/items", tags=["items"])
CHUNK_LINES = 4000
CHUNK_BYTES = 4 << 20
NDJSON_TYPES = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl"})
NumberedLine = tuple[int, bytes | ItemInvalid]  # a line that is too long comes as its error
Metadata = TypeAdapter(dict[str, UploadMetadata])


def content_of(item: Item | ShownItem) -> Content:
    """Return what an annotator sees of the item."""
    if item.text is not None:
        return Content(text=item.text)
    return Content(image_url=f"/api/v1/projects/{item.project_id}/items/{item.id}/image")


def _render(item: Item, project: Project, *, shows_class: bool) -> ItemOut:
    has_class = shows_class and item.class_index is not None
    return ItemOut(
        item_id=item.id,
        external_id=item.external_id,
        split=Split(item.split),
        index=item.index,
        content=content_of(item),
        class_=project.classes[item.class_index or 0] if has_class else None,
    )


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
async def import_lines(
    request: Request,
    project: ProjectIdDep,
    _admin: AdminDep,
    settings: SettingsDep,
    store: StoreDep,
) -> ImportResult:
    """Import one item a line, plain or with `Content-Encoding: gzip`, of any length.

    Up to 4,000 lines are committed at once, as they come. A bad line is refused with its number and
    does not stop the rest; importing again changes nothing.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in NDJSON_TYPES:
        raise HTTPException(
            415, "Send Content-Type: application/x-ndjson, or image files to /items/upload."
        )
    counts, unread, unfit = ImportCounts(), ImportCounts(), ImportCounts()

    def prepare(project_row: Project, chunk: list[NumberedLine]) -> list[Prepared]:
        return prepare_items(project_row, store, settings, list(_parsed(chunk, unread)), unfit)

    def keep(prepared: list[Prepared]) -> Project:
        with transaction(request.app.state.session_factory) as session:
            return store_items(session, settings, project, prepared, counts)

    is_gzip = "gzip" in request.headers.get("content-encoding", "")
    lines = read_lines(request.stream(), settings, is_gzip=is_gzip)
    storing = asyncio.create_task(in_thread(request, keep, []))
    found = await storing  # refuses an ended project before a line is read
    try:
        # A chunk is stored while the next one is read and prepared.
        async for chunk in _chunks(lines):
            prepared = await run_in_threadpool(prepare, found, chunk)
            await storing
            storing = asyncio.create_task(in_thread(request, keep, prepared))
    finally:
        await storing
    counts.add(unread)
    counts.add(unfit)
    return ImportResult.model_validate(counts)


async def _chunks(lines: AsyncIterator[NumberedLine]) -> AsyncIterator[list[NumberedLine]]:
    chunk: list[NumberedLine] = []
    n_bytes = 0
    async for number, line in lines:
        chunk.append((number, line))
        n_bytes += len(line) if isinstance(line, bytes) else 0
        if len(chunk) == CHUNK_LINES or n_bytes >= CHUNK_BYTES:
            yield chunk
            chunk, n_bytes = [], 0
    if chunk:
        yield chunk


def _parsed(lines: Iterable[NumberedLine], counts: ImportCounts) -> Iterator[tuple[int, ItemIn]]:
    """Yield the lines that are items; count the others as refused."""
    for number, line in lines:
        if isinstance(line, ItemInvalid):
            counts.refuse(number, None, line.item_code, line.detail)
            continue
        try:
            parsed = ItemLine.model_validate_json(line)
        except ValidationError as error:
            counts.refuse(number, None, *_why_refused(line, error))
        else:
            yield (
                number,
                ItemIn(
                    external_id=parsed.external_id,
                    split=parsed.split,
                    class_name=parsed.class_,
                    text=parsed.text,
                    image_uri=parsed.image_uri,
                ),
            )


def _why_refused(line: bytes, error: ValidationError) -> tuple[str, str]:
    """Return (code, detail) of a line that is no item."""
    try:
        line.decode()
    except UnicodeDecodeError:
        return "line_not_utf8", "The line is not UTF-8; convert the file to UTF-8."
    fault = error.errors()[0]
    place = ".".join(str(part) for part in fault["loc"]) or "line"
    return "line_invalid", f"{place}: {fault['msg']}."


@router.post("/upload", summary="Upload image files", responses=problems(403, 404, 409, 413, 507))
def upload(
    project: ProjectIdDep,
    session: SessionDep,
    _admin: AdminDep,
    settings: SettingsDep,
    store: StoreDep,
    files: Annotated[list[UploadFile], File(description="Image files, up to 1,000.")],
    split: Annotated[Split, Form(description="For files without metadata.")] = Split.POOL,
    class_: Annotated[str | None, Form(alias="class")] = None,
    metadata: Annotated[
        str, Form(description='{"a.png": {"external_id": "a", "class": "cat"}}')
    ] = "{}",
) -> ImportResult:
    """Import image files; `external_id` is the file's name unless metadata says otherwise."""
    try:
        by_name = Metadata.validate_json(metadata)
    except ValidationError as error:
        raise BodyInvalid(f"metadata must be a JSON object by file name: {error}.") from None
    counts = ImportCounts()
    default = ItemIn(external_id="", split=split, class_name=class_)
    lines = []
    for number, file in enumerate(files, start=1):
        name = file.filename or ""
        given = by_name.get(name, UploadMetadata())
        item = default._replace(
            external_id=given.external_id or name,
            split=given.split or split,
            class_name=given.class_ if given.class_ is not None else class_,
            image=file.file.read(),
        )
        lines.append((number, item))
    import_items(session, store, settings, project, lines, counts)
    return ImportResult.model_validate(counts)


@router.get("", summary="List items", responses=problems(404))
def list_items(
    session: SessionDep,
    project: ProjectDep,
    caller: CallerDep,
    split: Split = Split.POOL,
    cursor: Annotated[int, Query(ge=-1)] = -1,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> ItemPage:
    """Return the items of a split in order of import."""
    page = queries.page_by_index(session, project.id, split, cursor, limit)
    is_admin = caller.role is Role.ADMIN
    return ItemPage(
        items=[_render(item, project, shows_class=is_admin) for item in page],
        next_cursor=page[-1].index if len(page) == limit else None,
    )


@router.get("/{item}", summary="Read an item", responses=problems(404))
def read(session: SessionDep, project: ProjectDep, caller: CallerDep, item: int) -> ItemOut:
    """Return one item."""
    found = queries.get(session, project.id, item)
    if found is None:
        raise NotFound("item", item)
    return _render(found, project, shows_class=caller.role is Role.ADMIN)


@router.get(
    "/{item}/image",
    summary="Read an item's image",
    response_class=Response,
    responses={
        **problems(404, 410),
        200: {"content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}},
    },
)
def image(
    session: SessionDep,
    project: ProjectDep,
    settings: SettingsDep,
    store: StoreDep,
    item: int,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """Return the image's bytes as they were imported."""
    found = queries.get(session, project.id, item)
    if found is None:
        raise NotFound("item", item)
    if found.content_hash is None:
        raise ArtifactMissing(f"Item {item} is a text and has no image.")
    headers = {
        "ETag": f'"{found.content_hash}"',
        "Cache-Control": "private, max-age=31536000, immutable",
    }
    if if_none_match == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    data = read_image(store, settings, found)
    return Response(data, headers=headers, media_type=media_type(data))
