"""Labeled inputs, from which a training learns."""

from dataclasses import dataclass

from models.data.arrays import Inputs
from models.data.types import IntArray, Rows


@dataclass(frozen=True)
class LabeledSet:
    """Inputs whose classes are known.

    Attributes:
        inputs: m inputs, ascending by pool index.
        labels: their class indices, [m], int64, in 0..n_classes - 1.
        n_classes: C, classes that there are, with labels or without.
    """

    inputs: Inputs
    labels: IntArray
    n_classes: int

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: Rows) -> "LabeledSet":
        """Return these rows of it."""
        return LabeledSet(self.inputs.take(rows), self.labels[rows], self.n_classes)
