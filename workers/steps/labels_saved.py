"""Estimates the labels that the strategy saved: a uniform selection would need so many more.

The uniformly drawn labels (first round, control arms) give the curve of a uniform selection: the
same model is trained on parts of them. Its law is continued to the accuracy that the model reaches
on all labels at hand. Source: the inverse power law of learning curves (Cortes et al., NIPS 1993).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.catalog import ModelSetup
from models.data.labeled import LabeledSet
from models.seconds import PartSeconds
from models.training.timing import Stopwatch
from selection.arrays import IntArray
from workers.steps.stages import Arrays, Stages
from workers.steps.training import (
    Evaluation,
    RoundHooks,
    predict_evaluation,
    random_stream,
    train_watched,
)

Floats = npt.NDArray[np.float64]

PARTS = (1 / 8, 1 / 4, 1 / 2, 1.0)  # of the uniform labels that a model is trained on
N_SEEDS = 3
N_DRAWS = 1000
TAIL = 0.025
EXPONENTS = np.geomspace(0.05, 3.0, 40)
FEWEST_PER_CLASS = 2


@dataclass(frozen=True)
class CurvePart:
    """Trainings on as many labels, and the share of the evaluation split that each has right."""

    n_labels: int
    accuracies: list[float]


@dataclass(frozen=True)
class LabelsSaved:
    """An estimate of the labels that the strategy saved; None in an interval: beyond the pool.

    Attributes:
        n_labeled: labels at hand.
        n_uniform_labels: of them, drawn uniformly.
        accuracy, low, high: of the model on all labels at hand.
        n_needed, n_needed_low, n_needed_high: uniform labels that would reach this accuracy.
        saved, saved_low, saved_high: those less the labels at hand.
        extrapolates_by: times the uniform labels that n_needed is; None beyond the pool.
        uniform: the measured curve.
        selected: the trainings on all labels at hand.
    """

    n_labeled: int
    n_uniform_labels: int
    accuracy: float
    low: float
    high: float
    n_needed: float | None
    n_needed_low: float | None
    n_needed_high: float | None
    saved: float | None
    saved_low: float | None
    saved_high: float | None
    extrapolates_by: float | None
    uniform: list[CurvePart]
    selected: CurvePart


def run_labels_saved_step(  # noqa: PLR0913 - by name: where it runs, how it is watched
    setup: ModelSetup,
    labeled: LabeledSet,
    uniform_rows: IntArray,
    evaluation: Evaluation,
    *,
    n_pool: int,
    seed: int,
    device: str = "cpu",
    hooks: RoundHooks | None = None,
    stages: Stages | None = None,
) -> tuple[LabelsSaved, PartSeconds]:
    """Return the estimate, and the seconds of all trainings.

    Args:
        setup: the model that both curves are of.
        labeled: the labels at hand, [m].
        uniform_rows: rows of `labeled` that were drawn uniformly, ascending.
        evaluation: what every training is measured on.
        n_pool: items of the pool: nobody labels more.
        seed: of trainings and draws.
        device: "cpu" or "cuda[:i]".
        hooks: how the trainings are watched, stopped and resumed.
        stages: what was done before.

    Raises:
        TrainingStopped: `hooks.should_stop` asked for it.
    """
    hooks, stages = hooks or RoundHooks(), stages or Stages()

    def right(name: str, rows: IntArray, number: int) -> npt.NDArray[np.bool_]:
        def work() -> tuple[Arrays, PartSeconds]:
            watch = Stopwatch(device)
            trained = train_watched(setup, labeled.take(rows), seed + number, watch, hooks)
            found = predict_evaluation(trained, evaluation, device, watch)
            assert found is not None  # noqa: S101 - there is an evaluation split
            return {"right": found.probs.argmax(axis=1) == evaluation.labels}, watch.seconds

        return stages.do(name, work)["right"]

    sizes, curve = [], []
    for number in range(N_SEEDS):
        order = random_stream(seed, number, "labels saved").permutation(uniform_rows)
        for size in part_sizes(labeled.labels[order]):
            rows = np.sort(order[:size])
            sizes.append(size)
            curve.append(right(f"uniform-{size}-{number}", rows, number))
    everything = np.arange(len(labeled))
    selected = [right(f"selected-{number}", everything, number) for number in range(N_SEEDS)]
    rng = random_stream(seed, 0, "labels saved bootstrap")
    found = estimate(np.array(sizes), np.stack(curve), np.stack(selected), n_pool, rng)
    return _as_result(found, len(labeled), len(uniform_rows)), stages.seconds


def part_sizes(labels: IntArray) -> list[int]:
    """Return the numbers of labels to train on, of labels in their order of drawing.

    Parts that hold fewer than two classes are left out.
    """
    sizes = sorted({max(FEWEST_PER_CLASS, round(part * len(labels))) for part in PARTS})
    return [size for size in sizes if len(np.unique(labels[:size])) > 1]


@dataclass(frozen=True)
class Estimate:
    """The draws of what is estimated, and the accuracies that they rest on.

    Attributes:
        n_needed: of each draw, infinite where the law never gets there.
        accuracy: of the model on all labels at hand, by draw.
        curve: accuracies by number of labels.
        selected: accuracies on all labels at hand.
    """

    n_needed: Floats
    accuracy: Floats
    curve: list[CurvePart]
    selected: list[float]


def estimate(
    sizes: IntArray,
    curve: npt.NDArray[np.bool_],
    selected: npt.NDArray[np.bool_],
    n_pool: int,
    rng: np.random.Generator,
) -> Estimate:
    """Return draws of how many uniform labels reach the accuracy of the selected ones.

    A draw takes evaluation items anew, the same ones for all models, and moves each mean over
    trainings by the noise of its trainings, which is measured over all sizes.

    Args:
        sizes: labels of each training of the curve, [t].
        curve: whether each has each evaluation item right, [t, n].
        selected: the same of trainings on all labels at hand, [s, n].
        n_pool: where the law is cut off.
        rng: draws.
    """
    n, distinct = curve.shape[1], np.unique(sizes)
    weights = rng.multinomial(n, np.full(n, 1 / n), N_DRAWS) / n
    errors = 1 - weights @ curve.T.astype(np.float64)  # [draws, t]
    of_size = np.stack([errors[:, sizes == size].mean(axis=1) for size in distinct], axis=1)
    n_of_size = np.array([(sizes == size).sum() for size in distinct])
    noise = _training_noise(sizes, curve, selected)
    of_size += rng.normal(0, 1, of_size.shape) * noise / np.sqrt(n_of_size)
    wanted = 1 - (weights @ selected.T.astype(np.float64)).mean(axis=1)
    wanted += rng.normal(0, 1, N_DRAWS) * noise / np.sqrt(len(selected))
    needed = _labels_for(distinct, of_size, n_of_size, wanted, n_pool)
    accuracies = curve.mean(axis=1)
    parts = [CurvePart(int(size), accuracies[sizes == size].tolist()) for size in distinct]
    return Estimate(needed, 1 - wanted, parts, selected.mean(axis=1).tolist())


def _training_noise(
    sizes: IntArray, curve: npt.NDArray[np.bool_], selected: npt.NDArray[np.bool_]
) -> float:
    """Return the standard deviation of an accuracy from training to training, pooled."""
    groups = [curve[sizes == size].mean(axis=1) for size in np.unique(sizes)]
    groups.append(selected.mean(axis=1))
    freedom = sum(len(group) - 1 for group in groups)
    squares = sum(float(((group - group.mean()) ** 2).sum()) for group in groups)
    return float(np.sqrt(squares / freedom)) if freedom else 0.0


def _labels_for(
    sizes: IntArray, errors: Floats, n_trainings: IntArray, wanted: Floats, n_pool: int
) -> Floats:
    """Return the labels at which the law, fitted to each draw of errors, has the wanted error.

    The law is error = floor + scale * (labels / most) ** -exponent with floor, scale >= 0; each
    draw takes the exponent that fits it best.

    Args:
        sizes: ascending, [k].
        errors: [draws, k].
        n_trainings: behind each size, [k].
        wanted: [draws].
        n_pool: more labels than this are infinitely many.
    """
    x = (sizes / sizes[-1]) ** -EXPONENTS[:, None]  # [e, k]
    usual = np.clip(errors.mean(axis=0), 0.01, 0.99)
    w = n_trainings / (usual * (1 - usual))
    total, wx, wxx = w.sum(), x @ w, (x**2) @ w
    we, wxe = (errors @ w)[:, None], (errors * w) @ x.T  # [draws, 1], [draws, e]
    spread = np.maximum(total * wxx - wx**2, 1e-12)
    scale = np.maximum((total * wxe - wx * we) / spread, 0)
    floor = (we - scale * wx) / total
    scale = np.where(floor < 0, wxe / wxx, scale)
    floor = np.maximum(floor, 0)
    fitted = floor[..., None] + scale[..., None] * x
    loss = (w * (errors[:, None] - fitted) ** 2).sum(axis=2)
    best = loss.argmin(axis=1)
    rows = np.arange(len(errors))
    floor, scale, exponent = floor[rows, best], scale[rows, best], EXPONENTS[best]
    above = wanted - floor
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        needed = sizes[-1] * (above / scale) ** (-1 / exponent)
    needed = np.where(above <= 0, np.inf, np.where(scale <= 0, sizes[0], needed))
    return np.where(needed > n_pool, np.inf, needed)


def _as_result(found: Estimate, n_labeled: int, n_uniform: int) -> LabelsSaved:
    quantiles = np.quantile(found.n_needed, (0.5, TAIL, 1 - TAIL), method="nearest")
    needed, low, high = (float(q) if np.isfinite(q) else None for q in quantiles)
    saved = [None if value is None else value - n_labeled for value in (needed, low, high)]
    accuracy_low, accuracy_high = np.quantile(found.accuracy, (TAIL, 1 - TAIL))
    return LabelsSaved(
        n_labeled=n_labeled,
        n_uniform_labels=n_uniform,
        accuracy=float(np.mean(found.selected)),
        low=float(accuracy_low),
        high=float(accuracy_high),
        n_needed=needed,
        n_needed_low=low,
        n_needed_high=high,
        saved=saved[0],
        saved_low=saved[1],
        saved_high=saved[2],
        extrapolates_by=None if needed is None else needed / n_uniform,
        uniform=found.curve,
        selected=CurvePart(n_labeled, found.selected),
    )


def as_json(found: LabelsSaved) -> dict[str, Any]:
    """Return the estimate as JSON values."""
    uniform = [vars(part) for part in found.uniform]
    return {**vars(found), "uniform": uniform, "selected": vars(found.selected)}
