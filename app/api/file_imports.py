"""Routes of imports that a worker does: files sent or named, progress, cancel, refused lines."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import StreamingResponse
from pydantic import ValidationError
from sqlalchemy.orm import Session
from starlette.datastructures import UploadFile

from app.api.bodies import Route, takes_large_bodies
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
from app.api.uploads import check_is_form
from app.config import Settings
from app.db.queries import imports as queries
from app.db.session import transaction
from app.db.tables import RefusedImportLine
from app.domain.errors import NotFound
from app.presenters.exported_rows import EXPORT_TYPES, as_csv, as_jsonl, in_pages
from app.presenters.jobs import present_with_job
from app.schemas.bodies import problems
from app.schemas.imports import (
    ImportForm,
    ImportOptions,
    ImportOut,
    ImportsIn,
    RefusedLineOut,
)
from app.services import file_imports
from app.services.import_sources import check_source
from app.storage.artifacts import ArtifactStore

router = APIRouter(prefix="/projects/{project}/imports", tags=["items"], route_class=Route)

COLUMNS = ["line", "external_id", "code", "detail"]
MAX_FILES = 100
BLOCK_BYTES = 1 << 20
UPLOAD_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["files"],
    "properties": {
        "files": {
            "type": "array",
            "items": {"type": "string", "format": "binary"},
            "description": "CSV, JSON, Parquet, archives, exports of other tools; up to 100.",
        },
        "options": {
            "type": "string",
            "default": "{}",
            "description": '{"columns": {"review": "text"}, "split": "pool"}, as JSON.',
        },
    },
}


@router.post(
    "", status_code=202, summary="Import files by address", responses=problems(403, 404, 409)
)
def create(
    body: ImportsIn,
    session: SessionDep,
    project: ProjectIdDep,
    _admin: AdminDep,
    settings: SettingsDep,
) -> list[ImportOut]:
    """Let a worker import files or folders from where the operator allows; return an import each.

    It resumes after a crash behind the last items that were stored.
    """
    for uri in body.uris:
        check_source(uri, settings)
    options = body.model_dump(exclude={"uris"}, exclude_defaults=True, mode="json")
    sources = [{"name": uri, "uri": uri} for uri in body.uris]
    created = [
        file_imports.create_import(session, project, source, options, settings)
        for source in sources
    ]
    return [present_with_job(ImportOut, *each) for each in created]


@router.post(
    "/upload",
    status_code=202,
    summary="Import sent files",
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
) -> list[ImportOut]:
    """Store files and let a worker import them; return an import each."""
    check_is_form(request, "files")
    async with request.form(max_files=MAX_FILES, max_fields=2) as form:
        files = [file for file in form.getlist("files") if isinstance(file, UploadFile)]
        fields = {name: value for name, value in form.items() if name != "files"}
        options = _options(fields, n_files=len(files))
        sources = [
            {
                "name": (file.filename or "file")[:500].replace("\0", ""),
                "content_hash": await in_reading_thread(request, _stored, file, store, settings),
            }
            for file in files
        ]
    return await in_thread(request, _created, request, project, sources, options)


@router.get("", summary="List imports", responses=problems(403, 404))
def list_imports(session: SessionDep, project: ProjectDep, _admin: AdminDep) -> list[ImportOut]:
    """Return every import that a worker did or does, oldest first."""
    return [present_with_job(ImportOut, *row) for row in queries.list_all(session, project.id)]


@router.get("/{number}", summary="Read an import", responses=problems(403, 404))
def read(session: SessionDep, project: ProjectDep, _admin: AdminDep, number: int) -> ImportOut:
    """Return one import with its counts so far."""
    return present_with_job(ImportOut, *_get(session, project.id, number))


@router.post("/{number}/cancel", summary="Cancel an import", responses=problems(403, 404, 409))
def cancel(session: SessionDep, project: ProjectIdDep, _admin: AdminDep, number: int) -> ImportOut:
    """Stop an import; the items that it has stored stay."""
    return present_with_job(ImportOut, *file_imports.cancel_import(session, project, number))


@router.get(
    "/{number}/errors",
    summary="Export an import's refused lines",
    response_class=StreamingResponse,
    responses={
        **problems(403, 404),
        200: {
            "content": {
                "application/x-ndjson": {"schema": RefusedLineOut.model_json_schema()},
                "text/csv": {"schema": {"type": "string"}},
            }
        },
    },
)
def errors(
    request: Request,
    session: SessionDep,
    project: ProjectDep,
    _admin: AdminDep,
    number: int,
    format_: Annotated[Literal["jsonl", "csv"], Query(alias="format")] = "jsonl",
) -> StreamingResponse:
    """Stream the lines that became no items, with the reasons, as JSON lines or CSV."""
    found, _ = _get(session, project.id, number)
    import_id = found.id

    def read_page(db: Session, after: int, limit: int) -> list[RefusedImportLine]:
        return queries.refused_page(db, import_id, after, limit)

    factory = request.app.state.session_factory
    rows: Iterator[RefusedLineOut] = (
        RefusedLineOut.model_validate(row)
        for row in in_pages(factory, read_page, lambda row: row.id)
    )
    body = as_csv(rows, COLUMNS) if format_ == "csv" else as_jsonl(rows)
    return StreamingResponse(body, media_type=EXPORT_TYPES[format_])


def _get(session: Session, project_id: int, import_id: int) -> Any:
    found = queries.get(session, project_id, import_id)
    if found is None:
        raise NotFound("import", import_id)
    return found


def _options(fields: dict[str, Any], *, n_files: int) -> dict[str, Any]:
    """Return the options of an upload.

    Raises:
        RequestValidationError: a field is missing or not what it should be.
    """
    faults: list[dict[str, Any]] = []
    if not n_files:
        faults.append({"loc": ("body", "files"), "msg": "Send at least one file named files"})
    options = ImportOptions()
    try:
        options = ImportForm.model_validate(fields).options
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        faults += [{"loc": ("body", *fault["loc"]), "msg": fault["msg"]} for fault in found]
    if faults:
        raise RequestValidationError(faults)
    return options.model_dump(exclude_defaults=True, mode="json")


def _stored(file: UploadFile, store: ArtifactStore, settings: Settings) -> str:
    """Store an uploaded file; return its hash."""
    settings.uploads_folder.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=settings.uploads_folder) as copy:
        shutil.copyfileobj(file.file, copy, BLOCK_BYTES)
        copy.flush()
        return store.put_file(Path(copy.name))


def _created(
    request: Request, project_id: int, sources: list[dict[str, str]], options: dict[str, Any]
) -> list[ImportOut]:
    state = request.app.state
    with transaction(state.session_factory) as session:
        created = [
            file_imports.create_import(session, project_id, source, options, state.settings)
            for source in sources
        ]
        return [present_with_job(ImportOut, *each) for each in created]
