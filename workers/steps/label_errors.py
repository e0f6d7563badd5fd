"""Labels that are likely wrong: by models that have not seen them, and by how they are learned.

Two signs are measured of every labeled item. Out of sample: the probability of its label by a model
that was trained on the other folds, judged by confident learning (cleanlab, the extra `crowd`). In
training: how early and how surely a model on all labels learns it. Sources: Northcutt et al.,
"Confident Learning" (JAIR 2021); Swayamdipta et al., "Dataset Cartography" (EMNLP 2020); Toneva et
al. (2019), forgetting events; Paul et al., "Deep Learning on a Data Diet" (NeurIPS 2021), EL2N.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from models.catalog import ModelSetup, find_model
from models.data.labeled import LabeledSet
from models.predict import predict
from models.seconds import PartSeconds
from models.training.choice import setup_for
from models.training.timing import Stopwatch
from models.training.train import TrainedModel
from selection.arrays import IntArray
from workers.steps.stages import Arrays, Stages
from workers.steps.training import RoundHooks, random_stream, train_watched

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

N_FOLDS = 5
MOST_MEASURED = 10  # epochs after which the training on all labels is measured
EARLY = 0.2  # of the epochs: when EL2N is taken
HIGH = 0.95  # quantile from which a count or an early error is a reason


class Reason(StrEnum):
    """Reasons why a label is likely wrong; an item may have several."""

    OTHER_CLASS = "other_class"
    NEVER_LEARNED = "never_learned"
    OFTEN_FORGOTTEN = "often_forgotten"
    LARGE_EARLY_ERROR = "large_early_error"


@dataclass(frozen=True)
class Dynamics:
    """Facts on how a training on all labels learned each item.

    Attributes:
        confidence: mean probability of its label over the measured epochs, [m].
        el2n: length of the early epoch's error vector, [m].
        forgotten: times forgotten, [m]; None where the training counts none.
        is_learned: whether it was ever right: in a minibatch, else at a measured epoch's end, [m].
    """

    confidence: Floats
    el2n: Floats
    forgotten: IntArray | None
    is_learned: Bools


@dataclass(frozen=True)
class LabelErrors:
    """The labeled items' signs of a wrong label; all arrays are [m], in the labeled set's order.

    Attributes:
        suspicion: 0..1, higher = more likely wrong.
        suggested: the most probable class of a model that has not seen the label.
        suggested_probability: of that class.
        label_probability: of the label, by the same model.
        reasons: which items have each reason.
        n_expected: wrong labels that confident learning expects.
        by_cleanlab: what cleanlab alone makes of the same folds, higher = more likely wrong.
        dynamics: of the training on all labels.
    """

    suspicion: Floats
    suggested: IntArray
    suggested_probability: Floats
    label_probability: Floats
    reasons: dict[Reason, Bools]
    n_expected: int
    by_cleanlab: Floats
    dynamics: Dynamics


def run_label_errors_step(  # noqa: PLR0913 - by name: where it runs, how it is watched
    setup: ModelSetup,
    labeled: LabeledSet,
    seed: int,
    *,
    device: str = "cpu",
    hooks: RoundHooks | None = None,
    stages: Stages | None = None,
) -> tuple[LabelErrors, PartSeconds]:
    """Return the signs of wrong labels, and the seconds of all trainings.

    Args:
        setup: the model that judges, and how it is trained.
        labeled: the labels to judge, [m]; of at least two classes.
        seed: of folds and trainings.
        device: "cpu" or "cuda[:i]".
        hooks: how the trainings are watched, stopped and resumed.
        stages: what was done before.

    Raises:
        TrainingStopped: `hooks.should_stop` asked for it.
    """
    hooks, stages = hooks or RoundHooks(), stages or Stages()
    fold = draw_folds(labeled.labels, random_stream(seed, 0, "label errors"))
    probs = np.empty((len(labeled), labeled.n_classes), np.float32)
    for k in range(N_FOLDS):
        held = np.flatnonzero(fold == k)
        if len(held):
            rest = labeled.take(np.flatnonzero(fold != k))
            probs[held] = _held_out(
                setup, rest, labeled.take(held), seed, device, hooks, stages, f"fold-{k}"
            )
    dynamics = measure_dynamics(setup, labeled, seed, device, hooks, stages)
    return judge(labeled.labels, probs.astype(np.float64), dynamics), stages.seconds


def draw_folds(labels: IntArray, rng: np.random.Generator) -> IntArray:
    """Return each item's fold, [m]; every class is spread evenly over the folds."""
    fold = np.empty(len(labels), np.int64)
    start = 0
    for c in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == c))
        fold[rows] = (start + np.arange(len(rows))) % N_FOLDS
        start += len(rows)
    return fold


def _held_out(  # noqa: PLR0913, PLR0917 - one stage of the step
    setup: ModelSetup,
    rest: LabeledSet,
    held: LabeledSet,
    seed: int,
    device: str,
    hooks: RoundHooks,
    stages: Stages,
    name: str,
) -> npt.NDArray[np.float32]:
    def work() -> tuple[Arrays, PartSeconds]:
        watch = Stopwatch(device)
        trained = train_watched(setup, rest, seed, watch, hooks)
        with watch.part("inference"):
            probs = predict(trained, held.inputs, device=device).probs
        return {"probs": probs}, watch.seconds

    return stages.do(name, work)["probs"]


