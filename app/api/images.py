"""The route of items' images: for browsers by signed address, for programs by token."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response

from app.api.deps import (
    Credentials,
    SettingsDep,
    StoreDep,
    get_caller,
    get_image_urls,
    in_reading_thread,
    in_thread,
)
from app.config import Settings
from app.db.queries import items as queries
from app.db.queries import label_studio, visibility
from app.db.queries.tokens import Caller
from app.db.session import reading
from app.db.tables import Item
from app.domain.errors import ArtifactMissing, ImageUrlInvalid, NotFound
from app.domain.roles import Right
from app.schemas.bodies import problems
from app.services.image_urls import ImageUrls
from app.services.images import for_browser, media_type, read_image
from app.storage.artifacts import ArtifactStore

router = APIRouter(prefix="/projects/{project}/items", tags=["items"])


async def get_reader(  # noqa: PLR0913, PLR0917 - the parts of a request
    request: Request,
    project: Annotated[int, Path()],
    item: Annotated[int, Path()],
    urls: Annotated[ImageUrls, Depends(get_image_urls)],
    credentials: Credentials,
    expires: Annotated[int | None, Query(description="Expiry of a signed URL.")] = None,
    signature: Annotated[
        str | None, Query(max_length=100, description="Signature of a signed URL.")
    ] = None,
) -> Caller | None:
    """Return the caller of the token; None for a signed URL, which needs no token.

    Raises:
        ImageUrlInvalid: the service did not sign the URL.
        ImageUrlExpired: it is too old.
    """
    if expires is None and signature is None:
        caller = await get_caller(request, credentials)
        if not caller.reaches(project):
            raise NotFound("project", project)
        return caller
    if expires is None or signature is None:
        raise ImageUrlInvalid("A signed address has both expires and signature.")
    urls.check(project, item, expires, signature)
    return None


@router.get(
    "/{item}/image",
    summary="Read an item's image",
    response_class=Response,
    responses={
        **problems(403, 404, 410),
        200: {"content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}},
    },
)
async def image(  # noqa: PLR0913, PLR0917 - the parts of a request
    request: Request,
    reader: Annotated[Caller | None, Depends(get_reader)],
    settings: SettingsDep,
    store: StoreDep,
    project: int,
    item: int,
    if_none_match: Annotated[str | None, Header()] = None,
    origin: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> Response:
    """Return the image's bytes as they were imported; by signed address a TIFF as PNG.

    By an item's `image_url`, which needs no token, or with a token: an admin's reads any item, an
    annotator's those that they hold, labeled or skipped. Pages of the Label Studio that the project
    is connected with may read it by signed address.
    """
    asking = origin if reader is None else None
    found, is_connected = await in_thread(request, _find, request, reader, project, item, asking)
    headers = {
        "ETag": f'"{found.content_hash}"',
        "Cache-Control": "private, max-age=31536000, immutable",
    }
    if asking is not None:
        headers["Vary"] = "Origin"
    if is_connected and asking is not None:
        headers["Access-Control-Allow-Origin"] = asking
    if if_none_match == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    try:
        data = await in_reading_thread(request, _read, store, settings, found, reader)
    except ArtifactMissing:
        if reader is not None and reader.may(Right.READ, project):
            raise
        # The sentence for admins says where the bytes should be.
        raise ArtifactMissing(
            f"The image of item {item} cannot be read; skip it as unreadable, and tell the "
            "project's admin."
        ) from None
    return Response(data, headers=headers, media_type=media_type(data))


def _read(store: ArtifactStore, settings: Settings, item: Item, reader: Caller | None) -> bytes:
    """Return the bytes for this reader: browsers, which have no token, show no TIFF."""
    data = read_image(store, settings, item)
    return data if reader is not None else for_browser(data)


def _find(
    request: Request, reader: Caller | None, project_id: int, item_id: int, origin: str | None
) -> tuple[Item, bool]:
    """Return the image item, and whether the project's Label Studio is at this origin.

    The transaction ends first, as reading the bytes may take long.
    """
    with reading(request.app.state.session_factory) as session:
        found = queries.get(session, project_id, item_id)
        is_hidden = (
            reader is not None
            and not reader.may(Right.READ, project_id)
            and not visibility.is_shown(session, reader.annotator_id, item_id)
        )
        is_connected = origin is not None and origin in label_studio.origins_of(session, project_id)
    if found is None or is_hidden:
        raise NotFound("item", item_id)
    if found.content_hash is None:
        raise ArtifactMissing(f"Item {item_id} is a text and has no image.")
    return found, is_connected
