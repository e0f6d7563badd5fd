"""Jobs that select, on a real database: options, brought features, core-sets, and their replay."""

import hashlib
import io
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from pydantic import SecretStr
from safetensors.torch import save_file
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.queries import core_sets as core_set_queries
from app.db.queries import projects, rounds
from app.db.queries.models import newest_proxy
from app.db.session import transaction
from app.db.tables import BatchItem, Item, Job, Model, Project, Round, Split
from app.domain.errors import CoreSetInvalid, FeaturesInvalid, InvalidProject, ProjectNotStartable
from app.domain.states import JobState
from app.services import core_sets, features
from app.services.core_sets import CoreSetIn
from app.services.lifecycle import start_project
from app.services.prepared_items import ItemIn
from app.services.projects import (
    ModelBounds,
    ModelChoice,
    resolve_model,
)
from app.storage.artifacts import ArtifactStore
from models.catalog import resolve_recipe
from models.data.text import encode
from models.networks.build import build
from models.predict import predict
from models.recipe import RecipeError
from models.training.train import TrainedModel, TrainingStopped, train
from selection.catalog import Purpose, known_strategies
from tests.loop import claim_waiting, create_draft, import_lines
from tests.projects import do_waiting_job
from workers.jobs import context as job_context
from workers.jobs.context import JobContext
from workers.jobs.packed_pool import PoolReader
from workers.jobs.replay import replay_selection
from workers.jobs.run import run_job
from workers.jobs.snapshot import (
    Snapshot,
    gather_snapshot,
    load_arrays,
    read_snapshot,
    store_arrays,
)
from workers.jobs.stored_models import load_stored_model
from workers.steps.round import DOES_NOT_FIT, RoundResult, run_selection
from workers.steps.scoring import item_scores
from workers.steps.training import training_seed

N_LABELED, N = 30, 70
WORDS = {"a": ["fine", "good", "great"], "b": ["bad", "poor", "sad"]}
PROXY = ModelChoice("fasttext", {"epochs": 8, "buckets": 500, "minibatch": 8})


@pytest.fixture
def settings(settings: Settings, database_url: str) -> Settings:
    return settings.model_copy(update={"database_url": SecretStr(database_url)})


def stored_snapshot(session: Session, store: ArtifactStore, project: Project) -> Snapshot:
    return read_snapshot(store, store_arrays(store, **gather_snapshot(session, project, None)))


@pytest.fixture
def store(settings: Settings) -> ArtifactStore:
    return ArtifactStore(settings.artifact_store_url)


@pytest.fixture
def make_project(session_factory: sessionmaker[Session], settings: Settings) -> Callable[..., int]:
    """Make a draft of 70 texts, some labeled; `given` overrides its settings."""

    def make(n_labeled: int = N_LABELED, **given: Any) -> int:
        values = {
            "strategy": "margin",
            "initial_budget": 6,
            "round_budget": 6,
            "total_budget": 18,
            "reserve": 4,
            "seed": 5,
            "proxy": PROXY,
            "target": PROXY,
            **given,
        }
        rng = np.random.default_rng(0)
        lines = []
        for i in range(N):
            name = "ab"[i % 2]
            text = " ".join([*rng.choice(WORDS[name], 3), f"w{rng.integers(20)}"])
            class_name = name if i < n_labeled else None
            lines.append(ItemIn(f"t{i}", Split.POOL, class_name, text))
        with transaction(session_factory) as session:
            project = create_draft(session, **values)
            import_lines(session, settings, project.id, lines)
            return project.id

    return make


@pytest.fixture
def do_job(session_factory: sessionmaker[Session], settings: Settings) -> Callable[[int], None]:
    """Do the project's waiting job in this process."""
    return partial(do_waiting_job, session_factory, settings)


def start(factory: sessionmaker[Session], project_id: int) -> None:
    with transaction(factory) as session:
        start_project(session, project_id)


def put(factory: sessionmaker[Session], store: ArtifactStore, project_id: int, path: Path) -> None:
    """Do what PUT /features does."""
    brought = features.BroughtFeatures(store.put_file(path), *features.check_features(path))
    with transaction(factory) as session:
        features.bring_features(session, project_id, brought)


def bring(
    factory: sessionmaker[Session], store: ArtifactStore, project_id: int, path: Path, d: int = 4
) -> np.ndarray:
    """Bring features in which 7 items lie far away, in d directions, and return them."""
    array = np.random.default_rng(3).normal(size=(N, d)).astype(np.float32)
    array[60:67] += 40.0 * np.eye(d, dtype=np.float32)[np.arange(7) % d]
    np.save(path, array)
    put(factory, store, project_id, path)
    return array


