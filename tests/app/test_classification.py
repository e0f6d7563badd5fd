"""Metrics by class from a table of counts: against scikit-learn, and how often intervals hold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score, precision_recall_fscore_support

from app.domain.classification import Cell, class_metrics, f1_interval, macro_f1

N_CLASSES = 4
Pairs = list[tuple[int, int]]
pairs = st.lists(
    st.tuples(st.integers(0, N_CLASSES - 1), st.integers(0, N_CLASSES - 1)), min_size=1, max_size=60
)


def cells_of(found: Pairs) -> list[Cell]:
    cells, counts = np.unique(np.array(found), axis=0, return_counts=True)
    return [(int(a), int(b), int(n)) for (a, b), n in zip(cells, counts, strict=True)]


@given(pairs)
def test_values_are_those_of_scikit_learn(found: Pairs) -> None:
    labels, predicted = zip(*found, strict=True)
    expected = precision_recall_fscore_support(
        labels, predicted, labels=range(N_CLASSES), zero_division=np.nan
    )
    for c, metrics in enumerate(class_metrics(cells_of(found), N_CLASSES)):
        assert metrics.n == expected[3][c]
        for mine, theirs in zip(
            (metrics.precision, metrics.recall, metrics.f1), expected[:3], strict=False
        ):
            if mine is None:
                assert np.isnan(theirs[c])
            else:
                assert mine.value == pytest.approx(theirs[c])
                assert 0 <= mine.low <= mine.value <= mine.high <= 1


@given(pairs)
def test_mean_f1_is_over_the_classes_that_have_items(found: Pairs) -> None:
    labels, predicted = zip(*found, strict=True)
    mine = macro_f1(cells_of(found))
    assert mine is not None
    present = sorted(set(labels))
    expected = f1_score(labels, predicted, labels=present, average="macro", zero_division=0)
    assert mine.value == pytest.approx(expected)
    assert mine.low <= mine.value <= mine.high
    assert macro_f1(cells_of(found)) == mine, "asked again, the same answer"


def test_nothing_has_no_metrics() -> None:
    assert macro_f1([]) is None
    assert f1_interval(0, 0, 0) is None
    (only,) = class_metrics([], 1)
    assert (only.precision, only.recall, only.f1) == (None, None, None)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    table = np.array([[0.30, 0.05, 0.02], [0.06, 0.20, 0.04], [0.03, 0.05, 0.25]])
    table /= table.sum()
    true_f1 = 2 * np.diag(table) / (table.sum(axis=0) + table.sum(axis=1))
    held, held_mean = np.zeros(3), 0
    n_trials = 300
    for counts in rng.multinomial(150, table.ravel(), n_trials).reshape(-1, 3, 3):
        cells = [(int(a), int(b), int(counts[a, b])) for a, b in np.argwhere(counts)]
        for c, metrics in enumerate(class_metrics(cells, 3)):
            assert metrics.f1
            held[c] += metrics.f1.low <= true_f1[c] <= metrics.f1.high
        mean = macro_f1(cells)
        assert mean
        held_mean += mean.low <= true_f1.mean() <= mean.high
    assert (held / n_trials).min() > 0.92
    assert held_mean / n_trials > 0.9
