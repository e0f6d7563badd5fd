"""Real jobs on projects that change while they run: items are added, settings are changed."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydantic import SecretStr
from sklearn.metrics import cohen_kappa_score
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.queries import projects
from app.db.queries.invariants import find_violations
from app.db.session import transaction
from app.db.tables import Split
from app.services import jobs
from app.services.next_round import begin_next_round
from app.services.project_settings import change_project
from app.services.projects import ModelChoice
from models.predict import predict
from models.recipe import recipe_from_json
from tests.projects import TINY, ServedProject
from workers.jobs.context import JobContext
from workers.jobs.packed_pool import PoolReader
from workers.jobs.run import run_job
from workers.jobs.snapshot import load_arrays
from workers.jobs.stored_models import load_stored_model
from workers.steps import stability


@pytest.fixture
def make(
    session_factory: sessionmaker[Session], settings: Settings, database_url: str
) -> Callable[..., ServedProject]:
    """Make a draft: make(modality, **settings of the project)."""
    configured = settings.model_copy(
        update={"database_url": SecretStr(database_url), "device": "cpu"}
    )
    return lambda modality, **given: ServedProject(
        session_factory, configured, TINY[modality], **given
    )


def assert_promises(project: ServedProject) -> None:
    with transaction(project.factory) as session:
        assert list(find_violations(session)) == []


def packed_files(project: ServedProject) -> dict[Path, bytes]:
    folder = project.settings.cache_folder / "packs"
    return {
        path: path.read_bytes()
        for path in folder.rglob("*")
        if path.suffix in {".u8", ".i32", ".i64"} and path.parent.name.startswith("pool")
    }


@pytest.mark.parametrize("modality", ["text", "image"])
def test_added_items_are_selected_and_the_packed_pool_is_extended(
    make: Callable[..., ServedProject], modality: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make(modality)
    packed: list[tuple[Split, int, int]] = []
    monkeypatch.setattr(
        JobContext,
        "reader",
        property(
            lambda c: PoolReader(
                c.factory, c.store, c.settings, on_block=lambda at, span: packed.append((at, *span))
            )
        ),
    )
    project.add(range(40))
    project.add(range(10), Split.EVALUATION)
    project.start()
    project.do_job()  # round 0: uniform, of 40
    assert packed == []
    project.label(6)
    project.do_job()  # round 1: by a proxy, which reads them all
    assert packed == [(Split.POOL, 0, 40), (Split.EVALUATION, 0, 10)]
    before = packed_files(project)
    assert before

    project.add(range(40, 60))
    project.add(range(60, 64), known=True)  # labels that come along count at once
    project.add(range(10, 14), Split.EVALUATION)
    labeled = project.label(6)
    packed.clear()
    project.do_job()  # round 2
    assert packed == [(Split.POOL, 40, 64), (Split.EVALUATION, 10, 14)]  # nothing again
    for path, content in packed_files(project).items():
        assert path.read_bytes().startswith(before[path])
        assert len(content) > len(before[path])
    known = {*project.ranked(0), *range(40, 64)} - {*labeled}
    assert set(project.ranked(2)) >= set(range(40, 60))
    assert set(project.ranked(2)) <= known - set(range(60, 64))
    assert project.model_of(2).n_labeled == 6 + 6 + 4
    assert project.model_of(2).metrics["n_evaluation"] == 14
    assert_promises(project)


def test_items_added_while_a_selection_runs_wait_for_the_next(
    make: Callable[..., ServedProject],
) -> None:
    project = make("text")
    project.add(range(30))
    project.start()
    project.do_job()
    project.label(6)
    claimed = project.claim()
    context = JobContext(claimed, project.settings, project.factory, project.store, lambda: False)

    def add_once() -> bool:
        if project.round_(1).state == "training":
            project.add(range(30, 40))
        return False

    context.should_stop = add_once
    run_job(context)
    assert max(project.ranked(1)) < 30
    project.label(6)
    project.do_job()
    assert max(project.ranked(2)) >= 30
    assert_promises(project)


class TestChangedProxy:
    def test_a_job_that_begins_again_keeps_the_rounds_proxy(
        self, make: Callable[..., ServedProject]
    ) -> None:
        project = make("text")
        project.add(range(40))
        project.start()
        project.do_job()
        project.label(6)
        lost = project.claim()
        with transaction(project.factory) as session:
            jobs.fail_attempt(session, lost.id, lost.token, "killed")
            bigger = {"proxy": ModelChoice("fasttext", {"epochs": 2, "dim": 5})}
            change_project(session, project.id, bigger, project.settings)
        project.do_job()
        project.label(6)
        project.do_job()
        dims = [recipe_from_json(project.model_of(n).recipe).dim for n in (1, 2)]
        assert dims[0] != 5
        assert dims[1] == 5
        assert_promises(project)

    def test_next_round_by_hand_trains_on_the_labels_so_far(
        self, make: Callable[..., ServedProject]
    ) -> None:
        project = make("text")
        project.add(range(40))
        project.start()
        project.do_job()
        project.label(4)
        with transaction(project.factory) as session:
            begin_next_round(session, project.id, project.settings)
        project.do_job()
        assert project.model_of(1).n_labeled == 4
        assert project.round_(1).state == "labeling"
        assert_promises(project)


def test_stored_stability_is_that_of_the_stored_models(
    make: Callable[..., ServedProject], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stability, "SAMPLE_SIZE", 30)
    project = make("text", reserve=0)
    project.add(range(60))
    project.start()
    project.do_job()
    labeled = []
    for _ in range(3):
        labeled.append(project.label(6))
        project.do_job()
    assert project.round_(0).predictions_hash is None
    assert project.round_(1).stability == {}
    for number in (2, 3):
        one, two = project.round_(number - 1), project.round_(number)
        assert one.predictions_hash is not None
        assert two.predictions_hash is not None
        before, now = (
            load_arrays(project.store, hash_)["index"]
            for hash_ in (one.predictions_hash, two.predictions_hash)
        )
        both = np.setdiff1d(before, labeled[number - 1])  # all but those labeled since
        np.testing.assert_array_equal(np.intersect1d(before, now), both)
        assert two.stability["n"] == len(both) < len(now) == 30
        classes = [classes_of(project, n, both) for n in (number - 1, number)]
        assert two.stability["round"] == number - 1
        assert two.stability["agreement"] == pytest.approx((classes[0] == classes[1]).mean())
        if two.stability["kappa"] is not None:
            assert two.stability["kappa"] == pytest.approx(cohen_kappa_score(*classes))


def classes_of(project: ServedProject, number: int, index: np.ndarray) -> np.ndarray:
    """Return what a round's proxy predicts of these pool items."""
    model = project.model_of(number)
    trained = load_stored_model(project.store, model.weights_hash)
    with transaction(project.factory) as session:
        row = projects.get(session, project.id)
    reader = PoolReader(project.factory, project.store, project.settings)
    inputs = reader.read(row, Split.POOL, trained.setup, row.n_pool)
    classes: np.ndarray = predict(trained, inputs.take(index)).probs.argmax(axis=1)
    return classes
