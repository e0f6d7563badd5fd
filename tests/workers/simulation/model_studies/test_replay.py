"""Studies of models: lines by epoch, per-item scores, resuming."""

from pathlib import Path

import numpy as np
import pytest

from models import predict
from models.catalog import ModelSetup, resolve_recipe
from models.data.labeled import LabeledSet
from models.training.forgetting import ForgettingCounts
from models.training.train import train
from selection.k_centers.greedy import greedy_k_centers
from tests.experiments import run_any, tiny_study
from tests.workers.simulation.core_sets.test_replay import failing_at, refuse
from workers.simulation.config import ExperimentError
from workers.simulation.data import load_data, model_inputs
from workers.simulation.model_studies import replay
from workers.simulation.model_studies.config import ModelStudyConfig
from workers.simulation.model_studies.lines import StudyLine, read_scores
from workers.simulation.results import LinesOf, read_lines_of
from workers.steps import scoring
from workers.steps.core_set import initial_rows

Runs = dict[tuple[str, int], list[StudyLine]]
FOUND = ("model", "architecture", "seed", "epochs", "epoch", "error", "scores_file", "recipe_hash")


def run(experiment: ModelStudyConfig, out: Path) -> Runs:
    run_any(experiment, out)
    return read_lines_of(StudyLine, out)


def found(out: Path) -> dict[tuple[str, int], list[list[object]]]:
    """Return the lines without times, and what their files of scores hold."""
    return {
        key: [
            [
                *(getattr(line, f) for f in FOUND),
                {name: scores.tolist() for name, scores in read_scores(out, line).items()},
            ]
            for line in lines
        ]
        for key, lines in read_lines_of(StudyLine, out).items()
    }


