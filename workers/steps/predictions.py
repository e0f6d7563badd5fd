"""Predictions of a model for the items that measure it: evaluation split and control arm."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.data.types import FloatArray
from selection.arrays import IntArray
from workers.steps.calibration import measure_calibration

MOST_VALUES = 2**24  # probabilities that are kept, or looked at to fit a temperature


@dataclass(frozen=True)
class ItemPredictions:
    """Class probabilities of items of one split.

    Attributes:
        index: of the items in their split, [n].
        probs: [n, C].
        labels: their classes, [n]; None where they are not known yet.
    """

    index: IntArray
    probs: FloatArray
    labels: IntArray | None = None


@dataclass(frozen=True)
class ModelPredictions:
    """A model's predictions; None of what there is not."""

    evaluation: ItemPredictions | None = None
    control: ItemPredictions | None = None

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return what is stored: each item's place, class and confidence.

        Its label where it is known, and all its probabilities where they are not too many.
        """
        found: dict[str, npt.NDArray[Any]] = {}
        for name, part in (("evaluation", self.evaluation), ("control", self.control)):
            if part is None:
                continue
            found[f"{name}_index"] = part.index
            found[f"{name}_classes"] = part.probs.argmax(axis=1)
            found[f"{name}_confidences"] = part.probs.max(axis=1)
            if part.labels is not None:
                found[f"{name}_labels"] = part.labels
            if part.probs.size <= MOST_VALUES:
                found[f"{name}_probs"] = part.probs
        return found


def evaluation_report(found: ItemPredictions | None, rng: np.random.Generator) -> dict[str, Any]:
    """Return {confusion, calibration} of the evaluation split as JSON values; {} without one.

    `confusion` holds [label, predicted class, items] where that is not zero. `calibration` is None
    where the split is too small for it.
    """
    if found is None or found.labels is None or len(found.labels) == 0:
        return {}
    pairs = np.stack([found.labels, found.probs.argmax(axis=1)], axis=1)
    cells, counts = np.unique(pairs, axis=0, return_counts=True)
    confusion = np.column_stack([cells, counts]).tolist()
    most = max(1, MOST_VALUES // found.probs.shape[1])
    rows = np.arange(len(found.labels))
    if len(rows) > most:
        rows = np.sort(rng.permutation(len(rows))[:most])
    calibration = measure_calibration(found.probs[rows], found.labels[rows], rng)
    return {
        "confusion": confusion, "calibration": asdict(calibration) if calibration else None
    }  # fmt: skip
