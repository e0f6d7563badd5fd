"""Routes that correct an item's content, and that erase items."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request

from app.api.bodies import Route, takes_large_bodies
from app.api.deps import (
    AdminDep,
    ImageUrlsDep,
    ProjectIdDep,
    SessionDep,
    SettingsDep,
    StoreDep,
    in_reading_thread,
    in_thread,
)
from app.api.spool import spooled
from app.config import Settings
from app.db.queries import projects
from app.db.session import transaction
from app.db.tables import Project
from app.presenters.items import present_item
from app.schemas.bodies import problems
from app.schemas.items import ErasedItems, ItemCorrection, ItemOut, ItemsToErase
from app.services.corrections import correct_item
from app.services.erasures import erase_items
from app.services.image_urls import ImageUrls
from app.services.prepared_items import ItemIn, checked_content
from app.storage.artifacts import ArtifactStore
from app.storage.room import check_room

router = APIRouter(prefix="/projects/{project}/items", tags=["items"], route_class=Route)


@router.post("/erase", summary="Erase items", responses=problems(403, 404))
def erase(
    body: ItemsToErase,
    session: SessionDep,
    project: ProjectIdDep,
    _admin: AdminDep,
    settings: SettingsDep,
) -> ErasedItems:
    """Erase content, external id, metadata and labels of items for good, in any state.

    Each keeps its index, so that no other item moves; it is never selected, learned or measured on
    again. Models that learned its label are stale. Stored images and the workers' copies go within
    minutes.
    """
    return ErasedItems(n_erased=erase_items(session, project, body.item_ids, settings))


@router.patch("/{item}", summary="Correct an item", responses=problems(403, 404, 409, 507))
async def correct(  # noqa: PLR0913, PLR0917 - FastAPI passes each dependency by itself
    request: Request,
    body: ItemCorrection,
    project: ProjectIdDep,
    _admin: AdminDep,
    settings: SettingsDep,
    store: StoreDep,
    urls: ImageUrlsDep,
    item: int,
) -> ItemOut:
    """Replace the item's text, or where its image lies. Its labels are asked again.

    The old ones stay as history; an imported one is forgotten, an evaluation item keeps its class.
    Models that learned its label are stale.
    """
    given = ItemIn("", text=body.text, image_uri=body.image_uri)
    content = await _read(request, project, given, store, settings)
    return await in_thread(request, _keep, request, project, item, content, settings, urls)


@router.put(
    "/{item}/image",
    summary="Correct an item's image",
    responses=problems(403, 404, 409, 413, 507),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
            },
        }
    },
)
@takes_large_bodies
async def correct_image(  # noqa: PLR0913, PLR0917 - FastAPI passes each dependency by itself
    request: Request,
    project: ProjectIdDep,
    _admin: AdminDep,
    settings: SettingsDep,
    store: StoreDep,
    urls: ImageUrlsDep,
    item: int,
) -> ItemOut:
    """Replace the item's image by the file in the body; see "Correct an item"."""
    check_room(settings)
    async with spooled(request.stream(), settings.uploads_folder) as path:
        data = await in_reading_thread(request, _up_to, path, settings.max_image_bytes + 1)
    given = ItemIn("", image=data)
    content = await _read(request, project, given, store, settings)
    return await in_thread(request, _keep, request, project, item, content, settings, urls)


def _up_to(path: Path, n_bytes: int) -> bytes:
    with path.open("rb") as file:
        return file.read(n_bytes)


async def _read(
    request: Request, project_id: int, given: ItemIn, store: ArtifactStore, settings: Settings
) -> Mapping[str, Any]:
    """Return the columns of the content, checked and stored outside of any transaction."""

    def find() -> Project:
        with transaction(request.app.state.session_factory) as session:
            return projects.get(session, project_id)

    def check(project: Project) -> Mapping[str, Any]:
        with store.batch() as images:
            return checked_content(project, given, images, settings)

    return await in_reading_thread(request, check, await in_thread(request, find))


def _keep(  # noqa: PLR0913, PLR0917 - the parts of a request
    request: Request,
    project_id: int,
    item_id: int,
    content: Mapping[str, Any],
    settings: Settings,
    urls: ImageUrls,
) -> ItemOut:
    with transaction(request.app.state.session_factory) as session:
        item = correct_item(session, project_id, item_id, content, settings)
        return present_item(item, projects.get(session, project_id), urls)