def measure_dynamics(  # noqa: PLR0913, PLR0917 - one stage of the step
    setup: ModelSetup,
    labeled: LabeledSet,
    seed: int,
    device: str,
    hooks: RoundHooks,
    stages: Stages,
) -> Dynamics:
    """Return how a training on all labels learns each item.

    A measured epoch is kept as a stage of its own, so that a resumed training has them all.
    """
    setup = setup_for(setup, labeled)  # its epochs are chosen by the labels
    info, epochs = find_model(setup.model), setup.recipe.epochs
    wanted = measured_epochs(1 if info.trainer else epochs, epochs)
    counts = info.counts_forgetting

    def measure(epoch: int, trained: TrainedModel) -> None:
        def work() -> tuple[Arrays, PartSeconds]:
            watch = Stopwatch(device)
            with watch.part("inference"):
                probs = predict(trained, labeled.inputs, device=device).probs
            return {"probs": probs}, watch.seconds

        if epoch in wanted:
            stages.do(f"epoch-{epoch}", work)

    def work() -> tuple[Arrays, PartSeconds]:
        watch = Stopwatch(device)
        trained = train_watched(
            setup,
            labeled,
            seed,
            watch,
            replace(hooks, on_epoch=measure),
            counts_forgetting=counts,
        )
        if trained.forgetting is None:
            return {"none": np.zeros(0)}, watch.seconds
        found = trained.forgetting
        return {"counts": found.counts, "is_learned": found.is_learned}, watch.seconds

    forgetting = stages.do("all", work)
    rows, labels = np.arange(len(labeled)), labeled.labels
    by_epoch = [stages.do(f"epoch-{epoch}", _never)["probs"] for epoch in wanted]
    confidence = np.mean([probs[rows, labels] for probs in by_epoch], axis=0)
    early = by_epoch[int(EARLY * len(by_epoch))].astype(np.float64).copy()
    early[rows, labels] -= 1
    was_right: Bools = np.any([probs.argmax(axis=1) == labels for probs in by_epoch], axis=0)
    is_learned: Bools = forgetting.get("is_learned", was_right)
    return Dynamics(
        confidence.astype(np.float64),
        np.sqrt((early**2).sum(axis=1)),
        forgetting.get("counts"),
        is_learned,
    )


def _never() -> tuple[Arrays, PartSeconds]:
    raise RuntimeError("A measured epoch of a finished training is not kept.")


def measured_epochs(n_epochs: int, last: int) -> list[int]:
    """Return the epochs to measure, ascending: some, evenly spread, the last one included."""
    n = min(n_epochs, MOST_MEASURED)
    return sorted({max(1, round(last * (i + 1) / n)) for i in range(n)})


def judge(labels: IntArray, probs: Floats, dynamics: Dynamics) -> LabelErrors:
    """Return the signs of wrong labels [m], of out-of-sample probabilities [m, C] and dynamics.

    `suspicion` is the mean of two ranks: by cleanlab's score of the probabilities, and by the
    training, where the mean confidence and the times forgotten weigh the same.
    """
    by_cleanlab, is_issue, n_expected = confident_learning(labels, probs)
    rows = np.arange(len(labels))
    in_training = share_below(-dynamics.confidence)
    forgotten = np.zeros(len(labels)) if dynamics.forgotten is None else dynamics.forgotten
    if dynamics.forgotten is not None:
        hard = np.where(dynamics.is_learned, forgotten, forgotten.max(initial=0) + 1)
        in_training = (in_training + share_below(hard)) / 2
    suspicion = (share_below(by_cleanlab) + in_training) / 2
    often = (forgotten > 0) & (forgotten >= np.quantile(forgotten, HIGH))
    reasons = {
        Reason.OTHER_CLASS: is_issue,
        Reason.NEVER_LEARNED: ~dynamics.is_learned,
        Reason.OFTEN_FORGOTTEN: often,
        Reason.LARGE_EARLY_ERROR: dynamics.el2n >= np.quantile(dynamics.el2n, HIGH),
    }
    suggested = probs.argmax(axis=1)
    return LabelErrors(
        suspicion,
        suggested,
        probs[rows, suggested],
        probs[rows, labels],
        reasons,
        n_expected,
        by_cleanlab,
        dynamics,
    )


def confident_learning(labels: IntArray, probs: Floats) -> tuple[Floats, Bools, int]:
    """Return cleanlab's view: score of each item, which it takes for wrong, how many it expects.

    Classes without a label are left out: cleanlab wants each to have one.

    Args:
        labels: [m].
        probs: out of sample, [m, C].
    """
    from cleanlab.count import num_label_issues  # noqa: PLC0415 - an extra
    from cleanlab.filter import find_label_issues  # noqa: PLC0415
    from cleanlab.rank import get_label_quality_scores  # noqa: PLC0415

    present, places = np.unique(labels, return_inverse=True)
    probs = np.maximum(probs[:, present], 1e-12)
    probs /= probs.sum(axis=1, keepdims=True)
    quality = get_label_quality_scores(places, probs, method="self_confidence")
    is_issue = find_label_issues(places, probs, n_jobs=1)
    return 1 - quality, is_issue, int(num_label_issues(places, probs))


def share_below(values: Floats) -> Floats:
    """Return the share of the other items below each, ties halved, 0..1."""
    found: Floats = (rankdata(values) - 1) / max(1, len(values) - 1)
    return found
