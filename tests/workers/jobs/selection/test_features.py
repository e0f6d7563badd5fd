"""Rounds and core-sets on brought features."""

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.queries import core_sets as core_set_queries
from app.db.queries import projects
from app.db.session import transaction
from app.db.tables import Model, Split
from app.domain.errors import CoreSetInvalid, FeaturesInvalid, InvalidProject, ProjectNotStartable
from app.services import core_sets
from app.services.core_sets import CoreSetIn
from app.services.import_counts import ImportCounts
from app.services.items import import_items
from app.services.prepared_items import ItemIn
from app.services.projects import ModelBounds, ModelChoice, resolve_model
from app.storage.artifacts import ArtifactStore
from models.catalog import resolve_setup
from tests.plugins import brought_strategy
from tests.workers.jobs.selection.projects import (
    N_LABELED,
    N,
    bring,
    put,
    selected,
    selected_index,
    start,
    stored_snapshot,
)
from workers.jobs.packed_pool import PoolReader
from workers.jobs.replay import replay_selection


class TestBroughtFeatures:
    def test_cold_start_selects_by_them(
        self,
        session_factory: sessionmaker[Session],
        store: ArtifactStore,
        make_project: Any,
        do_job: Any,
        tmp_path: Path,
    ) -> None:
        project_id = make_project(0, selection={"cold_start": "k_centers"})
        with pytest.raises(ProjectNotStartable, match="PUT them"):
            start(session_factory, project_id)
        bring(session_factory, store, project_id, tmp_path / "f.npy")
        start(session_factory, project_id)
        do_job(project_id)
        round_, _ = selected(session_factory, project_id)
        assert round_.strategy == "k_centers"
        assert round_.model_id is None
        far = set(selected_index(session_factory, project_id)[:5]) & set(range(60, 67))
        assert {(i - 60) % 4 for i in far} == {0, 1, 2, 3}, "one in each far direction"

    def test_brought_strategy_can_be_the_cold_start(
        self,
        session_factory: sessionmaker[Session],
        store: ArtifactStore,
        make_project: Any,
        do_job: Any,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        with brought_strategy(tmp_path, monkeypatch, "svp_test_cold", "first_feature"):
            project_id = make_project(0, selection={"cold_start": "first_feature"})
            array = bring(session_factory, store, project_id, tmp_path / "f.npy")
            start(session_factory, project_id)
            do_job(project_id)
        round_, _ = selected(session_factory, project_id)
        assert (round_.strategy, round_.model_id) == ("first_feature", None)
        order = np.argsort(-array[:, 0].astype(np.float64), kind="stable").tolist()
        assert selected_index(session_factory, project_id) == order[:10]

    def test_brought_cold_start_that_needs_nothing_starts_without_features(
        self,
        session_factory: sessionmaker[Session],
        make_project: Any,
        do_job: Any,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        with brought_strategy(tmp_path, monkeypatch, "svp_test_backwards", "backwards"):
            project_id = make_project(0, selection={"cold_start": "backwards"})
            start(session_factory, project_id)
            do_job(project_id)
        assert selected_index(session_factory, project_id) == list(range(N - 1, N - 11, -1))

    def test_strategy_on_brought_features_trains_no_proxy(
        self,
        session_factory: sessionmaker[Session],
        store: ArtifactStore,
        make_project: Any,
        do_job: Any,
        tmp_path: Path,
    ) -> None:
        project_id = make_project(strategy="k_centers", selection={"features": "brought"})
        array = bring(session_factory, store, project_id, tmp_path / "f.npy")
        start(session_factory, project_id)
        do_job(project_id)
        round_, _ = selected(session_factory, project_id)
        assert "training" not in round_.seconds
        first = selected_index(session_factory, project_id)[0]
        squared = np.square(array[N_LABELED:, None] - array[:N_LABELED]).sum(axis=2).min(axis=1)
        assert first == N_LABELED + squared.argmax()

    def test_neighbours_are_found_before_the_proxy_scores(
        self,
        session_factory: sessionmaker[Session],
        store: ArtifactStore,
        make_project: Any,
        do_job: Any,
        tmp_path: Path,
    ) -> None:
        options = {"features": "brought", "candidates": {"kind": "neighbours", "n": 1}}
        project_id = make_project(selection=options)
        bring(session_factory, store, project_id, tmp_path / "f.npy")
        start(session_factory, project_id)
        do_job(project_id)
        round_, items = selected(session_factory, project_id)
        report = round_.selection["candidates"]
        assert report["index_recall"] == 1.0
        assert 10 <= report["n"] <= 30
        assert round_.seconds["stability"] > 0  # the sample's other items: no part of selection
        assert not set(selected_index(session_factory, project_id)) & set(range(60, 67))
        assert round_.model_id is not None
        assert len(items) == 10


def bring_evaluation_items(
    factory: sessionmaker[Session],
    store: ArtifactStore,
    settings: Settings,
    project_id: int,
    classes: np.ndarray,
    first: int = 0,
) -> None:
    lines = [
        (i, ItemIn(f"e{first + i}", Split.EVALUATION, "ab"[one], "some text"))
        for i, one in enumerate(classes)
    ]
    with transaction(factory) as session:
        import_items(session, store, settings, project_id, lines, ImportCounts())


class TestProbe:
    """A model on vectors is a proxy on brought features."""

    GIVEN: ClassVar = {
        "proxy": ModelChoice("probe", {"epochs": 20, "minibatch": 8}),
        "selection": {"features": "brought"},
    }

    @pytest.mark.parametrize("strategy", ["margin", "badge"])
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_it_trains_on_them_selects_and_is_replayed(
        self,
        session_factory: sessionmaker[Session],
        settings: Settings,
        store: ArtifactStore,
        make_project: Any,
        do_job: Any,
        tmp_path: Path,
        strategy: str,
        dtype: Any,
    ) -> None:
        project_id = make_project(strategy=strategy, **self.GIVEN)
        with pytest.raises(ProjectNotStartable, match="PUT them"):
            start(session_factory, project_id)
        # Class b lies far along the first axis; the texts of the pool have no part in it.
        array = np.random.default_rng(3).normal(size=(N, 4))
        array[:, 0] += 20.0 * (np.arange(N) % 2)
        np.save(tmp_path / "f.npy", array.astype(dtype))
        put(session_factory, store, project_id, tmp_path / "f.npy")
        start(session_factory, project_id)
        do_job(project_id)
        with transaction(session_factory) as session:
            model = session.scalars(select(Model)).one()
        assert (model.name, model.n_labeled) == ("probe", N_LABELED)
        _, items = selected(session_factory, project_id)
        index = selected_index(session_factory, project_id)
        assert [item.suggestion_class for item in items] == [i % 2 for i in index]
        found = replay_selection(session_factory, store, settings, project_id, 0)
        assert (found.first_difference, found.score_difference) == (None, 0.0)

    def test_it_is_measured_on_the_evaluation_items_whose_features_were_brought(
        self,
        session_factory: sessionmaker[Session],
        settings: Settings,
        store: ArtifactStore,
        make_project: Any,
        do_job: Any,
        tmp_path: Path,
    ) -> None:
        project_id = make_project(**self.GIVEN)
        is_second = np.arange(20) % 2
        bring_evaluation_items(session_factory, store, settings, project_id, is_second[:12])
        array = np.random.default_rng(3).normal(size=(N, 4))
        array[:, 0] += 20.0 * (np.arange(N) % 2)
        np.save(tmp_path / "f.npy", array)
        put(session_factory, store, project_id, tmp_path / "f.npy")
        # A quarter lies on the side of the other class: 9 of 12 are right.
        sides = np.where(np.arange(12) % 4 == 0, 1 - is_second[:12], is_second[:12])
        held_out = np.random.default_rng(4).normal(size=(12, 4))
        held_out[:, 0] += 20.0 * sides
        np.save(tmp_path / "e.npy", held_out)
        put(session_factory, store, project_id, tmp_path / "e.npy", Split.EVALUATION)
        # Items that come later have no features yet: the others are measured.
        bring_evaluation_items(session_factory, store, settings, project_id, is_second[12:], 12)
        start(session_factory, project_id)
        do_job(project_id)
        with transaction(session_factory) as session:
            model = session.scalars(select(Model)).one()
        assert model.metrics["accuracy"] == 9 / 12
        assert model.metrics["n_evaluation"] == 12

    def test_features_of_another_width_are_said(
        self,
        session_factory: sessionmaker[Session],
        settings: Settings,
        store: ArtifactStore,
        make_project: Any,
        do_job: Any,
        tmp_path: Path,
    ) -> None:
        project_id = make_project(**self.GIVEN)
        bring_evaluation_items(session_factory, store, settings, project_id, np.arange(2))
        bring(session_factory, store, project_id, tmp_path / "f.npy")
        np.save(tmp_path / "e.npy", np.ones((2, 3)))
        put(session_factory, store, project_id, tmp_path / "e.npy", Split.EVALUATION)
        start(session_factory, project_id)
        with pytest.raises(FeaturesInvalid, match="3 values wide, those of the pool 4"):
            do_job(project_id)

    def test_it_makes_core_sets_where_features_were_brought(
        self,
        session_factory: sessionmaker[Session],
        settings: Settings,
        store: ArtifactStore,
        make_project: Any,
        do_job: Any,
        tmp_path: Path,
    ) -> None:
        project_id = make_project()
        wanted = CoreSetIn("forgetting_events", budget=5, model="probe", epochs=2)
        with (
            pytest.raises(CoreSetInvalid, match="PUT them"),
            transaction(session_factory) as session,
        ):
            core_sets.create_core_set(session, project_id, wanted, settings)
        bring(session_factory, store, project_id, tmp_path / "f.npy")
        with transaction(session_factory) as session:
            core_set_id = core_sets.create_core_set(session, project_id, wanted, settings)[0].id
        do_job(project_id)
        with transaction(session_factory) as session:
            assert len(core_set_queries.kept_indices(session, core_set_id)) == 5

    def test_items_without_a_row_are_said(
        self,
        session_factory: sessionmaker[Session],
        settings: Settings,
        store: ArtifactStore,
        make_project: Any,
        tmp_path: Path,
    ) -> None:
        project_id = make_project(**self.GIVEN)
        bring(session_factory, store, project_id, tmp_path / "f.npy")
        with transaction(session_factory) as session:
            project = projects.get(session, project_id)
            snapshot = stored_snapshot(session, store, project)
        reader = PoolReader(session_factory, store, settings)
        probe = resolve_setup("probe", {})
        with pytest.raises(FeaturesInvalid, match="70 rows of them for 71 pool items"):
            reader.round_inputs(project, replace(snapshot, n_pool=N + 1), probe)

    @pytest.mark.parametrize("part", ["proxy", "target"])
    def test_it_is_refused_where_it_gets_no_features(self, make_project: Any, part: str) -> None:
        if part == "proxy":
            with pytest.raises(InvalidProject, match=r"proxy: .*selection\.features is brought"):
                make_project(proxy=ModelChoice("probe"))
        else:
            with pytest.raises(InvalidProject, match="target: probe takes frozen features"):
                resolve_model("target", ModelChoice("probe"), ModelBounds("text", 2, None))
