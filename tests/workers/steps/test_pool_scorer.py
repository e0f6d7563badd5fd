"""A selection measures the pool in parts, and reads each brought row once."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from models.data.arrays import Vectors
from models.predict import Predictions
from models.training.timing import Stopwatch
from selection.catalog import Signal
from selection.mapped import take_rows
from selection.select import SelectionRequest, select
from workers.steps import pool_scorer, scoring
from workers.steps.pool_scorer import PoolScorer, ScoredPool

N = 100


@dataclass
class Network:
    n_features: int = 4


@dataclass
class Proxy:
    """Its features are the inputs; its class is the sign of the first."""

    n_classes: int = 2
    network: Network = field(default_factory=Network)
    n_rows: list[int] = field(default_factory=list)


def predict(
    proxy: Proxy, inputs: Vectors, *, device: str, with_features: bool, augmentation: None
) -> Predictions:
    assert device == "cpu"
    assert augmentation is None
    proxy.n_rows.append(len(inputs))
    is_positive = inputs.values[:, :1] > 0
    probs = np.hstack([is_positive, ~is_positive]).astype(np.float32)
    return Predictions(probs, inputs.values if with_features else None)


def scorer(proxy: Proxy | None, features: np.ndarray, *, brought: bool) -> PoolScorer:
    index = np.arange(1, N, 2), np.array([0, 6])
    pool = ScoredPool(Vectors(features), *index, features if brought else None)
    return PoolScorer(pool, frozenset({Signal.FEATURES}), proxy, Stopwatch("cpu"))  # type: ignore[arg-type]


class TestPoolScorer:
    def test_predictions_come_in_parts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pool_scorer, "ROWS_AT_ONCE", 16)
        monkeypatch.setattr(scoring, "predict", predict)
        proxy = Proxy()
        features = np.random.default_rng(0).normal(size=(N, 4)).astype(np.float32)
        found = scorer(proxy, features, brought=False).measure(np.arange(50))
        assert proxy.n_rows == [16, 16, 16, 2, 2]
        assert found.probs is not None
        np.testing.assert_array_equal(found.features, features[1::2])
        np.testing.assert_array_equal(found.labeled_features, features[[0, 6]])
        np.testing.assert_array_equal(found.probs.argmax(axis=1), features[1::2, 0] <= 0)

    def test_brought_features_of_the_pool_are_taken_once(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        n_taken: list[int] = []

        def noted(array: np.ndarray, index: np.ndarray) -> np.ndarray:
            n_taken.append(len(index))
            return take_rows(array, index)

        monkeypatch.setattr(pool_scorer, "take_rows", noted)
        features = np.random.default_rng(0).normal(size=(N, 4)).astype(np.float32)
        pool = scorer(None, features, brought=True).pool()
        select(pool, SelectionRequest("k_centers", 5, lambda _: np.random.default_rng(0)))
        assert sorted(n_taken) == [2, 2, 50]
