"""Every strategy of the catalog keeps the same contract."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from selection import memory
from selection.catalog import STRATEGIES, Signal, StrategyInfo
from selection.errors import MissingSignalError, NotEnoughMemoryError, SelectionError
from selection.rank import load_code, rank
from selection.types import NEVER_LEARNED, ProxyAccuracy, Ranking, Signals

N = 40
every_strategy = pytest.mark.parametrize("strategy", sorted(STRATEGIES))


def make_signals(permutation: np.ndarray | None = None) -> Signals:
    rng = np.random.default_rng(1)
    order = np.arange(N) if permutation is None else permutation
    probs, features = rng.dirichlet(np.ones(4), N), rng.normal(size=(N, 5))
    return Signals(
        N,
        probs[order],
        features[order],
        labeled_features=rng.normal(size=(3, 5)),
        labels=rng.integers(4, size=N)[order],
        forgetting_counts=np.where(np.arange(N) == 5, NEVER_LEARNED, rng.permutation(N))[order],
        accuracy=ProxyAccuracy(20, 40),
    )


def without(signals: Signals, name: str) -> Signals:
    kept = {f.name: getattr(signals, f.name) for f in fields(signals) if f.name != name}
    return Signals(**kept | ({"labeled_features": None} if name == "features" else {}))


def ranked(strategy: str, budget: int, signals: Signals | None = None, seed: int = 7) -> Ranking:
    return rank(strategy, signals or make_signals(), budget, np.random.default_rng(seed))


class TestEveryStrategy:
    @every_strategy
    def test_names_code_that_loads(self, strategy: str) -> None:
        info = STRATEGIES[strategy]
        assert info.name == strategy
        for path in filter(None, (info.ranker, info.estimator, info.sharded_ranker)):
            assert callable(load_code(strategy, path))

    @every_strategy
    def test_gives_distinct_rows_with_falling_finite_scores(self, strategy: str) -> None:
        ranking = ranked(strategy, N)
        assert sorted(ranking.rows.tolist()) == list(range(N))
        assert ranking.rows.dtype == np.dtype(np.int64)
        assert ranking.scores.dtype == np.dtype(np.float64)
        assert (np.diff(ranking.scores) <= 0).all()

    @pytest.mark.parametrize("strategy", sorted(s for s in STRATEGIES if STRATEGIES[s].is_nested))
    @pytest.mark.parametrize("budget", [0, 1, 10, 25])
    @pytest.mark.parametrize("has_labeled", [True, False])
    def test_smaller_budget_gives_a_prefix(
        self, strategy: str, budget: int, has_labeled: bool
    ) -> None:
        full = make_signals()
        signals = full if has_labeled else replace(full, labeled_features=None)
        longer, shorter = ranked(strategy, 25, signals), ranked(strategy, budget, signals)
        np.testing.assert_array_equal(longer.rows[:budget], shorter.rows)
        np.testing.assert_array_equal(longer.scores[:budget], shorter.scores)

    @every_strategy
    def test_same_seed_gives_the_same_ranking(self, strategy: str) -> None:
        np.testing.assert_array_equal(ranked(strategy, N).rows, ranked(strategy, N).rows)

    @pytest.mark.parametrize("strategy", sorted(s for s in STRATEGIES if not STRATEGIES[s].draws))
    def test_permuted_pool_gives_the_same_items(self, strategy: str) -> None:
        order = np.random.default_rng(2).permutation(N)
        permuted = ranked(strategy, 15, make_signals(order))
        np.testing.assert_array_equal(order[permuted.rows], ranked(strategy, 15).rows)

    @every_strategy
    @pytest.mark.parametrize("n", [1, 2, 30])
    def test_equal_items_are_selected_without_complaint(self, strategy: str, n: int) -> None:
        signals = Signals(
            n,
            np.full((n, 3), [0.25, 0.25, 0.5]),
            np.ones((n, 4), np.float32),
            np.ones((2, 4), np.float32),
            np.zeros(n, np.int64),
            np.full(n, NEVER_LEARNED),
            ProxyAccuracy(20, 40),
        )
        for budget in range(n + 1):
            assert len(ranked(strategy, budget, signals).rows) == budget

    @every_strategy
    @pytest.mark.parametrize("budget", [-1, N + 1])
    def test_budget_outside_the_pool_is_refused(self, strategy: str, budget: int) -> None:
        with pytest.raises(SelectionError, match=r"0\.\.40"):
            ranked(strategy, budget)

    @pytest.mark.parametrize("strategy", sorted(s for s in STRATEGIES if STRATEGIES[s].needs))
    def test_missing_signal_is_named(self, strategy: str) -> None:
        for needed in STRATEGIES[strategy].needs:
            with pytest.raises(MissingSignalError, match=f"{strategy} needs {needed}"):
                ranked(strategy, 2, without(make_signals(), needed))


class TestRank:
    def test_uniform_needs_no_model_and_another_seed_gives_another_order(self) -> None:
        first, second = (ranked("uniform", N, Signals(N), seed).rows for seed in (1, 2))
        assert first.tolist() != second.tolist()

    def test_unknown_strategy_lists_the_known(self) -> None:
        with pytest.raises(SelectionError, match=r"'best'.*least_confidence"):
            ranked("best", 1)

    def test_strategy_for_batches_cannot_need_labels(self) -> None:
        needs = frozenset({Signal.PROBS, Signal.LABELS})
        with pytest.raises(SelectionError, match=r"odd needs labels.*purposes can be core_set"):
            StrategyInfo("odd", "Odd", "", "selection.uniform:rank", needs)


class TestSignals:
    @pytest.mark.parametrize("value", [np.nan, np.inf])
    @pytest.mark.parametrize("name", [Signal.PROBS, Signal.FEATURES])
    def test_non_finite_value_is_an_error(self, name: str, value: float) -> None:
        given: dict[str, Any] = {name: np.array([[value, 1.0]])}
        with pytest.raises(SelectionError, match=f"{name} holds"):
            Signals(1, **given)

    @pytest.mark.parametrize("row", [[0.5, 0.49], [1.5, -0.5]])
    def test_probs_that_are_no_probabilities_are_an_error(self, row: list[float]) -> None:
        with pytest.raises(SelectionError, match="sum to 1"):
            Signals(1, probs=np.array([row]))

    @pytest.mark.parametrize(
        "array", [np.ones((2, 1)), np.ones((1, 1, 1)), np.ones((1, 1), np.float16)]
    )
    def test_wrong_shape_or_dtype_is_an_error(self, array: np.ndarray) -> None:
        with pytest.raises(SelectionError, match="features must"):
            Signals(1, features=array)

    def test_one_class_is_an_error(self) -> None:
        with pytest.raises(SelectionError, match="two classes"):
            Signals(1, probs=np.ones((1, 1)))

    def test_labeled_features_of_another_width_are_an_error(self) -> None:
        with pytest.raises(SelectionError, match="same width"):
            Signals(1, features=np.ones((1, 2)), labeled_features=np.ones((1, 3)))

    def test_label_beyond_the_classes_is_an_error(self) -> None:
        with pytest.raises(SelectionError, match=r"below 2.*row 1 holds 2"):
            Signals(2, probs=np.full((2, 2), 0.5), labels=np.array([1, 2]))


class TestMemory:
    @pytest.mark.parametrize("strategy", sorted(s for s in STRATEGIES if STRATEGIES[s].n_copies))
    def test_too_little_memory_is_refused_before_the_start(
        self, strategy: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(memory, "available_memory", lambda: 100)
        with pytest.raises(NotEnoughMemoryError, match=f"{strategy} of 40 items needs"):
            ranked(strategy, 3)

    def test_cached_pages_of_a_cgroup_are_free(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(memory, "CGROUP", tmp_path)
        (tmp_path / "memory.max").write_text("3000000\n")
        (tmp_path / "memory.current").write_text("2900000\n")
        (tmp_path / "memory.stat").write_text(
            "anon 700000\nfile 2200000\ninactive_file 1500000\nactive_file 500000\n"
        )
        assert memory.available_memory() == 2_100_000


class TestRanking:
    @pytest.mark.parametrize(("rows", "scores"), [([1, 1], [1.0, 0.5]), ([1], []), ([1], [np.inf])])
    def test_doubled_row_or_bad_score_is_an_error(
        self, rows: list[int], scores: list[float]
    ) -> None:
        with pytest.raises(SelectionError, match="ranking"):
            Ranking(np.array(rows, np.int64), np.array(scores, np.float64))
