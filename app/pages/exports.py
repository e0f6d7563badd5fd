"""Pages of files in and out: imports with their refused lines, exports of labels, core-sets."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from starlette.datastructures import UploadFile

from app.api.bodies import takes_large_bodies
from app.api.deps import (
    ProjectDep,
    ProjectIdDep,
    SessionDep,
    SettingsDep,
    StoreDep,
    in_reading_thread,
    in_thread,
)
from app.api.label_exports import WantedDep
from app.config import Settings
from app.db.queries import core_sets as core_set_queries
from app.db.queries import imports, label_exports, labels, rounds
from app.db.queries.exported_labels import LabelFilter
from app.db.session import transaction
from app.db.tables import Split
from app.domain.errors import ExportTooLarge
from app.domain.names import class_index
from app.exports.formats import ExportFormat
from app.pages.page import LeadPage, PageRoute, ReadPage
from app.pages.wizard import MAX_FIELDS, MAX_FILES, stored_files
from app.presenters.core_sets import present_core_set
from app.presenters.jobs import present_with_job
from app.presenters.label_exports import present_label_export
from app.presenters.label_files import check_format
from app.schemas.imports import ImportOut
from app.services import core_sets
from app.services.file_imports import cancel_import, create_import
from app.services.import_previews import StoredFile
from app.services.label_exports import LabelExportIn, check_size, create_label_export
from selection.catalog import Purpose, find_strategy, known_strategies

router = APIRouter(prefix="/projects/{project}", include_in_schema=False, route_class=PageRoute)
FLAGGED = {"true": True, "false": False}


@router.get("/import")
def show_imports(page: ReadPage, session: SessionDep, project: ProjectDep) -> Response:
    """Show the imports, and take more files."""
    rows = imports.list_all(session, project.id)
    found = [present_with_job(ImportOut, *row) for row in reversed(rows)]
    return page.render("imports.html", project=project, imports=found)


@router.post("/import")
@takes_large_bodies
async def import_files(
    page: LeadPage,
    request: Request,
    project: ProjectIdDep,
    store: StoreDep,
    settings: SettingsDep,
) -> Response:
    """Store files, and let a worker import them."""
    async with request.form(max_files=MAX_FILES, max_fields=MAX_FIELDS) as form:
        sent = [f for f in form.getlist("files") if isinstance(f, UploadFile) and f.filename]
        split = form.get("split")
        files = await in_reading_thread(request, stored_files, sent, store, settings)
    options = {"split": split} if split in set(Split) else {}
    await in_thread(request, _import, request, project, files, options, settings)
    said = f"A worker imports {len(files)} files." if files else "Choose at least one file."
    return page.redirect(f"/projects/{project}/import", flash=said)


def _import(
    request: Request,
    project_id: int,
    files: list[StoredFile],
    options: Mapping[str, Any],
    settings: Settings,
) -> None:
    with transaction(request.app.state.session_factory) as session:
        for file in files:
            source = {"name": file.name, "content_hash": file.content_hash}
            create_import(session, project_id, source, options, settings)


@router.post("/import/{number}/cancel")
def cancel(page: LeadPage, session: SessionDep, project: ProjectIdDep, number: int) -> Response:
    """Stop an import; the items that it has stored stay."""
    cancel_import(session, project, number)
    return page.redirect(f"/projects/{project}/import", flash="The import is cancelled.")


@router.get("/exports")
def show_exports(page: ReadPage, session: SessionDep, project: ProjectDep) -> Response:
    """Show the ways out: labels in the formats of other tools, and core-sets."""
    rows = core_set_queries.list_all(session, project.id)
    strategies = [find_strategy(name) for name in known_strategies(Purpose.CORE_SET)]
    return page.render(
        "exports.html",
        project=project,
        n_labels=project.n_labeled + project.n_imported,
        rounds=[round_.number for round_ in rounds.list_all(session, project.id)],
        annotators=labels.annotators_of(session, project.id),
        exports=[
            present_label_export(*row)
            for row in reversed(label_exports.list_all(session, project.id))
        ],
        core_sets=[present_core_set(*row) for row in reversed(rows)],
        strategies=strategies,
    )


@router.get("/exports/file")
def download_labels(  # noqa: PLR0913, PLR0917 - the parts of a request
    page: ReadPage,
    request: Request,
    session: SessionDep,
    project: ProjectDep,
    settings: SettingsDep,
    wanted: WantedDep,
) -> Response:
    """Send the browser to the file, or back to the page where it is too large for one answer."""
    try:
        check_size(session, project, wanted, settings)
    except ExportTooLarge:
        said = "These are too many for one answer: let a worker write the file."
        return page.redirect(f"/projects/{project.id}/exports", flash=said)
    return page.redirect(f"/api/v1/projects/{project.id}/labels?{request.url.query}")


@router.post("/exports")
def write_labels(  # noqa: PLR0913, PLR0917 - the fields of a form
    page: LeadPage,
    session: SessionDep,
    project: ProjectDep,
    settings: SettingsDep,
    format_: Annotated[ExportFormat, Form(alias="format")],
    split: Annotated[str, Form(max_length=20)] = "pool",
    class_: Annotated[str, Form(alias="class", max_length=512)] = "",
    round_: Annotated[str, Form(alias="round", max_length=20)] = "",
    annotator: Annotated[str, Form(max_length=512)] = "",
    flagged: Annotated[str, Form(max_length=5)] = "",
) -> Response:
    """Let a worker write the file; its link appears on the page."""
    check_format(format_, project)
    wanted = LabelFilter(
        class_index=class_index(project.classes, class_) if class_ else None,
        round_number=int(round_) if round_.isdecimal() else None,
        annotator=annotator or None,
        is_flagged=FLAGGED.get(flagged),
        split=Split(split) if split in set(Split) else None,
    )
    create_label_export(session, project, LabelExportIn(format_, wanted), settings)
    return page.redirect(f"/projects/{project.id}/exports", flash="A worker writes the file.")


@router.post("/core-sets")
def make_core_set(  # noqa: PLR0913, PLR0917 - the fields of a form
    page: LeadPage,
    session: SessionDep,
    project: ProjectIdDep,
    settings: SettingsDep,
    strategy: Annotated[str, Form(max_length=200)],
    percent: Annotated[float, Form(gt=0, lt=100)],
    class_balance: Annotated[str, Form()] = "",
) -> Response:
    """Let a worker select the labeled items that are worth keeping."""
    wanted = core_sets.CoreSetIn(
        strategy, fraction=percent / 100, class_balance=bool(class_balance)
    )
    core_sets.create_core_set(session, project, wanted, settings)
    return page.redirect(f"/projects/{project}/exports", flash="A worker selects the core-set.")
