"""The slow definitions of the strategies that pick one item after another."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn.datasets import make_blobs

from selection import facility_location as facility_module
from selection.badge import badge
from selection.cluster_margin import cluster_margin
from selection.clusters import cluster, unit_rows
from selection.core_sets import el2n, forgetting_events
from selection.errors import LargeValueError
from selection.facility_location import facility_location
from selection.probcover import covering_radius, probcover
from selection.types import NEVER_LEARNED
from selection.typiclust import typicality_of, typiclust

Problem = tuple[np.ndarray, np.ndarray]


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """(probs, features), some rows twice."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, d, n_classes = draw(st.integers(1, 40)), draw(st.integers(1, 9)), draw(st.integers(2, 4))
    twice = rng.integers(n, size=draw(st.integers(0, n)))
    probs = rng.dirichlet(np.full(n_classes, 0.5), n)
    features = rng.normal(size=(n, d)) + draw(st.sampled_from([0.0, 30.0]))
    rows = np.concatenate([np.arange(n), twice])
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    probs = probs[rows].astype(dtype)
    return probs / probs.sum(axis=1, keepdims=True), features[rows].astype(dtype)


def gradients(probs: np.ndarray, features: np.ndarray) -> np.ndarray:
    residuals = probs.astype(np.float64)
    residuals[np.arange(len(probs)), probs.argmax(axis=1)] -= 1.0
    outer: np.ndarray = residuals[:, :, None] * features[:, None, :]
    return outer.reshape(len(probs), -1)


class TestBadge:
    @given(problem=problems(), seed=st.integers(0, 99))
    def test_draws_equal_those_over_the_built_gradients(self, problem: Problem, seed: int) -> None:
        probs, features = problem
        built = gradients(probs, features)
        budget = len(np.unique(built.round(4), axis=0))
        rows, gaps = badge(probs, features, budget, np.random.default_rng(seed))
        norms = np.linalg.norm(built, axis=1)
        assert norms[rows[0]] == pytest.approx(norms.max(), rel=1e-5)
        rng = np.random.default_rng(seed)
        for place in range(1, budget):
            drawn = built[rows[:place]]
            squared = np.square(built[:, None] - drawn).sum(axis=2).min(axis=1)
            ends = np.cumsum(squared)
            at = rng.random() * ends[-1]
            before = ends[rows[place]] - squared[rows[place]]
            tolerance = 1e-4 * ends[-1] + 1e-9
            assert before - tolerance <= at <= ends[rows[place]] + tolerance
            assert gaps[place] ** 2 <= squared[rows[place]] + tolerance

    def test_equal_gradients_are_drawn_once_before_any_comes_twice(self) -> None:
        probs = np.tile([[0.6, 0.4], [0.5, 0.5], [0.7, 0.3]], (5, 1))
        features = np.tile([[1.0, 0.0], [0.0, 2.0], [3.0, 1.0]], (5, 1))
        for seed in range(20):
            rows, gaps = badge(probs, features, 15, np.random.default_rng(seed))
            assert sorted(rows[:3] % 3) == [0, 1, 2]
            assert rows[3:].tolist() == sorted(rows[3:])
            assert (gaps[3:] == 0).all()

    def test_farther_gradients_are_drawn_more_often(self) -> None:
        probs = np.tile([0.5, 0.5], (3, 1))
        features = np.array([[10.0], [7.0], [9.0]])
        second = [badge(probs, features, 2, np.random.default_rng(s))[0][1] for s in range(400)]
        assert np.mean(np.array(second) == 1) == pytest.approx(0.9, abs=0.05)  # 3^2 against 1^2


