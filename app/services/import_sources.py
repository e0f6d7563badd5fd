"""Where the files of an import lie: only where the operator lets the service read."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import BinaryIO
from urllib.parse import urlsplit

import fsspec

from app.config import Settings
from app.db.tables import Import
from app.domain.errors import ItemInvalid
from app.services.downloads import Deadline
from app.services.image_uris import check_host, check_prefix, path_in_roots, read_http
from app.storage.artifacts import ArtifactStore

BLOCK_BYTES = 1 << 20


def check_source(uri: str, settings: Settings) -> None:
    """Check that an import may be read from an address.

    That is a path or a URL below SVP_IMAGE_ROOTS, or an http(s) URL of a host of SVP_IMAGE_HOSTS.

    Raises:
        ItemInvalid: it may not.
    """
    if _is_http(uri):
        check_host(uri, settings)
    elif "://" in uri:
        check_prefix(uri, settings)
    else:
        path_in_roots(uri, settings)


@contextmanager
def local_source(found: Import, store: ArtifactStore, settings: Settings) -> Iterator[Path]:
    """Yield the import's file or folder on this machine; what lies elsewhere is copied first.

    Raises:
        ItemInvalid: it may not be read, or is not there.
        ArtifactMissing: the uploaded file is gone.
    """
    if found.uri is not None and "://" not in found.uri:
        yield path_in_roots(found.uri, settings)
        return
    with ExitStack() as stack:
        settings.uploads_folder.mkdir(parents=True, exist_ok=True)
        folder = stack.enter_context(TemporaryDirectory(dir=settings.uploads_folder))
        name = urlsplit(found.name).path if found.uri is not None else found.name
        path = Path(folder) / (PurePosixPath(name).name or "import")
        with path.open("wb") as file:
            if found.uri is None:
                file.writelines(store.stream(found.content_hash or ""))
            else:
                _copy(found.uri, file, settings)
        yield path


def _is_http(uri: str) -> bool:
    return urlsplit(uri).scheme in ("http", "https")


def _download(uri: str, file: BinaryIO, settings: Settings) -> None:
    n_bytes = 0

    def take(chunk: bytes) -> None:
        nonlocal n_bytes
        n_bytes += len(chunk)
        if n_bytes > settings.max_body_bytes:
            raise ItemInvalid(
                "import_too_large",
                f"{uri} has more than {settings.max_body_bytes} bytes (SVP_MAX_BODY_BYTES).",
            )
        file.write(chunk)

    try:
        read_http(uri, settings, Deadline(settings.import_download_seconds), take)
    except TimeoutError:
        raise ItemInvalid(
            "import_too_slow",
            f"{uri} did not come whole within {settings.import_download_seconds:g} s "
            "(SVP_IMPORT_DOWNLOAD_SECONDS).",
        ) from None


def _copy(uri: str, file: BinaryIO, settings: Settings) -> None:
    if _is_http(uri):
        _download(uri, file, settings)
        return
    check_prefix(uri, settings)
    try:
        with fsspec.open(uri, "rb") as source:
            shutil.copyfileobj(source, file, BLOCK_BYTES)
    except (OSError, ImportError, ValueError) as error:
        raise ItemInvalid("import_not_found", f"{uri} cannot be read: {error}.") from None