def selected(factory: sessionmaker[Session], project_id: int) -> tuple[Round, list[BatchItem]]:
    with transaction(factory) as session:
        round_ = rounds.latest(session, project_id)
        assert round_ is not None
        page = rounds.ranked_page(session, round_.id, -1, 1000)
        return round_, [batch_item for batch_item, _ in page]


def selected_index(factory: sessionmaker[Session], project_id: int) -> list[int]:
    with transaction(factory) as session:
        round_ = rounds.latest(session, project_id)
        assert round_ is not None
        page = rounds.ranked_page(session, round_.id, -1, 1000)
        return [item.index for _, item in page]


class TestOptions:
    def test_control_arm_is_marked_in_batch_and_reserve(
        self, session_factory: sessionmaker[Session], make_project: Any, do_job: Any
    ) -> None:
        project_id = make_project(selection={"control_fraction": 0.5})
        start(session_factory, project_id)
        do_job(project_id)
        round_, items = selected(session_factory, project_id)
        assert [item.is_control for item in items] == [True, False] * 5
        assert round_.selection["n_control"] == 5
        assert all(item.suggestion_class is not None for item in items)

    def test_class_balance_takes_as_many_of_each_predicted_class(
        self, session_factory: sessionmaker[Session], make_project: Any, do_job: Any
    ) -> None:
        project_id = make_project(selection={"class_balance": True})
        start(session_factory, project_id)
        do_job(project_id)
        _, items = selected(session_factory, project_id)
        classes = [item.suggestion_class for item in items]
        assert classes == [0, 1] * 5

    def test_candidates_are_reported_with_their_recall(
        self, session_factory: sessionmaker[Session], make_project: Any, do_job: Any
    ) -> None:
        options = {"candidates": {"kind": "uniform", "n": 20}, "measure_recall": True}
        project_id = make_project(selection=options)
        start(session_factory, project_id)
        do_job(project_id)
        round_, items = selected(session_factory, project_id)
        report = round_.selection["candidates"]
        assert report["n"] == 20
        assert report["fraction"] == 0.5  # of the 40 without a label
        assert 0 <= report["selection_recall"] <= 1
        assert len(items) == 10


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
        recipe = resolve_recipe("probe", {})
        with pytest.raises(FeaturesInvalid, match="70 rows of them for 71 pool items"):
            reader.round_inputs(project, replace(snapshot, n_pool=N + 1), "probe", recipe)

    @pytest.mark.parametrize("part", ["proxy", "target"])
    def test_it_is_refused_where_it_gets_no_features(self, make_project: Any, part: str) -> None:
        if part == "proxy":
            with pytest.raises(InvalidProject, match=r"proxy: .*selection\.features is brought"):
                make_project(proxy=ModelChoice("probe"))
        else:
            with pytest.raises(InvalidProject, match="target: probe takes frozen features"):
                resolve_model("target", ModelChoice("probe"), ModelBounds("text", 2, None))


class TestNotes:
    def test_what_this_machine_could_not_do_is_part_of_the_models_provenance(
        self, session_factory: sessionmaker[Session], make_project: Any, do_job: Any
    ) -> None:
        recipe = {**PROXY.recipe, "precision": "fp16", "momentum": 0.5}
        project_id = make_project(proxy=ModelChoice("fasttext", recipe))
        start(session_factory, project_id)
        do_job(project_id)
        with transaction(session_factory) as session:
            (note,) = session.scalars(select(Model)).one().provenance["notes"]
        assert note == "fp16 does not pay on this CPU; it trained in float32."


