"""Core-sets: labeled items to train on instead of all."""

from typing import Unpack

from svp_client import paths
from svp_client.calls import Call, Lines, as_bytes, as_json, as_text, get, send
from svp_client.methods import entries, result
from svp_client.settings import CoreSetSettings
from svp_client.types import CoreSet, CoreSetItem, CoreSetScores


class CoreSets:
    """Methods of core-sets."""

    @result
    def create_core_set(self, project: int, **settings: Unpack[CoreSetSettings]) -> Call[CoreSet]:
        """Ask for a core-set of the labeled items and return it; a worker makes it."""
        return send("POST", paths.core_sets(project), as_json, settings)

    @result
    def core_sets(self, project: int) -> Call[list[CoreSet]]:
        """Return every core-set, oldest first."""
        return get(paths.core_sets(project), as_json)

    @result
    def core_set(self, project: int, core_set: int) -> Call[CoreSet]:
        """Return a core-set with the state of its job."""
        return get(paths.core_sets(project, f"/{core_set}"), as_json)

    @entries
    def core_set_items(self, project: int, core_set: int) -> Lines[CoreSetItem]:
        """Yield the items that a core-set keeps, in order of selection."""
        return Lines(get(paths.core_sets(project, f"/{core_set}/items"), as_json))

    @result
    def core_set_items_csv(self, project: int, core_set: int) -> Call[str]:
        """Return the items that a core-set keeps, in order of selection, as CSV."""
        return get(paths.core_sets(project, f"/{core_set}/items"), as_text, format="csv")

    @result
    def core_set_indices(self, project: int, core_set: int) -> Call[bytes]:
        """Return the pool indices that a core-set keeps as a NumPy file (npy) of int64."""
        return get(paths.core_sets(project, f"/{core_set}/items"), as_bytes, format="npy")

    @result
    def core_set_scores(self, project: int, core_set: int) -> Call[list[CoreSetScores]]:
        """Return the selection model's accuracy after each epoch whose scores were kept."""
        return get(paths.core_sets(project, f"/{core_set}/scores"), as_json)

    @result
    def core_set_scores_file(self, project: int, core_set: int, epoch: int) -> Call[bytes]:
        """Return all labeled items' scores after an epoch as a NumPy archive (npz)."""
        return get(paths.core_sets(project, f"/{core_set}/scores/{epoch}"), as_bytes)
