"""The naive float64 definition checks the filtered greedy k-centers."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selection import k_centers
from selection.k_centers import greedy_k_centers


def naive_k_centers(
    features: np.ndarray, labeled: np.ndarray, budget: int
) -> tuple[list[int], list[float]]:
    features, labeled = features.astype(np.float64), labeled.astype(np.float64)
    picks: list[int] = []
    radii: list[float] = []
    for _ in range(budget):
        centres = [*labeled, *features[picks]]
        nearest = [min(float(np.square(x - c).sum()) for c in centres) for x in features]
        best = max((r for r in range(len(features)) if r not in picks), key=lambda r: nearest[r])
        picks.append(best)
        radii.append(float(np.sqrt(nearest[best])))
    return picks, radii


@st.composite
def problems(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """(features, labeled) with duplicates, near-duplicates, shifts and uneven scales."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, d, m = draw(st.integers(1, 16)), draw(st.sampled_from([1, 3, 9])), draw(st.integers(1, 5))
    base = rng.integers(-3, 4, size=(draw(st.integers(1, 12)), d)).astype(np.float64)
    features = base[rng.integers(len(base), size=n)]
    features += rng.normal(size=(n, d)) * draw(st.sampled_from([0.0, 1e-6, 1e-3, 1.0]))
    features *= np.exp(rng.normal(size=(n, 1)) * draw(st.sampled_from([0.0, 5.0])))
    features += draw(st.sampled_from([0.0, 1000.0]))
    features *= draw(st.sampled_from([1e-25, 1.0, 1e25]))  # float32 squares under- and overflow
    labeled = features[rng.integers(n, size=m)] * draw(st.sampled_from([1.0, 0.5]))
    dtypes = st.sampled_from([np.float32, np.float64])
    return features.astype(draw(dtypes)), labeled.astype(draw(dtypes))


class TestGreedyKCenters:
    @settings(max_examples=300, deadline=None)
    @given(problem=problems())
    def test_picks_and_radii_equal_the_slow_definition(
        self, problem: tuple[np.ndarray, np.ndarray]
    ) -> None:
        features, labeled = problem
        rows, radii = greedy_k_centers(features, labeled, len(features), np.random.default_rng(0))
        slow_rows, slow_radii = naive_k_centers(features, labeled, len(features))
        assert rows.tolist() == slow_rows
        assert radii.tolist() == slow_radii

    def test_blocks_do_not_change_picks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        rng = np.random.default_rng(0)
        features, labeled = rng.normal(size=(60, 8)), rng.normal(size=(20, 8))
        whole = greedy_k_centers(features, labeled, 30, rng)
        monkeypatch.setattr(k_centers, "CENTRES_PER_CHUNK", 7)
        monkeypatch.setattr(k_centers, "CELLS_PER_BLOCK", 50)
        monkeypatch.setattr(k_centers, "PAIRS_PER_BLOCK", 4)
        np.testing.assert_array_equal(greedy_k_centers(features, labeled, 30, rng), whole)

    def test_ties_go_to_the_lowest_row(self) -> None:
        features = np.array([[0.0], [2.0], [-2.0], [2.0]])
        rows, radii = greedy_k_centers(features, np.zeros((1, 1)), 4, np.random.default_rng(0))
        assert rows.tolist() == [1, 2, 0, 3]
        assert radii.tolist() == [2.0, 2.0, 0.0, 0.0]

    @pytest.mark.parametrize("labeled", [None, np.empty((0, 1))])
    def test_without_labeled_starts_from_a_drawn_row(self, labeled: np.ndarray | None) -> None:
        features = np.arange(6.0)[:, None]
        runs = [
            greedy_k_centers(features, labeled, 2, np.random.default_rng(seed))
            for seed in range(20)
        ]
        assert len({int(rows[0]) for rows, _ in runs}) > 1
        for rows, radii in runs:
            farthest = max(rows[0], 5 - rows[0])
            assert radii.tolist() == [farthest, farthest]
            assert abs(rows[1] - rows[0]) == farthest

    def test_memory_stays_below_a_copy_of_the_features(self) -> None:
        features = np.random.default_rng(0).normal(size=(20_000, 256)).astype(np.float32)
        tracemalloc.start()
        greedy_k_centers(features, features[:300].copy(), 20, np.random.default_rng(0))
        peak_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak_bytes < features.nbytes