class TestFacilityLocation:
    @pytest.mark.slow
    @settings(max_examples=60)
    @given(problem=problems(), m=st.integers(0, 3))
    def test_picks_equal_plain_greedy(self, problem: Problem, m: int) -> None:
        features = problem[1]
        labeled = features[:m] + 0.3
        budget = min(len(features), 12)
        rows, gains = facility_location(features, labeled, budget)
        squared = np.square(features[:, None].astype(np.float64) - features).sum(axis=2)
        start = 4.0 * np.square(features.astype(np.float64)).sum(axis=1).max() + 1.0
        nearest = np.full(len(features), start)
        for centre in labeled.astype(np.float64):
            nearest = np.minimum(nearest, np.square(features - centre).sum(axis=1))
        for place in range(budget):
            slow = np.maximum(nearest - squared, 0.0).sum(axis=1)
            slow[rows[:place]] = -1.0
            tolerance = 1e-9 * start * len(features)
            assert slow[rows[place]] >= slow.max() - tolerance
            assert gains[place] == pytest.approx(slow.max(), abs=tolerance)
            twins = np.flatnonzero((features == features[rows[place]]).all(axis=1))
            assert rows[place] == min(set(twins) - set(rows[:place])), "lowest row on ties"
            nearest = np.minimum(nearest, squared[rows[place]])

    @pytest.mark.parametrize(
        ("dtype", "power"),
        [(np.float32, 100), (np.float32, -100), (np.float64, 450), (np.float64, -450)],
    )
    def test_scale_of_the_features_changes_no_pick(self, dtype: type, power: int) -> None:
        features: np.ndarray = np.random.default_rng(0).normal(size=(300, 12)).astype(dtype)
        scale = dtype(2.0**power)
        rows, gains = facility_location(features, features[:5], 60)
        scaled = facility_location(features * scale, features[:5] * scale, 60)
        assert scaled[0].tolist() == rows.tolist()
        np.testing.assert_allclose(scaled[1], gains * 4.0**power, rtol=1e-9)

    def test_labeled_items_far_outside_stand_for_none(self) -> None:
        features = np.random.default_rng(0).normal(size=(100, 3))
        expected = facility_location(features, None, 10)[0]
        for scale in (1e19, 1e200):
            labeled = np.full((2, 3), scale)
            assert facility_location(features, labeled, 10)[0].tolist() == expected.tolist()

    def test_values_whose_squares_overflow_are_refused(self) -> None:
        features = np.ones((9, 3))
        features[4] = 1e200
        with pytest.raises(LargeValueError, match="row 4"):
            facility_location(features, None, 2)

    def test_bounds_lie_above_the_gains(self) -> None:
        rng = np.random.default_rng(0)
        features = (rng.normal(size=(700, 50)) + 100.0).astype(np.float32)
        norms = np.square(features.astype(np.float64)).sum(axis=1)
        nearest = rng.uniform(50, 120, 700)
        search = facility_module.Search(features, norms, nearest)
        rows = np.arange(60)
        gains = facility_module.gains_of(rows, features, norms, nearest)
        assert (search.bounds_of(rows) >= gains).all()

    def test_few_gains_are_computed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        features = np.random.default_rng(0).normal(size=(3_000, 8))
        computed = []
        exact = facility_module.gains_of

        def counted(rows: np.ndarray, *rest: np.ndarray) -> np.ndarray:
            computed.append(len(rows))
            return exact(rows, *rest)

        monkeypatch.setattr(facility_module, "gains_of", counted)
        facility_location(features, None, 100)
        assert sum(computed) < 100 * 3_000 / 50


class TestClusterMargin:
    def test_smallest_margins_of_all_clusters_take_turns(self) -> None:
        features, blob = make_blobs([400, 100, 60], n_features=2, cluster_std=0.1, random_state=0)
        rng = np.random.default_rng(0)
        top = rng.uniform(0.5, 1.0, 560)
        probs = np.stack([top, 1 - top], axis=1)
        rows, scores = cluster_margin(probs, features, 30, rng)
        share = np.bincount(blob[rows], minlength=3) / np.bincount(blob)
        assert share[0] < share[1:].min(), "small blobs give more than their share"
        assert set(rows) <= set(np.argsort(top)[:300]), "only of the 10 b smallest margins"
        assert (np.diff(scores) <= 0).all()


