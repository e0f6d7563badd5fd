"""The artifact store: files addressed by the SHA-256 of their bytes, on any fsspec file system."""

import errno
import hashlib
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import fsspec

from app.domain.errors import ArtifactMissing, StorageFull

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
CHUNK_BYTES = 1024 * 1024


class ArtifactStore:
    """Stores bytes once; a reader sees a whole file or none.

    Args:
        url: folder as fsspec reads it: file:///var/lib/svp/artifacts, s3://bucket/prefix.
    """

    def __init__(self, url: str) -> None:
        self._files, self._root = fsspec.core.url_to_fs(url, auto_mkdir=True)

    def put(self, data: bytes) -> str:
        """Store the bytes and return their hash; bytes that are there already cost nothing.

        Raises:
            StorageFull: no room is left; nothing half-written stays.
        """
        digest = hashlib.sha256(data).hexdigest()
        self._put(digest, len(data), lambda file: file.write(data))
        return digest

    def put_file(self, path: Path) -> str:
        """Store a local file's bytes, without holding them all, and return their hash.

        Raises:
            StorageFull: no room is left; nothing half-written stays.
        """
        with path.open("rb") as source:
            digest = hashlib.file_digest(source, "sha256").hexdigest()
            source.seek(0)
            size_bytes = path.stat().st_size
            self._put(
                digest, size_bytes, lambda file: shutil.copyfileobj(source, file, CHUNK_BYTES)
            )
        return digest

    def get(self, digest: str) -> bytes:
        """Return the bytes of this hash.

        Raises:
            ArtifactMissing: they are not there, or are not what was stored.
        """
        try:
            data: bytes = self._files.cat_file(self._path(digest))
        except FileNotFoundError:
            raise ArtifactMissing(_gone(digest)) from None
        if hashlib.sha256(data).hexdigest() != digest:
            raise ArtifactMissing(
                f"Artifact {digest} has changed since it was stored; restore it from a backup."
            )
        return data

    def stream(self, digest: str) -> Iterator[bytes]:
        """Return an iterator over the bytes of this hash, without holding them all.

        Raises:
            ArtifactMissing: they are not there; raised before the first chunk.
        """
        try:
            file = self._files.open(self._path(digest), "rb")
        except FileNotFoundError:
            raise ArtifactMissing(_gone(digest)) from None
        return _chunks(file)

    def check_writable(self) -> None:
        """Raise if nothing can be written."""
        self.put(b"svp")

    def _put(self, digest: str, size_bytes: int, write: Callable[[IO[bytes]], object]) -> None:
        """Let `write` fill a temporary file and rename it to its hash; if it is not there yet."""
        path = self._path(digest)
        if self._files.exists(path):
            return
        temporary = f"{path}.{uuid.uuid4().hex}.tmp"
        try:
            with self._files.open(temporary, "wb") as file:
                write(file)
            self._files.mv(temporary, path)
        except OSError as error:
            if self._files.exists(temporary):
                self._files.rm(temporary)
            if error.errno in NO_ROOM:
                raise StorageFull(
                    f"The artifact store {self._root} has no room for {size_bytes} more bytes. "
                    "Free space or move SVP_ARTIFACT_URL, then send the request again."
                ) from error
            raise

    def _path(self, digest: str) -> str:
        return f"{self._root}/{digest[:2]}/{digest[2:4]}/{digest}"


def _chunks(file: fsspec.spec.AbstractBufferedFile) -> Iterator[bytes]:
    with file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def _gone(digest: str) -> str:
    return f"Artifact {digest} is not in the store; check SVP_ARTIFACT_URL or restore it."
