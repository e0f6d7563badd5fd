"""Small disks of their own that can be filled, where mounting is permitted."""

import os
import subprocess
from contextlib import suppress
from pathlib import Path

CHUNK_BYTES = 1 << 20


class SmallDisk:
    """A file system in a sparse file, mounted at a folder.

    `is_mounted` is False where this machine permits no mount: then the folder is an ordinary one
    and must not be filled.
    """

    def __init__(self, folder: Path, image: Path, megabytes: int) -> None:
        self.folder = folder
        self._image = image  # on no other small disk: it must find room when that is full
        self._ballast = folder / "ballast"
        folder.mkdir(parents=True, exist_ok=True)
        with image.open("wb") as file:
            file.truncate(megabytes << 20)
        # No blocks for root alone: Postgres runs as another user.
        made = _runs("mkfs.ext4", "-q", "-m", "0", str(self._image))
        self.is_mounted = made and _runs("mount", "-o", "loop", str(self._image), str(folder))

    def fill(self) -> None:
        """Take all room that is left."""
        assert self.is_mounted
        with self._ballast.open("wb") as file:
            size = 0
            for step in (64 * CHUNK_BYTES, CHUNK_BYTES, 4096):
                with suppress(OSError):
                    while True:
                        os.posix_fallocate(file.fileno(), size, step)
                        size += step

    def free(self) -> None:
        """Give the room back."""
        self._ballast.unlink(missing_ok=True)

    def close(self) -> None:
        """Unmount the disk and forget what was on it."""
        if self.is_mounted:
            _runs("umount", "-l", str(self.folder))
        self._image.unlink(missing_ok=True)


def _runs(*command: str) -> bool:
    try:
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False
