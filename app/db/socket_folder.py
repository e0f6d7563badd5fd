"""The folder of the embedded Postgres' socket: never one that other users can enter.

Whoever reaches the socket is the database's superuser, so the folder's rights are the password.
"""

import hashlib
import os
import pwd
import re
import stat
import tempfile
from pathlib import Path

MAX_SOCKET_BYTES = 103  # of the shortest limit there is, without the final zero
SOCKET_NAME = ".s.PGSQL.5432"
# The address of a server is a list with commas; what cannot be written in a URL has no place in it.
USABLE = re.compile(r"[^,\x00-\x1f\ud800-\udfff]+")


def find_socket_folder(data_folder: Path, user: pwd.struct_passwd | None) -> Path:
    """Return the data folder itself, or a private one with a short path where that is too long.

    Raises:
        PermissionError: the short folder exists and others can enter it, or own it.
    """
    if _is_usable(data_folder):
        return data_folder
    owner = user.pw_uid if user else os.geteuid()
    digest = hashlib.sha256(os.fsencode(data_folder)).hexdigest()[:16]
    folder = _runtime_folder(user) / f"svp-{owner}-{digest}"
    if not _is_usable(folder):
        raise PermissionError(
            f"{folder} is too long a path for a socket; set TMPDIR to a folder with a short path."
        )
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        _check_private(folder, owner)
    else:
        if user is not None:
            os.chown(folder, user.pw_uid, user.pw_gid)
    return folder


def _is_usable(folder: Path) -> bool:
    path = str(folder / SOCKET_NAME)
    return bool(USABLE.fullmatch(path)) and len(os.fsencode(path)) <= MAX_SOCKET_BYTES


def _runtime_folder(user: pwd.struct_passwd | None) -> Path:
    named = os.environ.get("XDG_RUNTIME_DIR", "")
    if user is None and named and _is_usable(Path(named) / ("x" * 40)) and Path(named).is_dir():
        return Path(named)
    temporary = Path(tempfile.gettempdir())
    return temporary if _is_usable(temporary / ("x" * 40)) else Path("/tmp")  # noqa: S108 - checked


def _check_private(folder: Path, owner: int) -> None:
    found = folder.lstat()
    if (
        not stat.S_ISDIR(found.st_mode)
        or found.st_uid != owner
        or stat.S_IMODE(found.st_mode) & 0o077
    ):
        raise PermissionError(
            f"{folder} is not a private folder of the user that runs Postgres, and whoever can "
            "enter it would own the database; remove it, or set TMPDIR to another folder."
        )
