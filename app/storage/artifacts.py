"""The artifact store: files addressed by the SHA-256 of their bytes, on any fsspec file system."""

import errno
import hashlib
import itertools
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import fsspec
from fsspec.implementations.local import LocalFileSystem

from app.domain.errors import ArtifactMissing, StorageFull
from app.storage.durable import sync

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
CHUNK_BYTES = 1024 * 1024
SYNC_THREADS = 8
# Bytes that are there already and were written longer ago are written again on a store whose files
# cannot be touched.
YOUNG_SECONDS = 300


class ArtifactStore:
    """Stores bytes once; a reader sees a whole file or none, and never a damaged one.

    Files on this machine's disk are synced before `put` returns.

    Args:
        url: folder as fsspec reads it: file:///var/lib/svp/artifacts, s3://bucket/prefix.
    """

    def __init__(self, url: str) -> None:
        self._files, self._root = fsspec.core.url_to_fs(url, auto_mkdir=True)
        self._is_local = isinstance(self._files, LocalFileSystem)

    def put(self, data: bytes) -> str:
        """Store the bytes and return their hash; bytes that are there already are only read.

        Raises:
            StorageFull: no room is left; nothing half-written stays.
        """
        with self.batch() as batch:
            return batch.put(data)

    @contextmanager
    def batch(self) -> Iterator["ArtifactBatch"]:
        """Yield what stores many small files; they are forced to the disk when the block ends.

        One by one that took 16 ms a file, together 0.4 ms.
        """
        batch = ArtifactBatch(self)
        yield batch
        if self._is_local:
            batch.sync(Path(self._root))

    def put_file(self, path: Path) -> str:
        """Store a local file's bytes, without holding them all, and return their hash.

        Raises:
            StorageFull: no room is left; nothing half-written stays.
        """
        with path.open("rb") as source:
            digest = hashlib.file_digest(source, "sha256").hexdigest()
            source.seek(0)
            size_bytes = path.stat().st_size
            with self.batch() as batch:
                batch.add(
                    digest, size_bytes, lambda file: shutil.copyfileobj(source, file, CHUNK_BYTES)
                )
        return digest

    def get(self, digest: str) -> bytes:
        """Return the bytes of this hash.

        Raises:
            ArtifactMissing: they are not there, or are not what was stored.
        """
        return b"".join(self.stream(digest))

    def stream(self, digest: str) -> Iterator[bytes]:
        """Return an iterator over the bytes of this hash, without holding them all.

        The last chunk comes only when the hash of all chunks is right, so that nobody takes
        damaged bytes for a whole file.

        Raises:
            ArtifactMissing: they are not there, or are damaged and fit into one chunk: before the
                iterator is returned. Larger ones that are damaged: in place of the last chunk.
        """
        try:
            file = self._files.open(self._path(digest), "rb")
        except FileNotFoundError:
            raise ArtifactMissing(
                f"Artifact {digest} is not in the store; check SVP_ARTIFACT_URL or restore it."
            ) from None
        chunks = _verified(file, digest)
        first = next(chunks, b"")
        return itertools.chain((first,), chunks)

    def check_writable(self) -> None:
        """Check that new bytes can be written and read back.

        Raises:
            StorageFull: no room is left.
        """
        data = uuid.uuid4().bytes * 256  # bytes that are there already would prove nothing
        digest = self.put(data)
        self.get(digest)
        self._files.rm(self._path(digest))

    def discard(self, digest: str, unused_seconds: float) -> bool:
        """Remove the bytes of this hash, which nothing refers to; return whether they are gone.

        Those that somebody stored within the last `unused_seconds` stay, whether or not they were
        there before: a row may be about to name them. (`put` makes its bytes young.)
        """
        path = self._path(digest)
        if not self._is_local:
            try:
                is_young = self._seconds_old(path) < unused_seconds
            except FileNotFoundError:
                return True
            if not is_young:
                self._files.rm(path)
            return not is_young
        kept, aside = Path(path), Path(f"{path}.discarded")
        with suppress(FileNotFoundError):
            if time.time() - kept.stat().st_mtime < unused_seconds:
                return False
            kept.rename(aside)  # whoever stores the bytes from now on writes them anew
        try:
            if time.time() - aside.stat().st_mtime < unused_seconds:  # made young just before
                aside.rename(kept)
                return False
        except FileNotFoundError:
            return True
        aside.unlink(missing_ok=True)
        return True

    def _seconds_old(self, path: str) -> float:
        modified: datetime = self._files.modified(path)
        return (datetime.now(UTC) - modified.astimezone(UTC)).total_seconds()

    def _put(self, digest: str, size_bytes: int, write: Callable[[IO[bytes]], object]) -> str:
        """Let `write` fill a temporary file and rename it to its hash; return its path.

        Nothing is written where the bytes are there, undamaged.
        """
        path = self._path(digest)
        if self._holds(digest, size_bytes):
            return path
        temporary = f"{path}.{uuid.uuid4().hex}.tmp"
        try:
            with self._files.open(temporary, "wb") as file:
                write(file)
            self._files.mv(temporary, path)
        except BaseException as error:
            if self._files.exists(temporary):
                self._files.rm(temporary)
            if isinstance(error, OSError) and error.errno in NO_ROOM:
                raise StorageFull(
                    f"The artifact store {self._root} has no room for {size_bytes} more bytes. "
                    "Free space or move SVP_ARTIFACT_URL, then send the request again."
                ) from error
            raise
        return path

    def _holds(self, digest: str, size_bytes: int) -> bool:
        """Return whether the bytes of this hash are there, undamaged; they are young from now on.

        Of a store whose files cannot be touched, False where they are no longer young.
        """
        path = self._path(digest)
        try:
            if self._files.size(path) != size_bytes:
                return False
            if self._is_local:
                os.utime(path)
            elif self._seconds_old(path) > YOUNG_SECONDS:
                return False
            for _ in self.stream(digest):
                pass
        except (FileNotFoundError, ArtifactMissing):
            return False
        return True

    def _path(self, digest: str) -> str:
        return f"{self._root}/{digest[:2]}/{digest[2:4]}/{digest}"


