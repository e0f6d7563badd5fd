"""A service of real processes, shared by the system tests."""

from collections.abc import Iterator

import pytest

from app.config import Settings
from workers.service.stack import Stack


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Postgres, API and a worker as processes of their own; items are leased for 3 seconds."""
    folder = tmp_path_factory.mktemp("service") / "data"
    settings = Settings(data_folder=folder, port=0, annotation_lease_seconds=3.0)
    with Stack(settings) as stack:
        yield stack
