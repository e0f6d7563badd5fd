"""Measures signals of the pool rows that a selection looks at, each once."""

from dataclasses import dataclass
from functools import partial
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from models.data.arrays import Inputs
from models.predict import Predictions
from models.training.timing import Stopwatch
from models.training.train import TrainedModel
from selection.arrays import FloatArray, IntArray, Rows
from selection.catalog import Signal
from selection.errors import SelectionError
from selection.mapped import take_rows
from selection.select import Pool
from selection.types import Signals
from workers.steps.scoring import PLAIN, Scoring

ROWS_AT_ONCE = 65_536  # inputs that are taken and predicted together


@dataclass(frozen=True)
class UnreadPool:
    """A pool of known size whose contents are not read, because no model needs them."""

    n: int

    def __len__(self) -> int:
        return self.n

    def take(self, rows: IntArray) -> NoReturn:
        """Raise an error: a model that scores the pool needs its contents."""
        raise ValueError(f"{len(rows)} items are wanted of a pool that was not read.")


@dataclass(frozen=True)
class ScoredPool:
    """The items that a scorer measures.

    Attributes:
        inputs: of the whole pool split, [n_pool]; unread without a proxy.
        pool_index: items that may be selected, [n].
        labeled_index: items with a resolved label, [m].
        features: brought features of the whole pool split, [n_pool, d]; None where those of the
            proxy are used.
    """

    inputs: Inputs | UnreadPool
    pool_index: IntArray
    labeled_index: IntArray
    features: FloatArray | None = None


class PoolScorer:
    """Measures signals of pool rows by the proxy, or takes them from brought features.

    A row is a position in `pool_index`. The seconds are the stopwatch's part "inference".
    """

    def __init__(
        self,
        pool: ScoredPool,
        wanted: frozenset[Signal],
        proxy: TrainedModel | None,
        watch: Stopwatch,
        scoring: Scoring = PLAIN,
    ) -> None:
        """Prepare; nothing is measured yet.

        Args:
            pool: the items.
            wanted: signals of strategy and options.
            proxy: None where none was trained.
            watch: where the seconds of inference are added.
            scoring: how the proxy scores.
        """
        self._pool, self._pool_index = pool.inputs, pool.pool_index
        self._labeled_index = pool.labeled_index
        self._proxy, self._watch, self._scoring = proxy, watch, scoring
        self._wants_features = Signal.FEATURES in wanted
        self._brought = pool.features if self._wants_features else None
        self._classes = np.full(len(pool.pool_index), -1)
        self._confidences = np.zeros(len(pool.pool_index))
        self._proxys_labeled: FloatArray | None = None  # measured once, however often rows are

    def pool(self) -> Pool:
        """Return the pool as a selection looks at it."""
        if self._brought is None:
            return Pool(len(self._pool_index), self.measure)
        labeled = take_rows(self._brought, self._labeled_index)
        return Pool(
            len(self._pool_index), self.measure, partial(self._taken, self._brought), labeled
        )

    def measure(self, rows: Rows) -> Signals:
        """Return the signals of these rows."""
        index = self._pool_index[rows]
        probs, features, labeled = None, None, None
        if self._brought is not None:
            features = self._taken(self._brought, rows)
            labeled = take_rows(self._brought, self._labeled_index)
        if self._proxy is not None:
            with_features = self._wants_features and self._brought is None
            predicted = self._predict(self._proxy, index, with_features=with_features)
            self._remember(rows, predicted)
            probs = predicted.probs
            if with_features:
                if self._proxys_labeled is None:
                    of_labeled = self._predict(self._proxy, self._labeled_index, with_features=True)
                    self._proxys_labeled = of_labeled.features
                features, labeled = predicted.features, self._proxys_labeled
        return Signals(len(rows), probs, features, labeled)

    def suggest(self, rows: Rows) -> tuple[IntArray, npt.NDArray[np.float64]] | None:
        """Return each row's most probable class and its probability; None without a proxy."""
        if self._proxy is None:
            return None
        unknown = rows[self._classes[rows] < 0]  # the control arm's
        if len(unknown):
            index = self._pool_index[unknown]
            self._remember(unknown, self._predict(self._proxy, index, with_features=False))
        return self._classes[rows], self._confidences[rows]

    def probs_of(self, rows: Rows) -> FloatArray | None:
        """Return each row's class probabilities, [len(rows), C]; None without a proxy."""
        if self._proxy is None:
            return None
        return self._predict(self._proxy, self._pool_index[rows], with_features=False).probs

    def _remember(self, rows: Rows, predicted: Predictions) -> None:
        self._classes[rows] = predicted.probs.argmax(axis=1)
        self._confidences[rows] = predicted.probs.max(axis=1)

    def _taken(self, features: FloatArray, rows: Rows) -> FloatArray:
        return take_rows(features, self._pool_index[rows])

    def _predict(self, proxy: TrainedModel, index: IntArray, *, with_features: bool) -> Predictions:
        """Return the predictions of items; only ROWS_AT_ONCE of their inputs are in memory."""
        n = len(index)
        probs = np.empty((n, proxy.n_classes), np.float32)
        shape = (n, proxy.network.n_features)
        features = np.empty(shape, np.float32) if with_features else None
        with self._watch.part("inference"):
            for start in range(0, n, ROWS_AT_ONCE):
                here = slice(start, start + ROWS_AT_ONCE)
                part = self._pool.take(index[here])
                found = self._scoring.predict(
                    proxy, part, device=self._watch.device, with_features=with_features
                )
                probs[here] = found.probs
                if features is not None:
                    features[here] = found.features
        return Predictions(probs, features)


def fitting_features(features: FloatArray | None, n_pool: int) -> FloatArray:
    """Return the brought features if there is a row for each item of the pool split.

    Raises:
        SelectionError: none were brought, or too few rows.
    """
    if features is None:
        raise SelectionError(
            "The selection uses brought features, but none were brought: PUT them to the project."
        )
    if len(features) < n_pool:
        raise SelectionError(
            f"The brought features have {len(features)} rows for {n_pool} pool items; bring them "
            "again with a row for each item, in import order."
        )
    return features
