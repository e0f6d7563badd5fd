"""A stored selection is repeated with the same result."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.queries import rounds
from app.db.session import transaction
from app.storage.artifacts import ArtifactStore
from models.catalog import ModelSetup, resolve_recipe
from models.data.labeled import LabeledSet
from models.data.text import encode
from models.training.train import train
from tests.workers.jobs.selection.projects import PROXY, WORDS, start
from workers.jobs.replay import replay_selection
from workers.steps.round import RoundResult, run_selection


class TestReplay:
    @pytest.mark.parametrize("strategy", ["margin", "badge", "k_centers", "uniform"])
    def test_stored_selection_gives_the_same_indices_again(
        self,
        session_factory: sessionmaker[Session],
        settings: Settings,
        store: ArtifactStore,
        make_project: Any,
        do_job: Any,
        strategy: str,
    ) -> None:
        options = {"control_fraction": 0.2, "duplicate_similarity": 0.99}
        project_id = make_project(strategy=strategy, selection=options)
        start(session_factory, project_id)
        do_job(project_id)
        elsewhere = settings.model_copy(update={"data_folder": settings.data_folder / "other"})
        found = replay_selection(session_factory, store, elsewhere, project_id, 0)
        assert found.strategy == strategy
        assert found.n == 10
        assert found.first_difference is None
        assert found.score_difference == 0.0

    def test_the_sample_of_the_pool_is_not_predicted_again(
        self,
        session_factory: sessionmaker[Session],
        settings: Settings,
        store: ArtifactStore,
        make_project: Any,
        do_job: Any,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        project_id = make_project()
        start(session_factory, project_id)
        do_job(project_id)
        results: list[RoundResult] = []

        def spy(*args: Any, **kwargs: Any) -> RoundResult:
            results.append(run_selection(*args, **kwargs))
            return results[-1]

        monkeypatch.setattr("workers.jobs.replay.run_selection", spy)
        replay_selection(session_factory, store, settings, project_id, 0)
        (result,) = results
        assert result.proxy is not None
        assert result.sample is None
        assert "stability" not in result.seconds.wall

    def test_it_is_repeated_on_the_rounds_number_of_threads(
        self,
        session_factory: sessionmaker[Session],
        settings: Settings,
        store: ArtifactStore,
        make_project: Any,
        do_job: Any,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        project_id = make_project()
        start(session_factory, project_id)
        do_job(project_id)
        here = torch.get_num_threads()
        with transaction(session_factory) as session:
            round_ = rounds.latest(session, project_id)
            assert round_ is not None
            assert round_.selection["threads"] == here
            round_.selection = {**round_.selection, "threads": here + 1}
        used: list[int] = []

        def spy(*args: Any, **kwargs: Any) -> Any:
            used.append(torch.get_num_threads())
            return run_selection(*args, **kwargs)

        monkeypatch.setattr("workers.jobs.replay.run_selection", spy)
        found = replay_selection(session_factory, store, settings, project_id, 0)
        assert found.first_difference is None
        assert (used, torch.get_num_threads()) == ([here + 1], here)

    @pytest.mark.parametrize("changed", ["weights_hash", "seed", "options"])
    def test_what_decided_the_selection_is_what_is_repeated(
        self,
        session_factory: sessionmaker[Session],
        settings: Settings,
        store: ArtifactStore,
        make_project: Any,
        do_job: Any,
        tmp_path: Path,
        changed: str,
    ) -> None:
        project_id = make_project(selection={"control_fraction": 0.2})
        start(session_factory, project_id)
        do_job(project_id)
        rng = np.random.default_rng(0)
        texts = encode([" ".join(rng.choice(WORDS["a"], 3)) for _ in range(8)], 2, 500)
        recipe = resolve_recipe(PROXY.model, PROXY.recipe)
        train(ModelSetup(PROXY.model, recipe), LabeledSet(texts, np.arange(8) % 2, 2), 9).save(
            tmp_path / "other"
        )
        values = {
            "weights_hash": store.put_file(tmp_path / "other"),
            "seed": 6,
            "options": {"control_fraction": 0.9},
        }
        with transaction(session_factory) as session:
            round_ = rounds.latest(session, project_id)
            assert round_ is not None
            round_.selection = {**round_.selection, changed: values[changed]}
        found = replay_selection(session_factory, store, settings, project_id, 0)
        assert found.first_difference is not None

    def test_round_without_a_selection_is_an_error(
        self,
        session_factory: sessionmaker[Session],
        settings: Settings,
        store: ArtifactStore,
        make_project: Any,
    ) -> None:
        project_id = make_project()
        start(session_factory, project_id)
        with pytest.raises(ValueError, match="no stored selection"):
            replay_selection(session_factory, store, settings, project_id, 0)
