"""Agreement of successive proxies: the sample of the pool, and the measure."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from workers.steps import stability
from workers.steps.stability import PoolSample, agreement, sample_rows


def keys() -> np.random.Generator:
    """The same stream each time, as a round step hands it in."""
    return np.random.default_rng(7)


class TestSample:
    def test_items_stay_until_they_are_labeled(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(stability, "SAMPLE_SIZE", 20)
        pool = np.arange(100)
        before = pool[sample_rows(pool, 100, keys())]
        assert len(before) == 20
        labeled = np.concatenate([before[:5], np.arange(90, 95)])
        left = np.setdiff1d(pool, labeled)
        after = left[sample_rows(left, 100, keys())]
        assert len(after) == 20
        assert set(np.setdiff1d(before, labeled)) <= set(after)

    def test_added_items_join_with_the_chance_of_all_others(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(stability, "SAMPLE_SIZE", 200)
        old = np.arange(1000)[sample_rows(np.arange(1000), 1000, keys())]
        grown = np.arange(2000)[sample_rows(np.arange(2000), 2000, keys())]
        n_new = int((grown >= 1000).sum())
        assert 60 <= n_new <= 140  # 100 expected, sd 7
        assert set(grown[grown < 1000]) <= set(old)

    def test_small_pool_is_taken_whole(self) -> None:
        np.testing.assert_array_equal(sample_rows(np.array([2, 5, 9]), 10, keys()), [0, 1, 2])


class TestAgreement:
    @given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60))
    def test_is_cohens_kappa(self, pairs: list[tuple[int, int]]) -> None:
        one, two = (np.array(column, np.int64) for column in zip(*pairs, strict=True))
        index = np.arange(len(pairs))
        found = agreement(PoolSample(index, one), PoolSample(index, two))
        assert found["n"] == len(pairs)
        assert found["agreement"] == pytest.approx((one == two).mean())
        if len({*one.tolist(), *two.tolist()}) == 1:
            assert found["kappa"] is None
        else:
            assert found["kappa"] == pytest.approx(cohen_kappa_score(one, two), abs=1e-12)

    def test_only_items_of_both_samples_count(self) -> None:
        before = PoolSample(np.array([1, 3, 5, 7]), np.array([0, 1, 0, 1]))
        now = PoolSample(np.array([3, 4, 7, 9]), np.array([1, 0, 0, 0]))
        assert agreement(before, now)["n"] == 2
        assert agreement(before, now)["agreement"] == 0.5
        assert agreement(before, PoolSample(np.array([2]), np.array([0]))) == {}
