"""Core-sets' jobs, and the snapshot that a job keeps."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.queries import core_sets as core_set_queries
from app.db.queries import projects
from app.db.session import transaction
from app.db.tables import Item, Job, JobKind
from app.domain.errors import CoreSetInvalid
from app.domain.states import JobState
from app.services import core_sets
from app.services.core_sets import CoreSetIn
from app.storage.artifacts import ArtifactStore
from models.catalog import resolve_choice
from models.predict import predict
from models.training.train import TrainingStopped, train
from selection.catalog import Purpose, known_strategies
from tests.loop import claim_waiting
from tests.workers.jobs.selection.projects import (
    N_LABELED,
    N,
    bring,
    put,
    selected,
    start,
    stored_snapshot,
)
from workers.jobs import context as job_context
from workers.jobs.context import JobContext
from workers.jobs.packed_pool import PoolReader
from workers.jobs.run import run_job
from workers.jobs.snapshot import load_arrays
from workers.steps.scoring import item_scores
from workers.steps.training import training_seed


class TestCoreSets:
    @pytest.fixture
    def make_core_set(
        self, session_factory: sessionmaker[Session], settings: Settings, make_project: Any
    ) -> Callable[..., tuple[int, int]]:
        def make(project_id: int | None = None, **wanted: Any) -> tuple[int, int]:
            project_id = project_id or make_project()
            with transaction(session_factory) as session:
                request = CoreSetIn(**wanted)
                core_set, _ = core_sets.create_core_set(session, project_id, request, settings)
                return project_id, core_set.id

        return make

    @pytest.mark.parametrize("strategy", known_strategies(Purpose.CORE_SET))
    def test_every_strategy_keeps_labeled_items_in_balance(
        self,
        session_factory: sessionmaker[Session],
        make_core_set: Any,
        do_job: Any,
        strategy: str,
    ) -> None:
        project_id, core_set_id = make_core_set(
            strategy=strategy, fraction=0.4, class_balance=True, initial_uniform=4, epochs=3
        )
        do_job(project_id)
        with transaction(session_factory) as session:
            found = core_set_queries.get(session, project_id, core_set_id)
            assert found is not None
            core_set, job = found
            kept = core_set_queries.kept_items(session, core_set_id, -1, 1000)
        assert job.state == JobState.SUCCEEDED
        assert core_set.n_labeled == N_LABELED
        assert len({item.item_id for item in kept}) == 12
        assert all(item.index < N_LABELED for item in kept)
        assert [item.rank for item in kept] == list(range(12))
        assert [item.class_index for item in kept[4:]] == [0, 1] * 4
        assert (core_set.weights_hash is None) == (strategy == "uniform")
        assert core_set.provenance["snapshot_hash"]

    def test_scores_after_an_epoch_are_those_of_a_training_cut_there(
        self,
        session_factory: sessionmaker[Session],
        settings: Settings,
        store: ArtifactStore,
        make_core_set: Any,
        do_job: Any,
    ) -> None:
        recipe = {"epochs": 4, "buckets": 500, "minibatch": 8}
        wanted: dict[str, Any] = {"strategy": "entropy", "budget": 5, "recipe": recipe, "seed": 3}
        project_id, core_set_id = make_core_set(**wanted, score_epochs=[2, 4])
        make_core_set(project_id, **wanted)
        do_job(project_id)
        do_job(project_id)
        with transaction(session_factory) as session:
            kept, plain = (
                core_set_queries.kept_indices(session, c.id)
                for c, _ in core_set_queries.list_all(session, project_id)
            )
            assert kept == plain, "keeping scores changes no selection"
            stored = core_set_queries.list_scores(session, core_set_id)
            project = projects.get(session, project_id)
            snapshot = stored_snapshot(session, store, project)
        assert [scores.epoch for scores in stored] == [2, 4]
        whole = resolve_choice("fasttext", recipe).for_labels(N_LABELED)
        cut = replace(whole, recipe=whole.recipe.with_overrides({"epochs_cut": 2}))
        inputs = PoolReader(session_factory, store, settings).round_inputs(project, snapshot, cut)
        labeled = inputs.labeled
        seed = training_seed(3, inputs.labels)
        trained = train(
            cut,
            labeled,
            seed,
            count_forgetting=True,
        )
        expected = item_scores(predict(trained, labeled.inputs).probs, trained.forgetting)
        found = load_arrays(store, stored[0].scores_hash)
        assert found.pop("index").tolist() == list(range(N_LABELED))
        assert found.pop("class_index").tolist() == [0, 1] * (N_LABELED // 2)
        assert {k: v.tolist() for k, v in found.items()} == {
            k: v.tolist() for k, v in expected.items()
        }
        assert set(found) == {"entropy", "least_confidence", "margin", "forgetting_events"}
        assert stored[0].accuracy is None, "there is no evaluation split"

    @pytest.mark.parametrize("checkpoint_seconds", [0.0, 1000.0])
    def test_a_job_that_was_stopped_keeps_the_same_scores(
        self,
        session_factory: sessionmaker[Session],
        settings: Settings,
        store: ArtifactStore,
        make_core_set: Any,
        do_job: Any,
        monkeypatch: pytest.MonkeyPatch,
        checkpoint_seconds: float,
    ) -> None:
        monkeypatch.setattr(job_context, "CHECKPOINT_SECONDS", checkpoint_seconds)
        recipe = {"epochs": 4, "buckets": 500, "minibatch": 8}
        wanted: dict[str, Any] = {"strategy": "entropy", "budget": 5, "recipe": recipe}
        wanted["score_epochs"] = [1, 2, 4]
        project_id, whole = make_core_set(**wanted)
        do_job(project_id)
        _, stopped = make_core_set(project_id, **wanted)
        claimed = claim_waiting(session_factory, settings, project_id)
        assert claimed is not None
        # 30 items in minibatches of 8: the third epoch is under way.
        asked = iter(range(10))
        stops = JobContext(claimed, settings, session_factory, store, lambda: next(asked) == 9)
        with pytest.raises(TrainingStopped):
            run_job(stops)
        with transaction(session_factory) as session:
            early = core_set_queries.list_scores(session, stopped)
            assert [scores.epoch for scores in early] == [1, 2]
        run_job(JobContext(claimed, settings, session_factory, store, lambda: False))
        with transaction(session_factory) as session:
            first, second = (
                {s.epoch: s.scores_hash for s in core_set_queries.list_scores(session, core_set)}
                for core_set in (whole, stopped)
            )
        assert first == second
        assert len(first) == 3

    def test_core_sets_of_one_draw_seed_begin_with_the_same_items(
        self, session_factory: sessionmaker[Session], make_core_set: Any, do_job: Any
    ) -> None:
        wanted = {"strategy": "k_centers", "budget": 9, "initial_uniform": 6, "epochs": 2}
        project_id, _ = make_core_set(**wanted, seed=1, draw_seed=7)
        do_job(project_id)
        for seed, draw_seed in ((2, 7), (2, None), (7, None)):
            make_core_set(project_id, **wanted, seed=seed, draw_seed=draw_seed)
            do_job(project_id)
        with transaction(session_factory) as session:
            first, second, own, seven = (
                core_set_queries.kept_indices(session, c.id)[:6]
                for c, _ in core_set_queries.list_all(session, project_id)
            )
        assert first == second == seven
        assert own != first

    def test_it_can_be_made_while_a_round_is_labeled(
        self,
        session_factory: sessionmaker[Session],
        make_project: Any,
        make_core_set: Any,
        do_job: Any,
    ) -> None:
        project_id = make_project()
        start(session_factory, project_id)
        do_job(project_id)
        make_core_set(project_id, strategy="el2n", budget=5, epochs=2)
        make_core_set(project_id, strategy="entropy", budget=5, epochs=2)
        do_job(project_id)
        do_job(project_id)
        with transaction(session_factory) as session:
            ours = (Job.project_id == project_id, Job.kind != JobKind.PACK)
            states = session.scalars(select(Job.state).where(*ours))
            assert set(states) == {JobState.SUCCEEDED}
            kept = [len(core_set_queries.kept_indices(session, c.id)) for c, _ in
                    core_set_queries.list_all(session, project_id)]  # fmt: skip
        assert kept == [5, 5]

    @pytest.mark.parametrize(
        ("wanted", "said"),
        [
            ({"strategy": "margin", "budget": 5}, "forgetting_events"),
            ({"strategy": "best", "budget": 5}, "forgetting_events"),
            ({"strategy": "entropy"}, "either fraction or budget"),
            ({"strategy": "entropy", "budget": 5, "fraction": 0.5}, "either"),
            ({"strategy": "entropy", "budget": 30}, "30 out of 30"),
            ({"strategy": "entropy", "budget": 5, "initial_uniform": 6}, "which is 5"),
        ],
    )
    def test_what_cannot_be_made_is_refused(
        self, make_core_set: Any, wanted: dict[str, Any], said: str
    ) -> None:
        with pytest.raises(CoreSetInvalid, match=said):
            make_core_set(**wanted)

    def test_one_class_is_refused_for_strategies_that_train(
        self, make_project: Any, make_core_set: Any
    ) -> None:
        project_id = make_project(1)
        with pytest.raises(CoreSetInvalid, match="needs two"):
            make_core_set(project_id, strategy="entropy", budget=1)


def test_snapshot_of_a_job_keeps_the_features_of_its_first_attempt(
    session_factory: sessionmaker[Session],
    settings: Settings,
    store: ArtifactStore,
    make_project: Any,
    tmp_path: Path,
) -> None:
    project_id = make_project(strategy="k_centers", selection={"features": "brought"})
    bring(session_factory, store, project_id, tmp_path / "f.npy")
    start(session_factory, project_id)
    claimed = claim_waiting(session_factory, settings, project_id)
    assert claimed is not None
    calls = 0

    def stop_first() -> bool:
        nonlocal calls
        calls += 1
        return calls == 1

    context = JobContext(claimed, settings, session_factory, store, stop_first)
    with pytest.raises(Exception, match="stopped"):
        run_job(context)
    np.save(buffer := io.BytesIO(), np.zeros((N, 4)))
    (tmp_path / "other.npy").write_bytes(buffer.getvalue())
    put(session_factory, store, project_id, tmp_path / "other.npy")
    run_job(replace(context, should_stop=lambda: False))
    round_, _ = selected(session_factory, project_id)
    with transaction(session_factory) as session:
        job = session.scalars(select(Job).where(Job.kind != JobKind.PACK)).one()
        n_items = len(session.scalars(select(Item.id)).all())
    assert n_items == N
    assert job.state == JobState.SUCCEEDED
    with transaction(session_factory) as session:
        project_hash = projects.get(session, project_id).features_hash
    assert round_.selection["features_hash"] != project_hash