class TestLines:
    def test_each_model_is_measured_after_the_epochs_asked_for_and_the_last(
        self, tmp_path: Path
    ) -> None:
        runs = run(tiny_study(tmp_path), tmp_path / "out")
        assert {key: [line.epoch for line in lines] for key, lines in runs.items()} == {
            ("shallow", 3): [1, 3],
            ("shallow", 4): [1, 3],
            ("deep", 3): [1, 2],
            ("deep", 4): [1, 2],
        }
        first, last = runs["shallow", 3]
        assert (first.architecture, first.epochs) == ("preact8", 3)
        assert 0 < first.train_seconds < last.train_seconds

    def test_a_measurement_in_between_changes_nothing_after_it(self, tmp_path: Path) -> None:
        run(tiny_study(tmp_path, "seeds=[3]"), tmp_path / "two")
        run(tiny_study(tmp_path, "seeds=[3]", "record_epochs=[]"), tmp_path / "one")
        two, one = found(tmp_path / "two"), found(tmp_path / "one")
        assert {key: lines[-1:] for key, lines in two.items()} == one

    def test_the_first_epochs_scores_are_those_of_a_training_of_one_epoch(
        self, tmp_path: Path
    ) -> None:
        run(tiny_study(tmp_path, "seeds=[3]"), tmp_path / "long")
        cut = tiny_study(tmp_path, "seeds=[3]", "models.shallow.recipe.epochs_cut=1")
        run(cut, tmp_path / "short")
        (line,) = read_lines_of(StudyLine, tmp_path / "short")["shallow", 3]
        first = read_lines_of(StudyLine, tmp_path / "long")["shallow", 3][0]
        after, before = read_scores(tmp_path / "short", line), read_scores(tmp_path / "long", first)
        for name in ("entropy", "forgetting_events", "margin", "least_confidence"):
            assert after[name].tolist() == before[name].tolist()
        assert "k_centers_rank" not in before, "the order is the last epoch's"
        assert line.error == first.error

    def test_ranks_are_those_of_the_greedy_order_from_the_first_centres(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        features: list[np.ndarray] = []

        def kept(*args: object, **kwargs: object) -> object:
            predicted = predict.predict(*args, **kwargs)  # type: ignore[arg-type]
            features.extend([] if predicted.features is None else [predicted.features])
            return predicted

        monkeypatch.setattr(scoring, "predict", kept)
        experiment = tiny_study(tmp_path, "seeds=[3]", "k_centers_budget=20", "record_epochs=[]")
        runs = run(experiment, tmp_path / "out")
        ranks = read_scores(tmp_path / "out", runs["shallow", 3][0])["k_centers_rank"]
        initial = initial_rows(60, 6, 3)
        rest = np.setdiff1d(np.arange(60), initial)
        rng = np.random.default_rng(0)
        picked, _ = greedy_k_centers(features[0][rest], features[0][initial], 20, rng)
        assert (ranks[initial] == 0).all()
        assert ranks[rest[picked]].tolist() == list(range(1, 21))
        assert (np.delete(ranks, [*initial, *rest[picked]]) == 21).all()

    @pytest.mark.slow
    def test_runs_share_first_centres_only_where_asked(self, tmp_path: Path) -> None:
        def initial(out: Path) -> list[list[int]]:
            lines = read_lines_of(StudyLine, out)
            ranks = [read_scores(out, lines["shallow", s][-1])["k_centers_rank"] for s in (3, 4)]
            return [np.flatnonzero(one == 0).tolist() for one in ranks]

        run(tiny_study(tmp_path), tmp_path / "own")
        run(tiny_study(tmp_path, "same_initial=true"), tmp_path / "same")
        own, same = initial(tmp_path / "own"), initial(tmp_path / "same")
        assert own[0] != own[1]
        assert same[0] == same[1]
        assert len(same[0]) == 6

    def test_items_that_were_never_right_count_as_forgotten_for_ever(self) -> None:
        counts = ForgettingCounts(np.array([0, 2, 0]), np.array([True, True, False]))
        found = scoring.item_scores(np.full((3, 2), 0.5, np.float32), counts)
        assert found["forgetting_events"].tolist() == [0.0, 2.0, np.inf]


class TestUntrained:
    def test_models_are_measured_as_their_weights_have_them(self, tmp_path: Path) -> None:
        digits = load_data(tiny_study(tmp_path).data, 0).pool
        recipe = resolve_recipe("preact8", {"epochs": 2})
        inputs = model_inputs(digits, ModelSetup("preact8", recipe))
        trained = train(ModelSetup("preact8", recipe), LabeledSet(inputs, digits.labels, 10), 7)
        path = tmp_path / "seven.safetensors"
        trained.save(path)
        weights = f"models={{a = {{model = 'preact8', recipe = {{weights = '{path}'}}}}}}"
        experiment = tiny_study(tmp_path, weights, "trains=false", "k_centers_budget=0")
        (line,) = run(experiment, tmp_path / "out")["a", 3]
        scores = read_scores(tmp_path / "out", line)
        assert (line.epoch, line.epochs, line.train_seconds) == (0, 0, 0.0)
        probs = predict.predict(trained, inputs).probs
        assert scores["least_confidence"] == pytest.approx(1 - probs.max(axis=1), abs=1e-6)
        assert "forgetting_events" not in scores

    def test_without_training_a_model_needs_weights(self, tmp_path: Path) -> None:
        with pytest.raises(ExperimentError, match="its recipe must name weights"):
            tiny_study(tmp_path, "trains=false")


class TestGoingOn:
    @pytest.mark.slow
    def test_a_study_that_was_cut_off_ends_as_an_unbroken_one(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        experiment = tiny_study(tmp_path)
        run(experiment, tmp_path / "whole")
        with monkeypatch.context() as patched:
            patched.setattr(LinesOf, "append", failing_at(LinesOf.append, 4))
            with pytest.raises(KeyboardInterrupt):
                run(experiment, tmp_path / "cut")
        run(experiment, tmp_path / "cut")
        assert found(tmp_path / "cut") == found(tmp_path / "whole")
        assert not list((tmp_path / "cut" / "checkpoints").iterdir())

    def test_finished_lines_are_not_run_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = run(tiny_study(tmp_path), tmp_path / "out")
        monkeypatch.setattr(replay, "train_selector", refuse)
        assert run(tiny_study(tmp_path), tmp_path / "out") == before


class TestConfig:
    def test_a_model_trained_in_one_piece_is_measured_at_its_end_only(self, tmp_path: Path) -> None:
        official = ["data.name=ag-news", "models={a={model='fasttext_official'}}"]
        with pytest.raises(ExperimentError, match="trained in one piece"):
            tiny_study(tmp_path, *official)
        assert tiny_study(tmp_path, *official, "record_epochs=[]").models

    def test_an_order_longer_than_the_pool_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ExperimentError, match="54 items of 60 are no first centres"):
            run(tiny_study(tmp_path, "k_centers_budget=55"), tmp_path / "out")
