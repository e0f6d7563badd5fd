"""Sends artifacts as files, and describes them in OpenAPI."""

import base64
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from fastapi.responses import StreamingResponse

from app.storage.artifacts import ArtifactStore

BINARY = "application/octet-stream"
FILE: Mapping[int | str, dict[str, Any]] = MappingProxyType(
    {200: {"content": {BINARY: {"schema": {"type": "string", "format": "binary"}}}}}
)


def as_file(
    store: ArtifactStore, digest: str, name: str, media_type: str = BINARY
) -> StreamingResponse:
    """Return the artifact as a file of this name, with its SHA-256 for the reader to check.

    A damaged one is never sent whole: the store withholds its end, which breaks off the answer.

    Raises:
        ArtifactMissing: it is missing, or damaged and small.
    """
    return StreamingResponse(
        store.stream(digest),
        media_type=media_type,
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "ETag": f'"{digest}"',
            "Repr-Digest": f"sha-256=:{base64.b64encode(bytes.fromhex(digest)).decode()}:",
        },
    )
