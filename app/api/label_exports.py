"""The route that exports labels: by filter, in the formats that people use them in."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from importlib.util import find_spec
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime
from sqlalchemy.orm import Session, sessionmaker
from starlette.exceptions import HTTPException

from app.api.bodies import Route
from app.api.deps import AdminDep, ProjectDep, SettingsDep, StoreDep
from app.api.exports import as_jsonl, in_pages
from app.config import Settings
from app.db.queries import labels as queries
from app.db.queries.items import ItemContent
from app.db.queries.labels import ExportedLabel, LabelFilter
from app.db.session import transaction
from app.db.tables import Project
from app.domain.errors import ArtifactMissing
from app.domain.names import class_index
from app.domain.quotes import listed, shown
from app.exports import csv_table, fasttext, image_folder, label_studio, parquet
from app.exports.labeled import LabeledItem
from app.presenters.labels import present_exported_label
from app.schemas.bodies import problems
from app.schemas.labels import ExportedLabelOut
from app.services.images import read_image
from app.storage.artifacts import ArtifactStore

router = APIRouter(prefix="/projects/{project}", tags=["labeling"], route_class=Route)

COLUMNS = [
    "item_id", "external_id", "index", "class", "source", "round", "is_control", "method",
    "agreement", "confidence", "labels", "flags", "resolved_at", "metadata", "text", "image_uri",
]  # fmt: skip


class ExportFormat(StrEnum):
    """The format of exported labels."""

    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"
    LABEL_STUDIO = "label-studio"
    FASTTEXT = "fasttext"
    IMAGES = "images"


MEDIA_TYPES = {
    ExportFormat.JSONL: "application/x-ndjson",
    ExportFormat.CSV: "text/csv; charset=utf-8",
    ExportFormat.PARQUET: "application/vnd.apache.parquet",
    ExportFormat.LABEL_STUDIO: "application/json",
    ExportFormat.FASTTEXT: "text/plain; charset=utf-8",
    ExportFormat.IMAGES: "application/zip",
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
    return LabelFilter(index, round_, annotator, flagged, max_agreement, since)


@router.get(
    "/labels",
    summary="Export labels",
    response_class=StreamingResponse,
    responses={
        **problems(403, 404),
        200: {
            "content": {
                "application/x-ndjson": {"schema": ExportedLabelOut.model_json_schema()},
                "text/csv": {"schema": {"type": "string"}},
                "application/json": {"schema": {"type": "array", "items": {"type": "object"}}},
                "text/plain": {"schema": {"type": "string"}},
                "application/vnd.apache.parquet": {
                    "schema": {"type": "string", "format": "binary"}
                },
                "application/zip": {"schema": {"type": "string", "format": "binary"}},
            }
        },
    },
)
def export(  # noqa: PLR0913, PLR0917 - the parts of a request
    request: Request,
    project: ProjectDep,
    _admin: AdminDep,
    settings: SettingsDep,
    store: StoreDep,
    wanted: Annotated[LabelFilter, Depends(get_filter)],
    format_: Annotated[ExportFormat, Query(alias="format")] = ExportFormat.JSONL,
    *,
    annotators: Annotated[
        bool, Query(description="A column an annotator, in CSV and Parquet.")
    ] = False,
    raw: Annotated[
        bool, Query(description="CSV without the apostrophe before what could be a formula.")
    ] = False,
) -> StreamingResponse:
    """Stream the resolved labels in order of import, those that the filters leave.

    As JSON lines, CSV, Parquet, Label Studio's JSON, fastText's lines (texts), or a zip with a
    folder a class (images).
    """
    check_format(format_, project)
    rows = LabelRows(request.app.state.session_factory, project, wanted)
    if format_ is ExportFormat.JSONL:
        return StreamingResponse(as_jsonl(rows.shown()), media_type=MEDIA_TYPES[format_])
    items = rows.items(lambda content: image_or_none(store, settings, content))
    names = rows.annotators() if annotators else []
    writers: dict[ExportFormat, Callable[[], Iterator[bytes]]] = {
        ExportFormat.CSV: lambda: csv_table.write(items, COLUMNS, names, is_raw=raw),
        ExportFormat.PARQUET: lambda: parquet.write(items, COLUMNS, names),
        ExportFormat.LABEL_STUDIO: lambda: label_studio.write(items),
        ExportFormat.FASTTEXT: lambda: fasttext.write(items),
        ExportFormat.IMAGES: lambda: image_folder.write(items),
    }
    return StreamingResponse(writers[format_](), media_type=MEDIA_TYPES[format_])


def check_format(format_: ExportFormat, project: Project) -> None:
    """Refuse what the project's items cannot be written as.

    Raises:
        HTTPException: 422; says what to ask for.
    """
    if format_ is ExportFormat.FASTTEXT and project.modality != "text":
        raise HTTPException(422, "fastText's format holds texts; ask for images or csv.")
    if format_ is ExportFormat.IMAGES and project.modality != "image":
        raise HTTPException(422, "A folder of images holds images; ask for fasttext or csv.")
    if format_ is ExportFormat.PARQUET and find_spec("pyarrow") is None:
        raise HTTPException(
            422,
            "The service lacks pyarrow, which writes Parquet; ask for csv, or let the operator "
            "install 'svp-labeling[parquet]'.",
        )


def image_or_none(store: ArtifactStore, settings: Settings, content: ItemContent) -> bytes | None:
    """Return the image's bytes; None: they are gone."""
    try:
        return read_image(store, settings, content)
    except ArtifactMissing:
        return None


@dataclass(frozen=True)
class LabelRows:
    """The wanted resolved labels of a project, read in short transactions."""

    factory: sessionmaker[Session]
    project: Project
    wanted: LabelFilter

    def annotators(self) -> list[str]:
        """Return the names of those who labeled."""
        with transaction(self.factory) as session:
            return queries.annotators_of(session, self.project.id)

    def shown(self) -> Iterator[ExportedLabelOut]:
        """Yield the labels as the API shows them."""
        return (present_exported_label(label, self.project.classes) for label in self._labels())

    def items(self, read: Callable[[ItemContent], bytes | None]) -> Iterator[LabeledItem]:
        """Yield the labels as writers take them."""
        for label in self._labels():
            shown_label = present_exported_label(label, self.project.classes)
            content = label.content
            yield LabeledItem(
                external_id=label.external_id,
                class_name=shown_label.class_,
                values=shown_label.model_dump(by_alias=True, mode="json"),
                metadata=label.metadata,
                given={given.annotator: given.class_ for given in shown_label.labels},
                text=content.text,
                image=None if content.text is not None else partial(read, content),
            )

    def _labels(self) -> Iterator[ExportedLabel]:
        project_id, wanted = self.project.id, self.wanted

        def read_page(session: Session, after: int, limit: int) -> list[ExportedLabel]:
            return queries.export_page(session, project_id, (after, limit), wanted)

        return in_pages(self.factory, read_page, lambda label: label.index)
