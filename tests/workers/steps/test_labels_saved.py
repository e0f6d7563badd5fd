"""Labels saved against uniform selection: the estimate on curves whose truth is known."""

import numpy as np

from models.catalog import resolve_setup
from models.data.arrays import Vectors
from models.data.labeled import LabeledSet
from workers.steps.labels_saved import as_json, estimate, part_sizes, run_labels_saved_step
from workers.steps.training import Evaluation

SIZES = np.repeat([25, 50, 100, 200], 3)
N_POOL = 100_000


def drawn(n_selected: float, seed: int, floor: float = 0.05) -> np.ndarray:
    """Return draws of the labels that a curve of error floor + 0.3 (n / 200)^-0.5 needs.

    The selected labels reach the error that the curve has at `n_selected`.
    """
    rng = np.random.default_rng(seed)
    hard = rng.random(600)

    def right(n_labels: float) -> np.ndarray:
        error = floor + 0.15 * (n_labels / 200) ** -0.5 + rng.normal(0, 0.004)
        found: np.ndarray = hard > error + rng.normal(0, 0.05, len(hard))
        return found

    curve = np.stack([right(size) for size in SIZES])
    selected = np.stack([right(n_selected) for _ in range(3)])
    return estimate(SIZES, curve, selected, N_POOL, rng).n_needed


def test_the_interval_holds_the_truth_in_most_cases() -> None:
    held = []
    for seed in range(25):
        low, high = np.quantile(drawn(400, seed), (0.025, 0.975), method="nearest")
        held.append(low <= 400 <= high)
    assert np.mean(held) >= 0.9


def test_what_uniform_selection_never_reaches_is_beyond_the_pool() -> None:
    rng = np.random.default_rng(0)
    curve = np.tile(rng.random(500) > 0.3, (len(SIZES), 1))  # flat: 70% right whatever the size
    better = np.tile(rng.random(500) > 0.05, (3, 1))
    found = estimate(SIZES, curve, better, N_POOL, rng)
    assert np.isinf(found.n_needed).all()
    assert [part.n_labels for part in found.curve] == [25, 50, 100, 200]


def test_a_strategy_no_better_than_uniform_saves_nothing() -> None:
    middle = np.median(drawn(200, 3))
    assert 120 < middle < 330


def test_parts_with_one_class_are_left_out() -> None:
    labels = np.zeros(80, np.int64)
    assert part_sizes(labels) == []
    labels[15] = 1
    assert part_sizes(labels) == [20, 40, 80]


def test_the_step_trains_on_parts_of_the_uniform_labels_and_on_all() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 160)
    vectors = (rng.normal(size=(160, 8)) + 2 * labels[:, None]).astype(np.float32)
    labeled = LabeledSet(Vectors(vectors[:80]), labels[:80], 2)
    setup = resolve_setup("probe", {"epochs": 20})
    uniform = np.arange(0, 80, 2)
    found, seconds = run_labels_saved_step(
        setup,
        labeled,
        uniform,
        Evaluation(Vectors(vectors[80:]), labels[80:]),
        n_pool=1000,
        seed=1,
    )
    assert [part.n_labels for part in found.uniform] == [5, 10, 20, 40]
    assert found.selected.n_labels == 80
    assert [len(part.accuracies) for part in found.uniform[1:]] == [3, 3, 3]
    assert 1 <= len(found.uniform[0].accuracies) <= 3, "five labels may be of one class"
    assert found.accuracy > 0.7
    assert set(seconds.wall) == set(seconds.cpu) == {"training", "evaluation"}
    assert as_json(found)["uniform"][0]["n_labels"] == 5