class TestWarmStart:
    def test_a_job_goes_on_from_the_newest_proxy_or_notes_that_it_does_not_fit(
        self,
        session_factory: sessionmaker[Session],
        store: ArtifactStore,
        make_project: Any,
        do_job: Any,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        started: list[TrainedModel | None] = []

        def spy(*args: Any, **kwargs: Any) -> TrainedModel:
            started.append(kwargs["initial"])
            return train(*args, **kwargs)

        monkeypatch.setattr("workers.steps.training.train", spy)
        recipe = {**PROXY.recipe, "warm_start": True}
        newest: list[Model | None] = []
        for buckets in (500, 500, 600):
            project_id = make_project(
                name=f"p{len(newest)}",
                proxy=ModelChoice("fasttext", {**recipe, "buckets": buckets}),
            )
            with transaction(session_factory) as session:
                for before in newest[-1:]:
                    assert before is not None
                    session.merge(before).project_id = project_id
            start(session_factory, project_id)
            do_job(project_id)
            with transaction(session_factory) as session:
                newest.append(newest_proxy(session, project_id))
        first, second, third = newest
        assert first is not None
        assert second is not None
        assert third is not None
        assert [model is None for model in started] == [True, False, True]
        own = load_stored_model(store, first.weights_hash).network.state_dict()
        assert started[1] is not None
        for name, weights in started[1].network.state_dict().items():
            assert torch.equal(weights, own[name])
        assert second.provenance["notes"] == []
        assert third.provenance["notes"] == [DOES_NOT_FIT]


class TestWeights:
    """A recipe's `weights` are a file in the workers' folder, known by its hash."""

    @pytest.fixture
    def choice(self, monkeypatch: pytest.MonkeyPatch) -> ModelChoice:
        recipe = {**PROXY.recipe, "weights": "start.safetensors"}
        monkeypatch.setattr(f"{__name__}.PROXY", ModelChoice(PROXY.model, recipe))
        return PROXY

    def test_they_are_read_from_the_folder_and_their_hash_is_kept(
        self,
        session_factory: sessionmaker[Session],
        settings: Settings,
        choice: ModelChoice,
        make_project: Any,
        do_job: Any,
    ) -> None:
        settings.recipe_weights_folder.mkdir(parents=True)
        path = settings.recipe_weights_folder / "start.safetensors"
        save_file(
            build("fasttext", 2, resolve_recipe("fasttext", choice.recipe)).state_dict(), path
        )
        project_id = make_project()
        start(session_factory, project_id)
        do_job(project_id)
        with transaction(session_factory) as session:
            model = session.scalars(select(Model)).one()
        assert model.recipe["weights"] == "start.safetensors"
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        assert model.provenance["pretrained_hash"] == digest

    def test_a_path_that_was_stored_before_is_not_opened(
        self,
        session_factory: sessionmaker[Session],
        choice: ModelChoice,
        make_project: Any,
        do_job: Any,
        tmp_path: Path,
    ) -> None:
        project_id = make_project()
        with transaction(session_factory) as session:
            project = projects.get(session, project_id)
            recipe = {**project.proxy["recipe"], "weights": str(tmp_path / "start.safetensors")}
            project.proxy = {"model": choice.model, "recipe": recipe}
        start(session_factory, project_id)
        with pytest.raises(RecipeError, match="plain name"):
            do_job(project_id)


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
        assert "stability" not in result.seconds

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
        train(PROXY.model, recipe, texts, np.arange(8) % 2, 2, 9).save(tmp_path / "other")
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


class TestMeasuredEpochs:
    @pytest.mark.parametrize("n_evaluation", [8, 0])
    def test_models_tell_their_accuracy_by_epoch_where_it_is_asked_for(
        self,
        session_factory: sessionmaker[Session],
        settings: Settings,
        make_project: Any,
        do_job: Any,
        n_evaluation: int,
    ) -> None:
        lines = [
            ItemIn(f"e{i}", Split.EVALUATION, "ab"[i % 2], WORDS["ab"[i % 2]][i % 3])
            for i in range(n_evaluation)
        ]
        metrics = {}
        for name, given in (("plain", {}), ("measured", {"measures_epochs": True})):
            project_id = make_project(name=name, **given)
            with transaction(session_factory) as session:
                import_lines(session, settings, project_id, lines)
            start(session_factory, project_id)
            do_job(project_id)
            with transaction(session_factory) as session:
                proxy = newest_proxy(session, project_id)
                assert proxy is not None
                metrics[name] = proxy.metrics
        by_epoch = metrics["measured"].pop("accuracy_by_epoch", [])
        assert metrics["measured"] == metrics["plain"], "measuring changes no training"
        assert len(by_epoch) == (8 if n_evaluation else 0)
        assert not n_evaluation or by_epoch[-1] == metrics["plain"]["accuracy"]


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
        cut = resolve_recipe("fasttext", recipe | {"epochs_cut": 2})
        inputs = PoolReader(session_factory, store, settings).round_inputs(
            project, snapshot, "fasttext", cut
        )
        labeled = inputs.pool.take(inputs.labeled_index)
        seed = training_seed(3, inputs.labels)
        trained = train("fasttext", cut, labeled, inputs.labels, 2, seed, count_forgetting=True)
        expected = item_scores(predict(trained, labeled).probs, trained.forgetting)
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
            states = session.scalars(select(Job.state).where(Job.project_id == project_id))
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
        job = session.scalars(select(Job)).one()
        n_items = len(session.scalars(select(Item.id)).all())
    assert n_items == N
    assert job.state == JobState.SUCCEEDED
    with transaction(session_factory) as session:
        project_hash = projects.get(session, project_id).features_hash
    assert round_.selection["features_hash"] != project_hash
