"""Decides whether an experiment's figures can be compared with the paper's."""

from collections.abc import Iterable

from workers.simulation.config import ExperimentConfig
from workers.simulation.kinds import kind_of
from workers.simulation.load import bundled


def is_paper_scale(experiment: ExperimentConfig, data: Iterable[str]) -> bool:
    """Return whether lines on this data repeat a bundled experiment at the paper's settings.

    The data must be the published files, whole; budgets or fractions, the target and its recipe
    the same; arms may be left out, but each that is there must be one of the bundled one's. Which
    published trap is set does not matter, nor names, titles and seeds.

    Args:
        experiment: any.
        data: what the lines call their data.
    """
    if any(title != experiment.data.name for title in data):  # modified files
        return False
    kind = kind_of(experiment)
    return any(
        shipped.paper is not None
        and shipped.data.n_pool is None
        and shipped.kind == experiment.kind
        and shipped.data == experiment.data
        and kind.frame(shipped) == kind.frame(experiment)
        and kind.arms(experiment) <= kind.arms(shipped)
        for shipped in bundled().values()
    )
