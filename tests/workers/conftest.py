"""Real workers as processes of their own."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.config import Settings, environment_without_settings


@pytest.fixture
def start_worker(
    settings: Settings, database_url: str, tmp_path: Path
) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts real workers; kills what is left of them at the end."""
    started: list[subprocess.Popen[bytes]] = []

    def start(**more: str) -> subprocess.Popen[bytes]:
        with (tmp_path / "worker.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "workers.cli.main", "worker"],
                env={
                    **environment_without_settings(),
                    "SVP_DATABASE_URL": database_url,
                    "SVP_DATA_FOLDER": str(settings.data_folder),
                    "SVP_JOB_LEASE_SECONDS": "10",
                    "SVP_HEARTBEAT_SECONDS": "2",
                    **more,
                },
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()
