"""Core-set experiments: lines, the row of 100%, selectors trained once, resuming."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from models.data.labeled import LabeledSet
from tests.experiments import run_any, tiny_core_sets
from workers.simulation.config import ExperimentError
from workers.simulation.core_sets import replay
from workers.simulation.core_sets.config import CoreSetConfig
from workers.simulation.core_sets.lines import CoreSetLine
from workers.simulation.data import load_data
from workers.simulation.results import LinesOf, read_lines_of
from workers.steps import core_set
from workers.steps.core_set import CoreSetRequest, run_core_set_step

Runs = dict[tuple[str, int], list[CoreSetLine]]
FOUND = (
    "arm", "seed", "strategy", "selector", "selector_epochs", "fraction", "n_kept", "n_pool",
    "indices", "selector_error", "target_error", "recipe_hash", "target_recipe_hash",
)  # fmt: skip


def run(experiment: CoreSetConfig, out: Path) -> Runs:
    run_any(experiment, out)
    return read_lines_of(CoreSetLine, out)


def found(runs: Runs) -> dict[tuple[str, int], list[list[object]]]:
    """Return all of the lines but times."""
    return {key: [[getattr(one, f) for f in FOUND] for one in of] for key, of in runs.items()}


class TestLines:
    def test_every_arm_keeps_each_fraction_and_all_keeps_everything(self, tmp_path: Path) -> None:
        runs = run(tiny_core_sets(tmp_path), tmp_path / "out")
        assert {arm for arm, _ in runs} == {"forgetting", "entropy", "k_centers", "uniform", "all"}
        for (arm, _), lines in runs.items():
            wanted = [1.0] if arm == "all" else [0.3, 0.5]
            assert [line.fraction for line in lines] == wanted
            assert [line.n_kept for line in lines] == [round(60 * f) for f in wanted]
            assert all(len(set(line.indices)) == line.n_kept for line in lines)
        (everything,) = runs["all", 3]
        assert everything.indices == list(range(60))
        assert (everything.strategy, everything.selector) == ("uniform", "none")
        assert everything.selection_seconds == 0
        assert everything.total_seconds == everything.target_seconds

    @pytest.mark.parametrize("arm", ["forgetting", "entropy", "k_centers", "uniform"])
    def test_a_smaller_core_set_is_the_beginning_of_a_larger_one(
        self, tmp_path: Path, arm: str
    ) -> None:
        small, large = run(tiny_core_sets(tmp_path), tmp_path / "out")[arm, 3]
        assert large.indices[: small.n_kept] == small.indices

    def test_selects_what_the_services_job_selects(self, tmp_path: Path) -> None:
        experiment = tiny_core_sets(tmp_path)
        runs = run(experiment, tmp_path / "out")
        data = load_data(experiment.data, 3)
        for arm, settings in experiment.arms.items():
            model = experiment.models[settings.selector]
            for line in runs[arm, 3]:
                request = CoreSetRequest(
                    settings.strategy, line.n_kept, initial_uniform=settings.initial_uniform
                )
                labeled = LabeledSet(data.pool.content, data.pool.labels, 10)  # type: ignore[arg-type]
                result = run_core_set_step(labeled, request, model.setup, 3)
                assert line.indices == result.rows.tolist()

    def test_the_targets_own_selector_is_the_target_trained_on_everything(
        self, tmp_path: Path
    ) -> None:
        runs = run(tiny_core_sets(tmp_path), tmp_path / "out")
        assert runs["k_centers", 3][0].selector_error == runs["all", 3][0].target_error

    def test_class_balance_keeps_as_many_of_each_class(self, tmp_path: Path) -> None:
        experiment = tiny_core_sets(tmp_path, "arms.entropy.class_balance=true")
        line = run(experiment, tmp_path / "out")["entropy", 3][1]
        counts = np.bincount(load_data(experiment.data, 3).pool.labels[line.indices], minlength=10)
        whole = np.bincount(load_data(experiment.data, 3).pool.labels, minlength=10)
        assert counts[whole >= 3].min() >= 2

    def test_time_counts_the_selectors_training_for_each_line(self, tmp_path: Path) -> None:
        runs = run(tiny_core_sets(tmp_path), tmp_path / "out")
        shared = [line for arm in ("forgetting", "entropy") for line in runs[arm, 3]]
        assert len({line.seconds["training"] for line in shared}) == 1
        assert all(line.seconds["training"] > 0 for line in shared)
        assert all("inference" not in line.seconds for line in runs["forgetting", 3])
        assert all(line.seconds["inference"] > 0 for line in runs["entropy", 3])
        assert set(runs["uniform", 3][0].seconds) == {"selection"}


class TestGoingOn:
    def test_a_selector_is_trained_once_for_all_its_arms(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        trained = []
        train = core_set.train_selector

        def counted(*args: object, **kwargs: object) -> object:
            trained.append(args[0])
            return train(*args, **kwargs)  # type: ignore[arg-type]

        monkeypatch.setattr(replay, "train_selector", counted)
        run(tiny_core_sets(tmp_path), tmp_path / "out")
        assert len(trained) == 2

    def test_finished_lines_are_not_run_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        experiment = tiny_core_sets(tmp_path)
        before = run(experiment, tmp_path / "out")
        monkeypatch.setattr(replay, "train_selector", refuse)
        monkeypatch.setattr(replay.CoreSetContext, "train_target", refuse)
        assert run(experiment, tmp_path / "out") == before

    @pytest.mark.slow
    def test_a_run_that_was_cut_off_ends_as_an_unbroken_one(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        experiment = tiny_core_sets(tmp_path)
        whole = run(experiment, tmp_path / "whole")
        with monkeypatch.context() as patched:
            patched.setattr(LinesOf, "append", failing_at(LinesOf.append, 4))
            with pytest.raises(KeyboardInterrupt):
                run(experiment, tmp_path / "cut")
        kept = tmp_path / "cut" / "checkpoints" / "proxy-selector-seed3.pt"
        assert kept.exists(), "the selector serves the lines that are left"
        assert found(run(experiment, tmp_path / "cut")) == found(whole)
        assert not kept.exists()

    def test_a_finished_selector_is_read_not_trained_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        experiment = tiny_core_sets(tmp_path)
        with monkeypatch.context() as patched:
            patched.setattr(LinesOf, "append", failing_at(LinesOf.append, 2))
            with pytest.raises(KeyboardInterrupt):
                run(experiment, tmp_path / "out")
        before = read_lines_of(CoreSetLine, tmp_path / "out")["forgetting", 3]
        after = run(experiment, tmp_path / "out")["forgetting", 3]
        assert len(before) == 1
        assert after[1].seconds["training"] == pytest.approx(
            after[0].seconds["training"], rel=0.5
        ), "the time of the training that was read, not of the reading"


class TestConfig:
    @pytest.mark.parametrize(
        ("override", "sentence"),
        [
            ("fractions=[0.3, 1.0]", "fractions.1: Input should be less than 1"),
            ("arms.entropy.strategy=margin", "arms.entropy: margin selects no core-sets"),
            ("arms.entropy.selector=nobody", "there is no model 'nobody'"),
            ("arms.all={strategy='uniform'}", "the name of the row of 100%"),
            ("kind=core-set", "kind must be one of active_learning, core_set, model_study"),
            ("budgets={}", "budgets: Extra inputs are not permitted"),
        ],
    )
    def test_what_does_not_fit_is_explained(
        self, tmp_path: Path, override: str, sentence: str
    ) -> None:
        with pytest.raises(ExperimentError, match=sentence):
            tiny_core_sets(tmp_path, override)

    def test_more_first_centres_than_are_kept_are_refused(self, tmp_path: Path) -> None:
        experiment = tiny_core_sets(tmp_path, "arms.k_centers.initial_uniform=20")
        with pytest.raises(ExperimentError, match=r"k_centers: a core-set of 18 of 60 items"):
            run(experiment, tmp_path / "out")


def refuse(*_args: object, **_kwargs: object) -> None:
    raise AssertionError("this was done already")


def failing_at(append: Callable[..., None], n: int) -> Callable[..., None]:
    """Return `append`, interrupted in place of its call n."""
    calls = []

    def counted(self: object, line: object) -> None:
        calls.append(line)
        if len(calls) == n:
            raise KeyboardInterrupt
        append(self, line)

    return counted
