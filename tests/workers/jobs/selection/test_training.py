"""Models that a round's job trains: notes, warm starts, weights, measured epochs."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.queries import projects
from app.db.queries.models import newest_proxy
from app.db.session import transaction
from app.db.tables import Model, Split
from app.services.import_counts import ImportCounts
from app.services.items import import_items
from app.services.prepared_items import ItemIn
from app.services.projects import ModelChoice
from app.storage.artifacts import ArtifactStore
from models.catalog import resolve_recipe
from models.networks.build import build
from models.recipe import RecipeError
from models.training.train import TrainedModel, train
from tests.workers.jobs.selection.projects import PROXY, WORDS, start
from workers.jobs.stored_models import load_stored_model
from workers.steps.round import DOES_NOT_FIT


class TestNotes:
    def test_what_this_machine_could_not_do_is_part_of_the_models_provenance(
        self, session_factory: sessionmaker[Session], make_project: Any, do_job: Any
    ) -> None:
        recipe = {**PROXY.recipe, "precision": "fp16", "momentum": 0.5}
        project_id = make_project(proxy=ModelChoice("fasttext", recipe))
        start(session_factory, project_id)
        do_job(project_id)
        with transaction(session_factory) as session:
            _, note = session.scalars(select(Model)).one().provenance["notes"]
        assert note == "fp16 is slower than float32 on this CPU; the model trained in float32."

    def test_a_chosen_recipe_is_named_and_one_of_few_steps_says_so(
        self, session_factory: sessionmaker[Session], make_project: Any, do_job: Any
    ) -> None:
        found: list[tuple[str | None, list[int]]] = []
        choices: list[dict[str, Any]] = [{}, {"epochs": 2, "minibatch": 32}, {"name": "fast"}]
        for recipe in choices:
            project_id = make_project(
                name=f"p{len(found)}", proxy=ModelChoice("fasttext", {"buckets": 500, **recipe})
            )
            start(session_factory, project_id)
            do_job(project_id)
            with transaction(session_factory) as session:
                newest = newest_proxy(session, project_id)
            assert newest is not None
            found.append((newest.provenance["recipe_name"], newest.recipe["epochs_per_stage"]))
            few = [note for note in newest.provenance["notes"] if "are 2 steps" in note]
            assert bool(few) == ("epochs" in recipe)
        assert found == [("unigrams", [50]), ("unigrams", [2]), (None, [5])]


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
        assert DOES_NOT_FIT not in second.provenance["notes"]
        assert third.provenance["notes"][-1] == DOES_NOT_FIT


class TestWeights:
    """A recipe's `weights` are a file in the workers' folder, known by its hash."""

    @pytest.fixture
    def choice(self) -> ModelChoice:
        return ModelChoice(PROXY.model, {**PROXY.recipe, "weights": "start.safetensors"})

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
        project_id = make_project(proxy=choice)
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
        project_id = make_project(proxy=choice)
        with transaction(session_factory) as session:
            project = projects.get(session, project_id)
            recipe = {**project.proxy["recipe"], "weights": str(tmp_path / "start.safetensors")}
            project.proxy = {"model": choice.model, "recipe": recipe}
        start(session_factory, project_id)
        with pytest.raises(RecipeError, match="plain name"):
            do_job(project_id)


class TestMeasuredEpochs:
    @pytest.mark.parametrize("n_evaluation", [8, 0])
    def test_models_tell_their_accuracy_by_epoch_where_it_is_asked_for(
        self,
        session_factory: sessionmaker[Session],
        settings: Settings,
        store: ArtifactStore,
        make_project: Any,
        do_job: Any,
        n_evaluation: int,
    ) -> None:
        lines = [
            (i, ItemIn(f"e{i}", Split.EVALUATION, "ab"[i % 2], WORDS["ab"[i % 2]][i % 3]))
            for i in range(n_evaluation)
        ]
        metrics = {}
        for name, given in (("plain", {}), ("measured", {"measures_epochs": True})):
            project_id = make_project(name=name, **given)
            with transaction(session_factory) as session:
                import_items(session, store, settings, project_id, lines, ImportCounts())
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
