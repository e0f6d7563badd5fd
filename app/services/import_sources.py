"""Where the files of an import lie: only where the operator lets the service read."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import BinaryIO

import fsspec

from app.config import Settings
from app.db.tables import Import
from app.domain.errors import ItemInvalid
from app.services.image_uris import check_prefix, path_in_roots
from app.storage.artifacts import ArtifactStore

BLOCK_BYTES = 1 << 20


def check_source(uri: str, settings: Settings) -> None:
    """Check that an import may be read from an address: a path or a URL below SVP_IMAGE_ROOTS.

    Raises:
        ItemInvalid: it may not.
    """
    if "://" in uri:
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
        path = Path(folder) / (PurePosixPath(found.name).name or "import")
        with path.open("wb") as file:
            if found.uri is None:
                file.writelines(store.stream(found.content_hash or ""))
            else:
                _copy(found.uri, file, settings)
        yield path


def _copy(uri: str, file: BinaryIO, settings: Settings) -> None:
    check_prefix(uri, settings)
    try:
        with fsspec.open(uri, "rb") as source:
            shutil.copyfileobj(source, file, BLOCK_BYTES)
    except (OSError, ImportError, ValueError) as error:
        raise ItemInvalid("import_not_found", f"{uri} cannot be read: {error}.") from None
