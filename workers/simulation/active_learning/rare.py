"""Classes that an experiment made rare: how many were found, and how well a model knows them."""

from collections.abc import Sequence

import numpy as np

from selection.arrays import IntArray
from workers.steps.predictions import ItemPredictions


def count_rare(labels: IntArray, rare: Sequence[int]) -> int | None:
    """Return how many of these true labels are of rare classes; None where no class is."""
    return int(np.isin(labels, rare).sum()) if rare else None


def rare_recall(found: ItemPredictions | None, rare: Sequence[int]) -> float | None:
    """Return the recall averaged over the rare classes, 0..1.

    None where no class is rare, or none has an item in the evaluation split.
    """
    if found is None or found.labels is None:
        return None
    predicted = found.probs.argmax(axis=1)
    of_class = [found.labels == index for index in rare]
    recalls = [
        float((predicted[rows] == i).mean())
        for i, rows in zip(rare, of_class, strict=True)
        if rows.any()
    ]
    return float(np.mean(recalls)) if recalls else None
