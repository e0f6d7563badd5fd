"""Artifacts as files to download: how they are sent, and what OpenAPI says of them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from fastapi.responses import StreamingResponse

from app.storage.artifacts import ArtifactStore

BINARY = "application/octet-stream"
FILE: Mapping[int | str, dict[str, Any]] = MappingProxyType(
    {200: {"content": {BINARY: {"schema": {"type": "string", "format": "binary"}}}}}
)


def as_file(store: ArtifactStore, digest: str, name: str) -> StreamingResponse:
    """Return the artifact as a file of this name.

    Raises:
        ArtifactMissing: it is gone.
    """
    return StreamingResponse(
        store.stream(digest),
        media_type=BINARY,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
