"""A finished project is reopened: it takes items, labels more, and trains its target again."""

from collections.abc import Callable

import pytest
from pydantic import SecretStr
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.queries import models, projects
from app.db.queries.invariants import find_violations
from app.db.session import transaction
from app.db.tables import Model, ModelRole
from app.services import lifecycle
from app.services.project_settings import change_project
from app.services.projects import ModelChoice
from tests.projects import TINY, ServedProject


@pytest.fixture
def finished(
    session_factory: sessionmaker[Session], settings: Settings, database_url: str
) -> ServedProject:
    """Six of twenty texts are labeled, which spent the budget; the target is trained."""
    configured = settings.model_copy(
        update={"database_url": SecretStr(database_url), "device": "cpu"}
    )
    project = ServedProject(session_factory, configured, TINY["text"], total_budget=6)
    project.add(range(20))
    project.start()
    project.do_job()
    project.label(6)
    project.do_job()
    assert state_of(project) == "finished"
    return project


def state_of(project: ServedProject) -> str:
    with transaction(project.factory) as session:
        return projects.get(session, project.id).state


def apply(project: ServedProject, change: Callable[[Session, int], object]) -> None:
    with transaction(project.factory) as session:
        change(session, project.id)


def targets_of(project: ServedProject) -> list[Model]:
    with transaction(project.factory) as session:
        found = models.list_all(session, project.id)
        return [model for model in found if model.role == ModelRole.TARGET]


def test_it_labels_new_items_and_trains_the_target_again(finished: ServedProject) -> None:
    apply(finished, lifecycle.reopen_project)
    assert state_of(finished) == "paused"
    finished.add(range(20, 30))
    with transaction(finished.factory) as session:
        change_project(session, finished.id, {"total_budget": 12}, finished.settings)
    apply(finished, lifecycle.resume_project)
    finished.do_job()
    labeled = finished.label(6)
    assert len(labeled) == 6
    finished.do_job()
    assert state_of(finished) == "finished"
    assert [model.n_labeled for model in targets_of(finished)] == [6, 12]
    with transaction(finished.factory) as session:
        assert list(find_violations(session)) == []


def test_resumed_without_more_budget_it_trains_another_target(finished: ServedProject) -> None:
    apply(finished, lifecycle.reopen_project)
    recipe = dict(TINY["text"].model.recipe, epochs=7)
    with transaction(finished.factory) as session:
        changes = {"target": ModelChoice("fasttext", recipe)}
        change_project(session, finished.id, changes, finished.settings)
    apply(finished, lifecycle.resume_project)
    assert state_of(finished) == "training_target"
    finished.do_job()
    assert state_of(finished) == "finished"
    first, second = targets_of(finished)
    assert first.recipe_hash != second.recipe_hash
    assert first.n_labeled == second.n_labeled == 6
