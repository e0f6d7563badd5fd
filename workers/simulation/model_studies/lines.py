"""Lines of model studies, one per measured epoch, each with a file of per-item scores."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from workers.simulation.results import ResultLine, is_shared


@dataclass(frozen=True, kw_only=True)
class StudyLine(ResultLine):
    """One model of a study with one seed after one epoch.

    Attributes:
        model: its key in the experiment's table `models`.
        architecture: its name in models.catalog.
        epochs: of the recipe.
        epoch: after which this was measured, from 1; 0 where nothing is trained.
        error: on the evaluation split, 0..1.
        train_seconds, train_cpu_seconds: training until here, without measurements.
        scores_file: name of the file of per-item scores, beside the lines; see `read_scores`.
    """

    model: str
    architecture: str
    epochs: int
    epoch: int
    error: float
    train_seconds: float
    scores_file: str
    recipe_hash: str
    train_cpu_seconds: float | None = None

    @property
    def is_shared(self) -> bool:
        """Whether training waited for other work on the machine."""
        return is_shared(self.train_seconds, self.train_cpu_seconds, self.device)


def read_scores(folder: Path, line: StudyLine) -> dict[str, npt.NDArray[np.float64]]:
    """Return the per-item scores of a study's line, each [n_pool], higher = sooner but for ranks.

    Keys: entropy, least_confidence, margin; forgetting_events, how often each item was forgotten
    so far, +inf where it was never right (not of a model that counts none); of the last epoch
    k_centers_rank, the place in the greedy order, 0 for the first centres, which were drawn and
    not ranked; items that were not reached share the last place.
    """
    with np.load(folder / line.scores_file) as stored:
        return {name: stored[name].astype(np.float64) for name in stored.files}
