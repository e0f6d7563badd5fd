"""Forgetting events: how often training turned an item from right to wrong.

Source: Toneva et al., "An Empirical Study of Example Forgetting" (2019); Selection via Proxy,
algorithm 2: counted on the training-mode forward pass of each minibatch, before the update; every
item starts as wrong. Everything stays on the device.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


@dataclass(frozen=True)
class ForgettingCounts:
    """Counts of m trained items: times forgotten, [m] int64, and whether ever right, [m] bool."""

    counts: npt.NDArray[np.int64]
    is_learned: npt.NDArray[np.bool_]


class ForgettingCounter:
    """Counts while a model trains."""

    def __init__(self, m: int, device: str) -> None:
        self._counts = torch.zeros(m, dtype=torch.int64, device=device)
        self._was_right = torch.zeros(m, dtype=torch.bool, device=device)
        self._is_learned = torch.zeros(m, dtype=torch.bool, device=device)

    def update(self, rows: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Count one minibatch: rows [r] of the items, logits [r, C], labels [r], on the device.

        A row that appears twice counts once.
        """
        is_right = logits.argmax(dim=1) == labels
        self._counts[rows] += self._was_right[rows] & ~is_right
        self._was_right[rows] = is_right
        self._is_learned[rows] |= is_right

    def state(self) -> dict[str, Tensor]:
        """Return what a checkpoint holds."""
        return {
            "counts": self._counts, "was_right": self._was_right, "is_learned": self._is_learned
        }  # fmt: skip

    def restore(self, state: dict[str, Tensor]) -> None:
        """Resume from a checkpoint's state."""
        self._counts.copy_(state["counts"])
        self._was_right.copy_(state["was_right"])
        self._is_learned.copy_(state["is_learned"])

    def result(self) -> ForgettingCounts:
        """Return the counts so far."""
        return ForgettingCounts(self._counts.cpu().numpy(), self._is_learned.cpu().numpy())