def directions(sizes: list[int], seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Blobs around three axes, at lengths that say nothing; and which blob each row is of."""
    rng = np.random.default_rng(seed)
    blob = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    values = np.eye(len(sizes))[blob] + rng.normal(scale=0.05, size=(len(blob), len(sizes)))
    return values * rng.uniform(0.1, 50.0, (len(blob), 1)), blob


class TestTypiClust:
    def test_each_blob_gives_its_most_typical_item(self) -> None:
        features, blob = directions([50, 70, 90])
        rows, _ = typiclust(features, None, 3, np.random.default_rng(0))
        assert blob[rows].tolist() == [2, 1, 0], "the largest first"
        unit = features / np.linalg.norm(features, axis=1, keepdims=True)
        for row in rows:
            members = np.flatnonzero(blob == blob[row])
            distances = np.sort(cdist(unit[members], unit[members]), axis=1)
            assert row == members[distances[:, 1:21].mean(axis=1).argmin()]

    def test_blob_with_a_labeled_item_comes_after_the_others(self) -> None:
        features, blob = directions([50, 70, 90])
        is_labeled = np.arange(len(features)) == np.flatnonzero(blob == 2)[0]
        rows, _ = typiclust(
            features[~is_labeled], features[is_labeled], 2, np.random.default_rng(0)
        )
        assert set(blob[~is_labeled][rows]) == {0, 1}

    def test_lengths_of_the_features_change_no_pick(self) -> None:
        features, _ = directions([50, 70, 90])
        lengths = np.linalg.norm(features, axis=1, keepdims=True)
        expected, _ = typiclust(features / lengths, None, 12, np.random.default_rng(0))
        found, _ = typiclust(features, None, 12, np.random.default_rng(0))
        assert found.tolist() == expected.tolist()

    def test_clusters_of_five_or_fewer_take_no_turn_while_others_have_items(self) -> None:
        features, blob = directions([5, 60, 6])
        rows, _ = typiclust(features, None, 3, np.random.default_rng(0))
        assert blob[rows].tolist() == [1, 2, 1]
        rows, _ = typiclust(features, None, len(features), np.random.default_rng(0))
        assert sorted(rows) == list(range(len(features)))

    @settings(max_examples=40)
    @given(seed=st.integers(0, 2**32 - 1), m=st.integers(0, 6))
    def test_picks_equal_the_algorithm_item_by_item(self, seed: int, m: int) -> None:
        rng = np.random.default_rng(seed)
        features, labeled = rng.normal(size=(80, 3)), rng.normal(size=(m, 3))
        budget = int(rng.integers(1, 12))
        rows, _ = typiclust(features, labeled, budget, np.random.default_rng(1))
        both = unit_rows(np.concatenate([labeled, features]))
        of_row = cluster(both, m + budget, np.random.default_rng(1))
        sizes = {c: int((of_row == c).sum()) for c in set(of_row.tolist())}
        known = {c: int((of_row[:m] == c).sum()) for c in sizes}
        turns = sorted((c for c in sizes if sizes[c] > 5), key=lambda c: (known[c], -sizes[c], c))
        left = {c: [r for r in range(m, len(both)) if of_row[r] == c] for c in turns}
        assert sum(map(len, left.values())) >= budget
        place = 0
        while place < budget:
            for c in turns:
                if left[c] and place < budget:
                    between = np.sort(cdist(both[left[c]], both[left[c]]), axis=1)
                    k = min(20, len(left[c]) // 2)
                    means = between[:, 1 : k + 1].mean(axis=1) if k else np.zeros(1)
                    at = left[c].index(rows[place] + m)
                    assert means[at] == pytest.approx(means.min(), rel=1e-6)
                    left[c].pop(at)
                    place += 1

    def test_typicality_of_one_item_is_finite(self) -> None:
        assert np.isfinite(typicality_of(np.ones((1, 2)))).all()


class TestProbCover:
    @settings(max_examples=30)
    @given(seed=st.integers(0, 2**32 - 1), m=st.integers(0, 2))
    def test_picks_equal_greedy_coverage_of_the_whole_graph(self, seed: int, m: int) -> None:
        rng = np.random.default_rng(seed)
        features = rng.normal(size=(60, 3))
        labeled = rng.normal(size=(m, 3))
        rows, gains = probcover(features, labeled, 60, np.random.default_rng(1), n_classes=4)
        unit = features / np.linalg.norm(features, axis=1, keepdims=True)
        delta = covering_radius(unit, 4, np.random.default_rng(1))
        ball = np.linalg.norm(unit[:, None] - unit, axis=2) <= delta
        directions = labeled / np.linalg.norm(labeled, axis=1, keepdims=True)
        is_covered = (np.linalg.norm(unit[:, None] - directions, axis=2) <= delta).any(axis=1)
        for place, row in enumerate(rows):
            degrees = (ball & ~is_covered).sum(axis=1)
            degrees[rows[:place]] = 0
            assert gains[place] == degrees.max()
            if gains[place]:
                assert row == degrees.argmax()
            is_covered |= ball[row]
        assert is_covered.all()

    def test_radius_is_the_largest_with_pure_balls(self) -> None:
        angles = np.concatenate([np.linspace(0, 0.3, 50), np.linspace(1.0, 1.3, 50)])
        unit = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        radius = covering_radius(unit, 2, np.random.default_rng(0))
        gap = np.linalg.norm(unit[49] - unit[50])
        assert radius == pytest.approx(gap, abs=0.05)

    def test_radius_is_pure_against_all_rows(self) -> None:
        unit = unit_rows(np.random.default_rng(0).normal(size=(8_000, 4)))
        radius = covering_radius(unit, 10, np.random.default_rng(1))
        labels = cluster(unit, 10, np.random.default_rng(1))
        nearest = np.concatenate(
            [
                np.where(labels[part][:, None] == labels, 9.0, cdist(unit[part], unit)).min(axis=1)
                for part in np.array_split(np.arange(len(unit)), 16)
            ]
        )
        noise = 3 * np.sqrt(0.95 * 0.05 / 2_000)
        assert (nearest > radius).mean() >= 0.95 - noise
        assert (nearest > radius + 0.05).mean() < 0.95 + noise


class TestCoreSetScores:
    def test_never_learned_items_come_before_the_most_forgotten(self) -> None:
        counts = np.array([3, NEVER_LEARNED, 0, 7], np.int64)
        assert forgetting_events(counts).tolist() == [3.0, 8.0, 0.0, 7.0]

    @given(problem=problems(), seed=st.integers(0, 99))
    def test_el2n_is_the_length_of_the_error(self, problem: Problem, seed: int) -> None:
        probs = problem[0]
        labels = np.random.default_rng(seed).integers(probs.shape[1], size=len(probs))
        for row, score in enumerate(el2n(probs, labels)):
            error = probs[row].astype(np.float64) - (np.arange(probs.shape[1]) == labels[row])
            assert score == pytest.approx(np.sqrt((error**2).sum()))
