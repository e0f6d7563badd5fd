"""Routes that export labels: by filter, in the formats that people use; large ones as a job."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime
from starlette.exceptions import HTTPException

from app.api.bodies import Route
from app.api.deps import AdminDep, ProjectDep, SessionDep, SettingsDep, StoreDep
from app.api.downloads import as_file
from app.db.queries import label_exports as queries
from app.db.queries.exported_labels import LabelFilter
from app.db.tables import Split
from app.domain.errors import NotFound
from app.domain.names import class_index
from app.domain.quotes import listed, shown
from app.exports.formats import FILE_KINDS, ExportFormat
from app.presenters.label_exports import present_label_export
from app.presenters.label_files import LabelFile, check_format, image_reader
from app.schemas.bodies import problems
from app.schemas.label_exports import LabelExportOut
from app.schemas.labels import ExportedLabelOut
from app.services.label_exports import (
    LabelExportIn,
    check_size,
    create_label_export,
    file_of,
)

router = APIRouter(prefix="/projects/{project}", tags=["labeling"], route_class=Route)
FILES: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            "application/x-ndjson": {"schema": ExportedLabelOut.model_json_schema()},
            "text/csv": {"schema": {"type": "string"}},
            "application/json": {"schema": {"type": "array", "items": {"type": "object"}}},
            "text/plain": {"schema": {"type": "string"}},
            "application/vnd.apache.parquet": {"schema": {"type": "string", "format": "binary"}},
            "application/zip": {"schema": {"type": "string", "format": "binary"}},
        }
    },
}


def get_filter(  # noqa: PLR0913 - the parts of a query
    project: ProjectDep,
    class_: Annotated[str | None, Query(alias="class", description="Only this class.")] = None,
    round_: Annotated[
        int | None, Query(alias="round", ge=0, le=2**40, description="Labeled in this round.")
    ] = None,
    annotator: Annotated[
        str | None, Query(max_length=512, description="Labeled by this annotator, too.")
    ] = None,
    *,
    flagged: Annotated[bool | None, Query(description="With an open flag, or without.")] = None,
    max_agreement: Annotated[
        float | None, Query(ge=0, le=1, description="Annotators agree at most so far.")
    ] = None,
    since: Annotated[
        AwareDatetime | None, Query(description="Resolved then or later, e.g. 2026-11-30T12:00Z.")
    ] = None,
    split: Annotated[
        Literal["pool", "evaluation", "all"],
        Query(description="evaluation: the items that measure the models, with their class."),
    ] = "pool",
) -> LabelFilter:
    """Return which labels are wanted.

    Raises:
        HTTPException: 422, the project has no such class.
    """
    index = None
    if class_ is not None:
        index = class_index(project.classes, class_)
        if index is None:
            raise HTTPException(
                422,
                f"There is no class {shown(class_)}; use one of {listed(project.classes)}.",
            )
    of_split = None if split == "all" else Split(split)
    return LabelFilter(index, round_, annotator, flagged, max_agreement, since, of_split)


def get_wanted(
    project: ProjectDep,
    wanted: Annotated[LabelFilter, Depends(get_filter)],
    format_: Annotated[ExportFormat, Query(alias="format")] = ExportFormat.JSONL,
    *,
    annotators: Annotated[
        bool, Query(description="A column an annotator, in CSV and Parquet.")
    ] = False,
    raw: Annotated[
        bool, Query(description="CSV without the apostrophe before what could be a formula.")
    ] = False,
) -> LabelExportIn:
    """Return the file that is wanted.

    Raises:
        ExportInvalid: the project's items cannot be written in this format.
    """
    check_format(format_, project)
    return LabelExportIn(format_, wanted, annotators, raw)


WantedDep = Annotated[LabelExportIn, Depends(get_wanted)]


@router.get(
    "/labels",
    summary="Export labels",
    response_class=StreamingResponse,
    responses={
        **problems(403, 404, 409),
        **FILES,
    },
)
def export(  # noqa: PLR0913, PLR0917 - the parts of a request
    request: Request,
    session: SessionDep,
    project: ProjectDep,
    _admin: AdminDep,
    settings: SettingsDep,
    store: StoreDep,
    wanted: WantedDep,
) -> StreamingResponse:
    """Stream the resolved labels in order of import, those that the filters leave.

    As JSON lines, CSV, Parquet, Label Studio's JSON, fastText's lines (texts), a zip with a folder
    a class (images), or a zip of a folder for Hugging Face's datasets. Too many for one answer:
    409 `export_too_large`; a job writes them (`POST .../label-exports`).
    """
    check_size(session, project, wanted, settings)
    read = image_reader(store, settings)
    file = LabelFile(request.app.state.session_factory, project, wanted, read)
    return StreamingResponse(file.blocks(), media_type=FILE_KINDS[wanted.format].media_type)


@router.post(
    "/label-exports",
    status_code=202,
    summary="Export labels as a job",
    responses=problems(403, 404),
)
def create(
    session: SessionDep,
    project: ProjectDep,
    _admin: AdminDep,
    settings: SettingsDep,
    wanted: WantedDep,
) -> LabelExportOut:
    """Let a worker write the labels that the filters leave to a file; parameters as of `labels`.

    Its `url` downloads the file once the state is succeeded, until `expires_at`.
    """
    return present_label_export(*create_label_export(session, project, wanted, settings))


@router.get("/label-exports", summary="List label exports", responses=problems(403, 404))
def list_all(session: SessionDep, project: ProjectDep, _admin: AdminDep) -> list[LabelExportOut]:
    """Return every export that a job wrote or writes, oldest first."""
    rows = queries.list_all(session, project.id)
    return [present_label_export(*row) for row in rows]


@router.get("/label-exports/{number}", summary="Read a label export", responses=problems(403, 404))
def read(session: SessionDep, project: ProjectDep, _admin: AdminDep, number: int) -> LabelExportOut:
    """Return one export with the state of its job."""
    found = queries.get(session, project.id, number)
    if found is None:
        raise NotFound("label export", number)
    return present_label_export(*found)


@router.get(
    "/label-exports/{number}/file",
    summary="Download a label export",
    response_class=StreamingResponse,
    responses={**FILES, **problems(403, 404, 409, 410)},
)
def download(
    session: SessionDep, project: ProjectDep, _admin: AdminDep, store: StoreDep, number: int
) -> StreamingResponse:
    """Return the file that the job wrote, with its SHA-256."""
    found, digest = file_of(session, project.id, number)
    kind = FILE_KINDS[ExportFormat(found.format)]
    return as_file(store, digest, f"labels-{found.id}.{kind.ending}", kind.media_type)
