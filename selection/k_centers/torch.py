"""Greedy k-centers with torch: block refreshes on the device, picks on the CPU, same picks.

A refresh is one float32 matrix product after another and exact float64 distances for the few pairs
that the bound leaves. Picks among some hundred survivors stay in the CPU's cache: one kernel
launch takes longer than such a pick.
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from selection.arrays import FloatArray, Rows
from selection.errors import SelectionError
from selection.exact_distance import LEAF
from selection.k_centers.run import KCenters

CENTRES_PER_PANEL = 2048
ROWS_PER_SLAB = 16_384
CELLS_PER_CHUNK = 1 << 25  # float64 differences at once: 256 MiB, three times


def find_device(name: str) -> torch.device:
    """Return the device of this name, "cpu" or "cuda[:i]".

    Raises:
        SelectionError: there is no such device here.
    """
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise SelectionError(f"device must be cpu, cuda or cuda:1, not {name!r}.")
    n_devices = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.type == "cuda" and (device.index or 0) >= n_devices:
        raise SelectionError(f"There is no device {name} here: torch finds {n_devices} GPUs.")
    return device


class TorchKCenters(KCenters):
    """A selection in progress on a torch device; on the CPU once the device's memory is used up.

    Raises:
        torch.OutOfMemoryError: features and sketches do not fit the device.
    """

    def __init__(
        self,
        features: FloatArray,
        labeled_features: FloatArray | None,
        budget: int,
        device: torch.device,
    ) -> None:
        super().__init__(features, labeled_features, budget)
        self._device, self._fits = device, True
        problem, n_centres = self.problem, self.m + budget
        self._features = self._send(problem.features)
        self._labeled = self._send(problem.labeled)
        self._coordinates = self._send(problem.coordinates)
        self._half_norms = self._send(problem.half_norms)
        width = problem.coordinates.shape[1]
        self._centres = torch.zeros((n_centres, width), device=self._device)
        self._centre_norms = torch.full((n_centres,), torch.inf, device=self._device)
        self._n_sent = 0

    def refresh(self, block: Rows, tau: float) -> None:
        """Bring a block, sorted by counts, up to date, or until it falls under tau."""
        precision = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("highest")  # the bound counts on IEEE float32
        n_done = 0
        try:
            while self._fits and n_done < len(block):
                self._send_new_centres()
                self.refresh_slab(block[n_done : n_done + ROWS_PER_SLAB], tau)
                n_done += ROWS_PER_SLAB
        except torch.OutOfMemoryError:  # others use the device too; a lost slab changes nothing
            self._fits = False
        finally:
            torch.set_float32_matmul_precision(precision)
        if n_done < len(block):
            super().refresh(block[n_done:], tau)

    def refresh_slab(self, rows: Rows, tau: float) -> None:
        """Bring rows, sorted by counts, up to date, or until they fall under tau: all or none."""
        bounds = self._send(self.state.bounds[rows])
        counts = self._send(self.state.counts[rows].astype(np.int64))
        index = self._send(rows)
        first = int(self.state.counts[rows].min()) // CENTRES_PER_PANEL * CENTRES_PER_PANEL
        for start in range(first, self.n_centres, CENTRES_PER_PANEL):
            stop = min(start + CENTRES_PER_PANEL, self.n_centres)
            active = torch.nonzero((counts < stop) & (bounds >= tau))[:, 0]
            bounds[active] = self._lowered(
                index[active], bounds[active], counts[active] - start, start, stop
            )
            counts[active] = stop
        self.state.bounds[rows] = bounds.cpu().numpy()
        self.state.counts[rows] = counts.cpu().numpy()

    def _lowered(
        self, rows: Tensor, bounds: Tensor, first: Tensor, start: int, stop: int
    ) -> Tensor:
        """Return the bounds, [r], lowered by centres start + (first..stop - start)."""
        near = torch.addmm(
            -self._centre_norms[start:stop], self._coordinates[rows], self._centres[start:stop].T
        )
        places = torch.arange(stop - start, device=self._device)
        near.masked_fill_(places < first[:, None], -torch.inf)
        likely = near.argmax(dim=1)
        is_near = near.gather(1, likely[:, None])[:, 0] >= self._thresholds(rows, bounds)
        pairs = torch.nonzero(is_near)[:, 0]
        bounds = self._with_distances(bounds, rows, pairs, start + likely[pairs])
        near.scatter_(1, likely[:, None], -torch.inf)
        left, right = torch.nonzero(near >= self._thresholds(rows, bounds)[:, None], as_tuple=True)
        return self._with_distances(bounds, rows, left, start + right)

    def _thresholds(self, rows: Tensor, bounds: Tensor) -> Tensor:
        exact = self._half_norms[rows].double() - 0.5 * bounds * self.problem.squared_scale
        exact -= self.problem.slack
        rounded = exact.float()
        below = torch.nextafter(rounded, torch.full_like(rounded, -torch.inf))
        return torch.where(rounded.double() <= exact, rounded, below)

    def _with_distances(
        self, bounds: Tensor, rows: Tensor, left: Tensor, centres: Tensor
    ) -> Tensor:
        """Return bounds, [r], lowered to the exact distances of pairs (rows[left], centre)."""
        height = max(1, CELLS_PER_CHUNK // self._features.shape[1])
        for top in range(0, len(left), height):
            part = left[top : top + height]
            x = self._features[rows[part]].double()
            squares = (x - self._centre_vectors(centres[top : top + height])).square_()
            distances = pairwise_sum(squares)
            bounds = bounds.scatter_reduce(0, part, distances, reduce="amin")
        return bounds

    def _centre_vectors(self, centres: Tensor) -> Tensor:
        vectors = torch.empty(
            (len(centres), self._features.shape[1]), dtype=torch.float64, device=self._device
        )
        is_labeled = centres < self.m
        vectors[is_labeled] = self._labeled[centres[is_labeled]].double()
        picked = self._picks[centres[~is_labeled] - self.m]
        vectors[~is_labeled] = self._features[picked].double()
        return vectors

    def _send_new_centres(self) -> None:
        """Copy the sketches of the centres that came since the last refresh to the device."""
        if self._n_sent == self.n_centres:
            return
        labeled = self.projection.sketch(self.problem.labeled[self._n_sent :])
        picks = self.state.picks[max(0, self._n_sent - self.m) : self.n_picked]
        new = slice(self._n_sent, self.n_centres)
        self._centres[new] = self._send(
            np.concatenate([labeled.coordinates, self.problem.coordinates[picks]])
        )
        self._centre_norms[new] = self._send(
            np.concatenate([labeled.half_norms, self.problem.half_norms[picks]])
        )
        self._picks = self._send(self.state.picks[: self.n_picked])
        self._n_sent = self.n_centres

    def _send(self, array: npt.NDArray[np.generic]) -> Tensor:
        # A copy: torch would warn of, and could write to, a read-only mapping.
        return torch.tensor(np.asarray(array), device=self._device)


def pairwise_sum(values: Tensor) -> Tensor:
    """Return the sums of the rows, [p, d] -> [p], with the bits of numpy's pairwise sum."""
    d = values.shape[1]
    if d > LEAF:
        half = d // 2
        half -= half % 8
        return pairwise_sum(values[:, :half]) + pairwise_sum(values[:, half:])
    whole = d - d % 8 if d >= 8 else 0
    total = torch.zeros(len(values), dtype=values.dtype, device=values.device)
    if whole:
        lanes = values[:, :8]
        for top in range(8, whole, 8):
            lanes = lanes + values[:, top : top + 8]
        pairs = lanes[:, 0::2] + lanes[:, 1::2]
        total = (pairs[:, 0] + pairs[:, 1]) + (pairs[:, 2] + pairs[:, 3])
    for column in range(whole, d):
        total = total + values[:, column]
    return total