class ArtifactBatch:
    """Artifacts stored now and forced to the disk together; see `ArtifactStore.batch`."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store, self._stored = store, list[Path]()

    def put(self, data: bytes) -> str:
        """Store the bytes and return their hash, as `ArtifactStore.put` does."""
        digest = hashlib.sha256(data).hexdigest()
        self.add(digest, len(data), lambda file: file.write(data))
        return digest

    def add(self, digest: str, size_bytes: int, write: Callable[[IO[bytes]], object]) -> None:
        """Store what `write` writes: bytes of this hash."""
        # Also what is there already: another process may have written it and not yet synced it.
        self._stored.append(Path(self._store._put(digest, size_bytes, write)))  # noqa: SLF001

    def sync(self, root: Path) -> None:
        """Force the new files and the folders up to the root to the disk, several at a time."""
        folders = {folder for path in self._stored for folder in list(path.parents)[:2]}
        with ThreadPoolExecutor(SYNC_THREADS) as threads:
            for paths in (self._stored, [*folders, root] if folders else []):
                list(threads.map(sync, paths))
        self._stored = []


def _verified(file: fsspec.spec.AbstractBufferedFile, digest: str) -> Iterator[bytes]:
    """Yield the file's chunks; the last one only if their hash is `digest`."""
    found, held = hashlib.sha256(), b""
    with file:
        while chunk := file.read(CHUNK_BYTES):
            found.update(chunk)
            if held:
                yield held
            held = chunk
    if found.hexdigest() != digest:
        raise ArtifactMissing(
            f"Artifact {digest} has changed since it was stored; restore it from a backup, or "
            "store the same bytes again."
        )
    yield held
