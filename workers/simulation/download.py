"""Downloads of archives: resumed after an interruption, checked, with progress."""

import hashlib
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import httpx

CHUNK_BYTES = 1 << 20
Progress = Callable[[int, int | None], None]


class DownloadError(ValueError):
    """A file could not be downloaded, or is not what was published."""


def download(
    url: str,
    path: Path,
    md5: str | None,
    on_progress: Progress = lambda _done, _total: None,
) -> None:
    """Download `url` to `path`; resume a partial download, kept as .part.

    Args:
        url: http(s) address.
        path: where the whole file will lie.
        md5: its published checksum, or None if there is none.
        on_progress: gets (bytes so far, bytes in all or None).

    Raises:
        DownloadError: the server refuses or the connection breaks (what has come is kept: call
            again), or the checksum differs (what has come is deleted).
    """
    part = path.with_name(path.name + ".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    done = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={done}-"} if done else {}
    try:
        with (
            httpx.Client(timeout=60.0, follow_redirects=True) as http,
            http.stream("GET", url, headers=headers) as response,
        ):
            if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                pass  # all of it has come before
            elif response.is_error:
                raise DownloadError(f"{url} answered {response.status_code}.")
            else:
                is_rest = response.status_code == httpx.codes.PARTIAL_CONTENT
                _receive(response, part, done if is_rest else 0, on_progress)
    except httpx.HTTPError as error:
        raise DownloadError(
            f"{url} broke off after {part.stat().st_size if part.exists() else 0} bytes ({error}); "
            "run the command again to resume."
        ) from None
    if md5 is not None and file_md5(part) != md5:
        part.unlink()
        raise DownloadError(
            f"The file from {url} is not the published one (its md5 differs); try again."
        )
    part.replace(path)


def extract(archive: Path, folder: Path) -> None:
    """Unpack a tar or zip archive below `folder`; nothing is written outside it."""
    folder.mkdir(parents=True, exist_ok=True)
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            for name in packed.namelist():
                packed.extract(name, folder)  # drops absolute paths and ".."
        return
    with tarfile.open(archive) as file:
        file.extractall(folder, filter="data")


def file_md5(path: Path) -> str:
    """Return the md5 of a file as hex, as data sets publish it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _receive(response: httpx.Response, part: Path, done: int, on_progress: Progress) -> None:
    length = response.headers.get("Content-Length")
    total = done + int(length) if length else None
    with part.open("ab" if done else "wb") as file:
        for chunk in response.iter_bytes(CHUNK_BYTES):
            file.write(chunk)
            done += len(chunk)
            on_progress(done, total)
    if total is not None and done != total:
        raise httpx.ReadError("fewer bytes than announced")
