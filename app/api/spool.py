"""Keeps request bodies that are files on the disk while they are read."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.concurrency import run_in_threadpool

from app.domain.errors import StorageFull
from app.storage.artifacts import NO_ROOM


@asynccontextmanager
async def spooled(stream: AsyncIterator[bytes], folder: Path) -> AsyncIterator[Path]:
    """Yield the path of a file that holds the whole body; it is removed afterwards.

    Raises:
        StorageFull: the folder's disk has no room for it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        try:
            async for chunk in stream:
                await run_in_threadpool(file.write, chunk)
            file.flush()
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            raise StorageFull(
                f"{folder} has no room for the body. Free space, then send the request again."
            ) from error
        yield Path(file.name)
