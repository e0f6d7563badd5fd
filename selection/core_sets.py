"""Scores of labeled items: which to keep when the training set is cut down to a core-set."""

import numpy as np

from selection.arrays import FloatArray, IntArray, Scores
from selection.types import NEVER_LEARNED, Ranking, Signals, given


def rank_by_forgetting_events(signals: Signals, budget: int, _rng: np.random.Generator) -> Ranking:
    """Return the ranking by `forgetting_events`."""
    return Ranking.of_highest(forgetting_events(given(signals.forgetting_counts)), budget)


def rank_by_el2n(signals: Signals, budget: int, _rng: np.random.Generator) -> Ranking:
    """Return the ranking by `el2n`."""
    return Ranking.of_highest(el2n(given(signals.probs), given(signals.labels)), budget)


def forgetting_events(counts: IntArray) -> Scores:
    """Return how often each item was forgotten, never learned ones above all, [n] -> [n].

    Source: Toneva et al. (2019); Selection via Proxy, algorithm 2: never learned counts as
    infinite. Here it scores one more than the most forgotten learned item, to stay finite.
    """
    is_learned = counts != NEVER_LEARNED
    above = counts[is_learned].max(initial=0) + 1
    return np.where(is_learned, counts, above).astype(np.float64)


def el2n(probs: FloatArray, labels: IntArray) -> Scores:
    """Return |p - onehot(label)| of each row; probs [n, C], labels [n] in 0..C-1 -> [n].

    Source: Paul, Ganguli, Dziugaite (2021): the error vector's norm early in training, so the
    selection model is trained for few epochs.
    """
    errors = probs.astype(np.float64)
    errors[np.arange(len(labels)), labels] -= 1.0
    return np.linalg.norm(errors, axis=1)
