"""Comparing models with the target: correlations and overlaps against SciPy and sets."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import spearmanr

from models.catalog import ModelSetup, resolve_setup
from models.data.arrays import Vectors
from selection.types import Ranking
from workers.steps import comparison
from workers.steps.comparison import Compared, SampleScores, compare, scores_by_row, top_of_sample
from workers.steps.round import RoundInputs


@given(arrays(np.float64, (4, 12), elements=st.floats(0, 1, width=16)))
def test_correlations_are_spearmans(scores: Any) -> None:
    found = comparison._correlations(scores)  # noqa: SLF001
    for row in range(4):
        for target in range(2):
            if np.ptp(scores[row]) == 0 or np.ptp(scores[target]) == 0:
                assert found[row, target] == 0
            else:
                expected = spearmanr(scores[row], scores[target]).statistic
                assert found[row, target] == pytest.approx(expected, abs=1e-9)


@given(st.permutations(range(15)), st.permutations(range(15)), st.integers(1, 15))
def test_overlap_is_the_shared_part_of_the_best(one: Any, two: Any, n_top: int) -> None:
    scores = np.array([one, two], float)
    best = [set(np.argsort(-row)[:n_top].tolist()) for row in scores]
    found = comparison._overlaps(scores, n_top)  # noqa: SLF001
    assert found[1, 0] == pytest.approx(len(best[0] & best[1]) / n_top)
    assert found[0, 0] == 1.0


def test_the_top_stands_for_the_budget_and_is_never_too_small_to_see() -> None:
    assert top_of_sample(2000, 100_000, 10_000) == 200
    assert top_of_sample(2000, 1_000_000, 10) == 20
    assert top_of_sample(30, 30, 1000) == 15
    assert top_of_sample(1, 1, 1) == 1


def test_a_place_counts_where_items_have_no_score_of_their_own() -> None:
    ranking = Ranking(np.array([2, 0, 1]), np.array([0.9, 0.9, 0.1]))
    assert scores_by_row(ranking, is_pointwise=True).tolist() == [0.9, 0.1, 0.9]
    assert scores_by_row(ranking, is_pointwise=False).tolist() == [2, 1, 3]


class TestStep:
    @pytest.fixture
    def inputs(self) -> RoundInputs:
        rng = np.random.default_rng(0)
        labels = rng.integers(0, 2, 200)
        vectors = (rng.normal(size=(200, 6)) + labels[:, None]).astype(np.float32)
        labeled = np.arange(0, 200, 4)
        return RoundInputs(
            Vectors(vectors), labeled, labels[labeled], labeled, 2, 0, features=vectors
        )

    @pytest.mark.parametrize("strategy", ["margin", "k_centers"])
    def test_a_weak_model_is_farther_from_the_target_than_a_good_one(
        self, inputs: RoundInputs, strategy: str
    ) -> None:
        target = resolve_setup("probe", {"epochs": 30})
        asked = Compared(strategy, 10, 1, target)
        scores = SampleScores(asked, lambda _: inputs, 120)
        setups: dict[str, ModelSetup] = {
            "same": resolve_setup("probe", {"epochs": 30}),
            "weak": resolve_setup("probe", {"epochs": 1, "learning_rate": 1e-6}),
        }
        models = np.stack([scores.of(name, setup, 5) for name, setup in setups.items()])
        found = compare(scores, list(setups), models)
        assert (found.n_sample, found.n_pool, found.n_top) == (120, 150, 20)
        assert not set(scores.sample) & set(inputs.labeled_index)
        same, weak = found.models
        for measure in (found.ceiling, same.correlation, same.overlap, weak.gap):
            assert measure.low <= measure.value <= measure.high
        if strategy == "margin":
            assert same.gap.low <= 0.02, "it is as near as the target itself"
            assert weak.correlation.value < same.correlation.value
        assert same.train_seconds > 0
        again = SampleScores(asked, lambda _: inputs, 120)
        models = np.stack([again.of(name, setup, 5) for name, setup in setups.items()])
        repeated = compare(again, list(setups), models)
        assert repeated.ceiling == found.ceiling
        assert [m.overlap for m in repeated.models] == [m.overlap for m in found.models]
