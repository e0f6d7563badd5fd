"""The pages that make a new project: files, a look at them, settings, and done."""

import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from tempfile import NamedTemporaryFile

from fastapi import APIRouter, Request, Response
from pydantic import ValidationError
from starlette.datastructures import UploadFile

from app.api.bodies import takes_large_bodies
from app.api.deps import SettingsDep, StoreDep, in_reading_thread, in_thread
from app.api.projects import project_in
from app.config import Settings
from app.db.session import transaction
from app.domain.errors import DomainError
from app.pages.page import AdminPage, Page, PageRoute
from app.pages.wizard_form import Draft, WizardForm, draft_of, explained
from app.schemas.projects import ProjectCreate
from app.services.file_imports import create_import
from app.services.import_previews import Preview, StoredFile, preview_files
from app.services.projects import create_project
from app.storage.artifacts import ArtifactStore

router = APIRouter(include_in_schema=False, route_class=PageRoute)
MAX_FILES = 1000
MAX_FIELDS = 300
BLOCK_BYTES = 1 << 20
PICTURES = frozenset({".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".avif"})


@router.get("/projects/new")
def new_project(page: AdminPage) -> Response:
    """Show where to drop the files of a new project."""
    return page.render("wizard_files.html", fault="")


@router.post("/projects/new/files")
@takes_large_bodies
async def look_at_files(
    page: AdminPage, request: Request, store: StoreDep, settings: SettingsDep
) -> Response:
    """Store the files, and show what they hold with a proposal of settings."""
    async with request.form(max_files=MAX_FILES, max_fields=MAX_FIELDS) as form:
        sent = [f for f in form.getlist("files") if isinstance(f, UploadFile) and f.filename]
        if not sent:
            return page.render("wizard_files.html", 422, fault="Choose at least one file.")
        files = await in_reading_thread(request, stored_files, sent, store, settings)
    preview = await in_reading_thread(request, preview_files, files, {}, store, settings)
    if not preview.survey.n_items and not preview.columns:
        fault = preview.fault or "No item was found in these files."
        return page.render("wizard_files.html", 422, fault=fault)
    return _settings_page(page, draft_of(preview, files), preview, settings)


@router.post("/projects/new/preview")
async def look_again(
    page: AdminPage, request: Request, store: StoreDep, settings: SettingsDep
) -> Response:
    """Show the files again, with other columns."""
    form = WizardForm(await request.form(max_fields=MAX_FIELDS))
    preview = await in_reading_thread(
        request, preview_files, form.files, form.columns, store, settings
    )
    draft = draft_of(preview, form.files, form)
    return _settings_page(page, draft, preview, settings)


@router.post("/projects/new")
async def create(
    page: AdminPage, request: Request, store: StoreDep, settings: SettingsDep
) -> Response:
    """Create the project, and let a worker import its files."""
    form = WizardForm(await request.form(max_fields=MAX_FIELDS))
    try:
        wanted = form.wanted()
        project_id = await in_thread(request, _created, request, wanted, form, settings)
    except (DomainError, ValidationError, ValueError) as error:
        preview = await in_reading_thread(
            request, preview_files, form.files, form.columns, store, settings
        )
        draft = draft_of(preview, form.files, form)
        fault = explained(error)
        return _settings_page(page, draft, preview, settings, status=422, fault=fault)
    return page.redirect(f"/projects/{project_id}", flash="The project is created.")


def _settings_page(  # noqa: PLR0913, PLR0917 - what the page shows
    page: Page,
    draft: Draft,
    preview: Preview,
    settings: Settings,
    status: int = 200,
    fault: str = "",
) -> Response:
    return page.render(
        "wizard_settings.html",
        status,
        draft=draft,
        preview=preview,
        fault=fault or preview.fault or "",
        price=settings.annotator_hour_price,
        currency=settings.currency,
    )


def _created(request: Request, wanted: ProjectCreate, form: WizardForm, settings: Settings) -> int:
    """Create the project and an import of each file, in one transaction; return its id."""
    options = {"columns": form.columns, "evaluation_share": form.evaluation_share}
    given = {name: value for name, value in options.items() if value}
    with transaction(request.app.state.session_factory) as session:
        project = create_project(session, project_in(wanted), settings.most_model_bytes)
        for file in form.files:
            source = {"name": file.name, "content_hash": file.content_hash}
            create_import(session, project.id, source, given, settings)
        return project.id


def stored_files(
    sent: Sequence[UploadFile], store: ArtifactStore, settings: Settings
) -> list[StoredFile]:
    """Store the files; pictures that came one by one are stored as one archive."""
    settings.uploads_folder.mkdir(parents=True, exist_ok=True)
    names = [PurePosixPath((file.filename or "file").replace("\0", "")).name for file in sent]
    if all(Path(name).suffix.lower() in PICTURES for name in names):
        return [_stored_pictures(sent, names, store, settings)]
    found = []
    for name, file in zip(names, sent, strict=True):
        with NamedTemporaryFile(dir=settings.uploads_folder) as copy:
            shutil.copyfileobj(file.file, copy, BLOCK_BYTES)
            copy.flush()
            found.append(StoredFile(name[:500], store.put_file(Path(copy.name))))
    return found


def _stored_pictures(
    sent: Sequence[UploadFile], names: Sequence[str], store: ArtifactStore, settings: Settings
) -> StoredFile:
    with NamedTemporaryFile(dir=settings.uploads_folder, suffix=".zip") as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name, picture in zip(names, sent, strict=True):
                with archive.open(name, "w") as target:
                    shutil.copyfileobj(picture.file, target, BLOCK_BYTES)
        file.flush()
        return StoredFile("images.zip", store.put_file(Path(file.name)))
