"""Measures the free space of the disks that the service writes to."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from app.config import Settings
from app.domain.errors import StorageFull


def has_room(folder: Path, n_bytes: int) -> bool:
    """Return whether the folder's disk has so many bytes left; True for a folder not there."""
    free = _free_bytes(folder)
    return free is None or free >= n_bytes


def check_room(settings: Settings) -> None:
    """Check that every disk of the service has room for new data.

    Raises:
        StorageFull: one has less than SVP_MIN_FREE_BYTES; Postgres needs the rest.
    """
    for folder in _folders(settings):
        free = _free_bytes(folder)
        if free is not None and free < settings.min_free_bytes:
            raise StorageFull(
                f"The disk of {folder} has {free} bytes left; imports, uploads and jobs wait "
                f"until it has {settings.min_free_bytes} (SVP_MIN_FREE_BYTES). Free space; what "
                "was stored is kept, and the service resumes by itself."
            )


def _folders(settings: Settings) -> Iterator[Path]:
    yield settings.data_folder
    scheme, _, path = settings.artifact_store_url.rpartition("://")
    if scheme in ("", "file"):
        yield Path(path)


def _free_bytes(folder: Path) -> int | None:
    """Return how many bytes an ordinary user may still write; None if there is no such folder."""
    for existing in (folder, *folder.parents):
        if existing.exists():
            found = os.statvfs(existing)
            # No i-nodes are left: no file can be made, however many bytes are free.
            if found.f_files and not found.f_favail:
                return 0
            return shutil.disk_usage(existing).free
    return None
