"""Our processes start from any working folder, with caches that any user can write."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.config import environment_without_settings
from workers.processes import CACHES, PASSIVE_WAITING, module_command

TRAP = "raise SystemExit('a file of the working folder was imported')"


@pytest.fixture
def trapped_folder(tmp_path: Path) -> Path:
    """A working folder whose files have the names of our packages."""
    for name in ("app.py", "workers.py", "selection.py", "alembic.py", "psycopg.py"):
        (tmp_path / name).write_text(TRAP)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "__init__.py").write_text(TRAP)
    return tmp_path


def test_files_of_the_working_folder_are_not_imported(trapped_folder: Path) -> None:
    run = subprocess.run(
        [*module_command("workers.cli.main"), "experiments"],
        cwd=trapped_folder,
        check=False,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_caches_lie_in_the_data_folder_and_children_import_safely(tmp_path: Path) -> None:
    show = (
        "import os, subprocess, sys; import workers.processes as p; p.prepare_environment(); "
        "import json; print(json.dumps({n: os.environ[n] for n in [*p.CACHES, 'PYTHONSAFEPATH']}))"
    )
    clean = {n: v for n, v in environment_without_settings().items() if n not in CACHES}
    run = subprocess.run(
        [sys.executable, "-P", "-c", show],
        env={**clean, "SVP_DATA_FOLDER": str(tmp_path / "data"), "NUMBA_CACHE_DIR": "/mine"},
        check=True,
        capture_output=True,
        text=True,
    )
    found = json.loads(run.stdout)
    assert found.pop("NUMBA_CACHE_DIR") == "/mine"
    assert found.pop("PYTHONSAFEPATH") == "1"
    assert all(path.startswith(str(tmp_path / "data" / "cache")) for path in found.values())


def test_threads_of_all_processes_sleep_while_they_wait_unless_the_user_says_otherwise() -> None:
    show = (
        "import os, json; import workers.processes as p; p.prepare_environment(); "
        "print(json.dumps({n: os.environ[n] for n in p.PASSIVE_WAITING}))"
    )
    clean = {n: v for n, v in os.environ.items() if n not in PASSIVE_WAITING}
    command = [sys.executable, "-P", "-c", show]
    run = subprocess.run(command, env=clean, check=True, capture_output=True, text=True)
    assert json.loads(run.stdout) == PASSIVE_WAITING
    chosen = {**clean, "OMP_WAIT_POLICY": "ACTIVE"}
    run = subprocess.run(command, env=chosen, check=True, capture_output=True, text=True)
    assert json.loads(run.stdout)["OMP_WAIT_POLICY"] == "ACTIVE"
