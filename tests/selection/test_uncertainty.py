"""The slow definitions check the vectorised scores."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selection import uncertainty
from selection.rank import rank
from selection.types import Signals


@st.composite
def class_probabilities(draw: st.DrawFn) -> np.ndarray:
    """[n, C] with exact zeros and ties, from small whole weights."""
    n, n_classes = draw(st.integers(1, 6)), draw(st.integers(2, 5))
    row = st.lists(st.integers(0, 3), min_size=n_classes, max_size=n_classes).filter(any)
    weights = np.array(draw(st.lists(row, min_size=n, max_size=n)), np.float64)
    probs: np.ndarray = weights / weights.sum(axis=1, keepdims=True)
    return probs.astype(draw(st.sampled_from([np.float32, np.float64])))


class TestScores:
    @given(probs=class_probabilities())
    def test_scores_equal_their_definitions(self, probs: np.ndarray) -> None:
        for row, p in enumerate(probs.astype(np.float64).tolist()):
            *_, second, first = sorted(p)
            slow_entropy = -sum(q * math.log(q) for q in p if q > 0)
            assert uncertainty.least_confidence(probs)[row] == pytest.approx(1 - first)
            assert uncertainty.margin(probs)[row] == pytest.approx(1 - (first - second))
            assert uncertainty.entropy(probs)[row] == pytest.approx(slow_entropy)

    @given(probs=class_probabilities(), strategy=st.sampled_from(["entropy", "least_confidence"]))
    def test_ties_go_to_the_lowest_row(self, probs: np.ndarray, strategy: str) -> None:
        twice = np.concatenate([probs, probs])
        rows = rank(strategy, Signals(len(twice), twice), len(twice), np.random.default_rng(0)).rows
        place = np.argsort(rows)
        assert (place[: len(probs)] < place[len(probs) :]).all()

    @given(scores=st.lists(st.integers(0, 4), min_size=1, max_size=40), budget=st.integers(0, 40))
    def test_top_of_the_scores_equals_a_stable_sort(self, scores: list[int], budget: int) -> None:
        counts = np.array(scores, np.int64)
        budget = min(budget, len(counts))
        signals = Signals(len(counts), forgetting_counts=counts)
        rows = rank("forgetting_events", signals, budget, np.random.default_rng(0)).rows
        assert rows.tolist() == np.argsort(-counts, kind="stable")[:budget].tolist()

    def test_memory_mapped_file_is_read_as_it_is(self, tmp_path: Path) -> None:
        probs = np.random.default_rng(0).dirichlet(np.ones(3), 10)
        np.save(tmp_path / "p.npy", probs)
        mapped = np.load(tmp_path / "p.npy", mmap_mode="r")
        for score in (uncertainty.least_confidence, uncertainty.entropy, uncertainty.margin):
            np.testing.assert_array_equal(score(mapped), score(probs))
