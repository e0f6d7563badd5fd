"""A service of real processes, shared by the system tests."""

from collections.abc import Iterator

import pytest

from app.config import Settings
from workers.stack import Stack


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Postgres, API and a worker as processes of their own."""
    folder = tmp_path_factory.mktemp("service")
    with Stack(Settings(data_folder=folder / "data", port=0)) as stack:
        yield stack
