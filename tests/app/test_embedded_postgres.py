"""The embedded Postgres: as an ordinary user beside root's, and started again after a kill."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from app.db.embedded import EmbeddedPostgres
from app.db.postgres_program import find_program
from app.db.socket_folder import find_socket_folder
from tests.support import wait_for

ROOT = Path(__file__).parents[2]
USE_TWICE = """
import sys
from pathlib import Path
import psycopg
from app.db.embedded import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]))
with psycopg.connect(server.start()) as connection:
    connection.execute("CREATE TABLE IF NOT EXISTS kept (n int)")
    connection.execute("INSERT INTO kept VALUES (1)")
    print(connection.execute("SELECT count(*) FROM kept").fetchone()[0])
server.stop()
"""


def python_of_everybody() -> str | None:
    """Return an interpreter of this version that an ordinary user may run."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, f"/usr/bin/{name}", f"/usr/local/bin/{name}"):
        probe = [python, "-c", f"open({str(ROOT / 'pyproject.toml')!r})"]
        try:
            if subprocess.run(probe, user="nobody", check=False, capture_output=True).returncode:
                continue
        except OSError:
            continue
        return python
    return None


@pytest.fixture
def folder_of_nobody() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="svp-nobody-"))
    os.chown(folder, pwd.getpwnam("nobody").pw_uid, -1)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_ordinary_user_starts_stops_and_finds_the_data_again(
    postgres_url: str, folder_of_nobody: Path
) -> None:
    python = python_of_everybody()
    if python is None:
        pytest.skip("no interpreter here that an ordinary user may run")
    assert postgres_url  # root's own server runs beside it
    packages = [path for path in sys.path if path.endswith("site-packages")]
    environment = {
        "HOME": str(folder_of_nobody),
        "PYTHONPATH": os.pathsep.join([str(ROOT), *packages]),
    }
    for expected in ("1", "2"):
        run = subprocess.run(
            [python, "-c", USE_TWICE, str(folder_of_nobody / "postgres")],
            user="nobody",
            env=environment,
            cwd=folder_of_nobody,
            check=False,
            capture_output=True,
            text=True,
        )
        assert run.stdout.strip() == expected, run.stderr


def test_owner_starts_it_again_after_kill_9_and_what_was_committed_is_there(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("killed") / "postgres"
    server = EmbeddedPostgres(folder)
    assert not server.is_running()
    with psycopg.connect(server.start()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS n")
    try:
        assert server.is_running()
        os.kill(int((folder / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        wait_for(lambda: not server.is_running(), 10)
        with psycopg.connect(server.start()) as connection:
            assert connection.execute("SELECT n FROM kept").fetchone() == (1,)
    finally:
        server.stop()
    assert not server.is_running()


@pytest.mark.parametrize("name", ["it's a folder, with $HOME and `id`", "x" * 150])
def test_any_path_and_an_unknown_locale_serve_and_no_other_user_reaches_the_socket(
    name: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "xx_YY.UTF-8")
    folder = tmp_path_factory.mktemp("paths") / name / "postgres"
    server = EmbeddedPostgres(folder)
    url = server.start()
    try:
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT lower('Ä')").fetchone() == ("ä",)
            shown = connection.execute("SHOW unix_socket_directories").fetchone()
            assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        assert shown is not None
        for private in (folder, Path(shown[0].strip('"').replace('""', '"'))):
            assert private.stat().st_mode & 0o077 == 0, private
        assert EmbeddedPostgres(folder).url() == url
    finally:
        server.stop()


class TestSocketFolder:
    def test_data_folder_itself_where_its_path_is_short(self) -> None:
        assert find_socket_folder(Path("/srv/svp/postgres"), None) == Path("/srv/svp/postgres")

    def test_folder_that_others_can_enter_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("XDG_RUNTIME_DIR", "")
        monkeypatch.setattr(tempfile, "tempdir", None)
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        data = tmp_path / ("x" * 150)
        folder = find_socket_folder(data, None)
        assert folder.stat().st_mode & 0o777 == 0o700
        assert find_socket_folder(data, None) == folder
        folder.chmod(0o755)
        with pytest.raises(PermissionError, match="not a private folder"):
            find_socket_folder(data, None)
        folder.rmdir()
        folder.symlink_to(tmp_path)
        with pytest.raises(PermissionError, match="not a private folder"):
            find_socket_folder(data, None)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives rights to another user")
def test_root_opens_private_parents_to_the_one_user_alone(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    data_folder = tmp_path_factory.mktemp("private") / "data"
    (data_folder / "postgres").mkdir(parents=True)
    data_folder.chmod(0o700)
    program = find_program(data_folder / "postgres")
    assert program.user is not None
    assert data_folder.stat().st_mode & 0o777 == 0o710
    assert data_folder.stat().st_gid == program.user.pw_gid
