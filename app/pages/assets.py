"""Files of the pages: their addresses name their content, so that browsers keep them for good."""

import hashlib
from functools import cached_property
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse
from starlette.exceptions import HTTPException

STATIC = Path(__file__).parent / "static"
MEDIA_TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
}
FOREVER = "public, max-age=31536000, immutable"


class Assets:
    """The files below a folder."""

    def __init__(self, folder: Path = STATIC) -> None:
        self._folder = folder

    @cached_property
    def files(self) -> dict[str, Path]:
        """Path below the folder -> the file; only kinds that pages use."""
        found = (p for p in sorted(self._folder.rglob("*")) if p.suffix in MEDIA_TYPES)
        return {path.relative_to(self._folder).as_posix(): path for path in found}

    @cached_property
    def version(self) -> str:
        """A hash of all files: scripts name each other, so they change their address together."""
        digest = hashlib.sha256()
        for name, path in self.files.items():
            digest.update(name.encode() + b"\0" + path.read_bytes())
        return digest.hexdigest()[:12]

    def path(self, name: str) -> str:
        """Return the address of a file, below the service's own.

        Raises:
            KeyError: there is no such file.
        """
        if name not in self.files:
            raise KeyError(f"app/pages/static has no file {name}")
        return f"/static/{self.version}/{name}"


ASSETS = Assets()
router = APIRouter(include_in_schema=False)


@router.get("/static/{version}/{name:path}")
async def file(version: str, name: str) -> FileResponse:
    """Return a file; under an old address the newest, which a browser must not keep."""
    path = ASSETS.files.get(name)
    if path is None:
        raise HTTPException(404, "There is no such file; reload the page.")
    is_current = version == ASSETS.version
    headers = {
        "Cache-Control": FOREVER if is_current else "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return FileResponse(path, media_type=MEDIA_TYPES[path.suffix], headers=headers)
