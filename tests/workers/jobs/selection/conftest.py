"""A project of labeled texts, and its waiting job done in this process."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pydantic import SecretStr
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.session import transaction
from app.db.tables import Split
from app.services.import_counts import ImportCounts
from app.services.items import import_items
from app.services.prepared_items import ItemIn
from app.services.projects import ProjectIn, create_project
from app.storage.artifacts import ArtifactStore
from tests.loop import claim_waiting
from tests.workers.jobs.selection.projects import N_LABELED, PROXY, WORDS, N
from workers.jobs.context import JobContext
from workers.jobs.run import run_job


@pytest.fixture
def settings(settings: Settings, database_url: str) -> Settings:
    return settings.model_copy(update={"database_url": SecretStr(database_url)})


@pytest.fixture
def store(settings: Settings) -> ArtifactStore:
    return ArtifactStore(settings.artifact_store_url)


@pytest.fixture
def make_project(
    session_factory: sessionmaker[Session], settings: Settings, store: ArtifactStore
) -> Callable[..., int]:
    """Make a draft of 70 texts, some labeled; `given` overrides its settings."""

    def make(n_labeled: int = N_LABELED, **given: Any) -> int:
        values = {
            "strategy": "margin",
            "initial_budget": 6,
            "round_budget": 6,
            "total_budget": 18,
            "reserve": 4,
            "labels_per_item": 1,
            "seed": 5,
            **given,
        }
        rng = np.random.default_rng(0)
        lines = []
        for i in range(N):
            name = "ab"[i % 2]
            text = " ".join([*rng.choice(WORDS[name], 3), f"w{rng.integers(20)}"])
            class_name = name if i < n_labeled else None
            lines.append((i, ItemIn(f"t{i}", Split.POOL, class_name, text)))
        with transaction(session_factory) as session:
            project = create_project(
                session,
                ProjectIn(
                    values.pop("name", "p"),
                    "text",
                    ("a", "b"),
                    values.pop("proxy", PROXY),
                    PROXY,
                    **values,
                ),
            )
            import_items(session, store, settings, project.id, lines, ImportCounts())
            return project.id

    return make


@pytest.fixture
def do_job(
    session_factory: sessionmaker[Session], settings: Settings, store: ArtifactStore
) -> Callable[[int], None]:
    """Do the project's waiting job in this process."""

    def do(project_id: int) -> None:
        claimed = claim_waiting(session_factory, settings, project_id)
        assert claimed is not None
        run_job(JobContext(claimed, settings, session_factory, store, lambda: False))

    return do
