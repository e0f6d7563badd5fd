"""Likely wrong labels: folds, the two signs, and errors that were put in."""

import numpy as np
import pytest

from models.catalog import resolve_setup
from models.data.arrays import Vectors
from models.data.labeled import LabeledSet
from workers.steps.label_errors import (
    N_FOLDS,
    Dynamics,
    Reason,
    draw_folds,
    judge,
    measure_dynamics,
    measured_epochs,
    run_label_errors_step,
    share_below,
)
from workers.steps.stages import Stages
from workers.steps.training import RoundHooks

pytest.importorskip("cleanlab", reason="the extra crowd is not installed")


def test_folds_spread_every_class_evenly() -> None:
    labels = np.array([0] * 23 + [1] * 7 + [2])
    fold = draw_folds(labels, np.random.default_rng(0))
    for c, n in ((0, 23), (1, 7), (2, 1)):
        sizes = np.bincount(fold[labels == c], minlength=N_FOLDS)
        assert sizes.sum() == n
        assert sizes.max() - sizes.min() <= 1
    sizes = np.bincount(fold, minlength=N_FOLDS)
    assert sizes.max() - sizes.min() <= 1


def test_measured_epochs_are_spread_and_hold_the_last() -> None:
    assert measured_epochs(181, 181)[-1] == 181
    assert len(measured_epochs(181, 181)) == 10
    assert measured_epochs(3, 3) == [1, 2, 3]
    assert measured_epochs(1, 25) == [25]


def test_ranks_are_shares_of_the_others_below() -> None:
    assert share_below(np.array([0.3, 0.1, 0.3, 0.9])).tolist() == pytest.approx(
        [0.5, 0.0, 0.5, 1.0]
    )
    assert share_below(np.array([2.0])).tolist() == [0.0]


def test_a_reason_says_what_was_seen() -> None:
    n = 100
    labels = np.arange(n) % 3
    probs = np.full((n, 4), 0.02)  # nothing is labeled as class 3
    probs[np.arange(n), labels] = 0.94
    probs[7] = [0.02, 0.02, 0.94, 0.02]  # its label is 1
    forgotten = np.zeros(n, np.int64)
    forgotten[[3, 4]] = 5
    is_learned = np.ones(n, bool)
    is_learned[7] = False
    el2n = np.linspace(0, 1, n)
    found = judge(labels, probs, Dynamics(probs[np.arange(n), labels], el2n, forgotten, is_learned))
    assert found.suspicion.argmax() == 7
    assert found.reasons[Reason.OTHER_CLASS].nonzero()[0].tolist() == [7]
    assert found.reasons[Reason.NEVER_LEARNED].nonzero()[0].tolist() == [7]
    assert found.reasons[Reason.OFTEN_FORGOTTEN].nonzero()[0].tolist() == [3, 4]
    assert found.reasons[Reason.LARGE_EARLY_ERROR].nonzero()[0].tolist() == [95, 96, 97, 98, 99]
    assert (found.suggested[7], found.n_expected) == (2, 1)
    assert found.label_probability[7] == pytest.approx(0.02)


def test_the_dynamics_are_those_of_the_recipe_that_is_chosen_for_the_labels() -> None:
    rng = np.random.default_rng(0)
    labeled = LabeledSet(
        Vectors(rng.normal(size=(1500, 3)).astype(np.float32)), rng.integers(0, 2, 1500), 2
    )
    setup = resolve_setup("probe", {"name": "auto", "minibatch": 64})
    assert setup.recipe.epochs != setup.for_labels(1500).recipe.epochs
    found = measure_dynamics(setup, labeled, 1, "cpu", RoundHooks(), Stages())
    assert np.isfinite(found.confidence).all()


def test_wrong_labels_that_were_put_in_come_first() -> None:
    rng = np.random.default_rng(0)
    true = rng.integers(0, 3, 240)
    vectors = (rng.normal(size=(240, 6)) + 3 * np.eye(6)[true]).astype(np.float32)
    is_wrong = np.zeros(240, bool)
    is_wrong[rng.permutation(240)[:20]] = True
    labels = np.where(is_wrong, (true + 1) % 3, true)
    setup = resolve_setup("probe", {"epochs": 12})
    found, seconds = run_label_errors_step(setup, LabeledSet(Vectors(vectors), labels, 3), 1)
    first = np.argsort(-found.suspicion)[:20]
    assert is_wrong[first].mean() >= 0.8
    assert 10 <= found.n_expected <= 40
    assert (found.suggested[is_wrong] == true[is_wrong]).mean() > 0.8
    assert set(seconds.wall) == {"training", "inference"}

    assert found.dynamics.forgotten is not None
