"""Measures a classifier class by class, with intervals, from a table of counts.

A table holds what is not zero of a confusion matrix: (label, predicted class, items). The counts
come from the database or from a stored measurement; what is left is arithmetic on a few numbers.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.domain.agreement import wilson_interval

Cell = tuple[int, int, int]
"""Label, predicted class, number of items."""

FloatArray = npt.NDArray[np.float64]
N_DRAWS = 500
TAIL = 0.025


@dataclass(frozen=True)
class Interval:
    """A measured value with its 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ClassMetrics:
    """Measures of how well one class is told from the others.

    Attributes:
        n: items of the class.
        n_predicted: items that are predicted as it.
        n_right: items of the class that are predicted as it.
        precision, recall, f1: None where nothing was predicted as the class, where there is no item
            of it, or neither.
    """

    class_index: int
    n: int
    n_predicted: int
    n_right: int
    precision: Interval | None
    recall: Interval | None
    f1: Interval | None


def class_metrics(cells: Sequence[Cell], n_classes: int) -> list[ClassMetrics]:
    """Return the metrics of every class, by class index."""
    n: Counter[int] = Counter()
    n_predicted: Counter[int] = Counter()
    n_right: Counter[int] = Counter()
    for label, predicted, items in cells:
        n[label] += items
        n_predicted[predicted] += items
        n_right[label] += items if label == predicted else 0
    return [
        ClassMetrics(
            c,
            n[c],
            n_predicted[c],
            n_right[c],
            share_interval(n_right[c], n_predicted[c]),
            share_interval(n_right[c], n[c]),
            f1_interval(n_right[c], n[c], n_predicted[c]),
        )
        for c in range(n_classes)
    ]


def share_interval(n_right: int, n: int) -> Interval | None:
    """Return a share with Wilson's interval; None of nothing."""
    if n == 0:
        return None
    return Interval(n_right / n, *wilson_interval(n_right, n))


def f1_interval(n_right: int, n: int, n_predicted: int) -> Interval | None:
    """Return F1 of a class with its interval; None where neither is there.

    Given how many items are of the class or predicted as it, the share of them that is both, J, is
    a binomial share, and F1 = 2 J / (1 + J) rises with it: its interval is that of J, transformed.
    """
    either = n + n_predicted - n_right
    if either == 0:
        return None
    low, high = wilson_interval(n_right, either)
    value, low, high = (2 * j / (1 + j) for j in (n_right / either, low, high))
    return Interval(value, low, high)


def macro_f1(cells: Sequence[Cell], seed: int = 0) -> Interval | None:
    """Return the mean of F1 over the classes with an item, with a bootstrap interval.

    Tables are drawn from the multinomial distribution of the measured one. None without items.
    """
    counts = np.array([items for _, _, items in cells], np.int64)
    n = int(counts.sum())
    if n == 0:
        return None
    classes, labels = np.unique([label for label, _, _ in cells], return_inverse=True)
    place = {int(c): i for i, c in enumerate(classes)}
    predicted = np.array([place.get(p, len(classes)) for _, p, _ in cells])  # last: of no class
    draws = np.random.default_rng(seed).multinomial(n, counts / n, N_DRAWS)
    drawn = _macro_f1(np.concatenate([counts[None], draws]), labels, predicted, len(classes))
    low, high = np.quantile(drawn[1:], (TAIL, 1 - TAIL))
    value = float(drawn[0])
    return Interval(value, min(float(low), value), max(float(high), value))


def _macro_f1(
    counts: npt.NDArray[np.int64],
    labels: npt.NDArray[np.int64],
    predicted: npt.NDArray[np.int64],
    n_classes: int,
) -> FloatArray:
    """Return macro F1 of tables, [t, cells]; a class that a table has no item of counts as 0."""
    n = np.zeros((len(counts), n_classes + 1))
    n_predicted, n_right = np.zeros_like(n), np.zeros_like(n)
    for cell in range(counts.shape[1]):
        n[:, labels[cell]] += counts[:, cell]
        n_predicted[:, predicted[cell]] += counts[:, cell]
        if labels[cell] == predicted[cell]:
            n_right[:, labels[cell]] += counts[:, cell]
    both = np.maximum(n + n_predicted, 1)[:, :n_classes]
    found: FloatArray = (2 * n_right[:, :n_classes] / both).mean(axis=1)
    return found
