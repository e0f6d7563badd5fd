"""Analyses: questions about the labels at hand, which a worker answers."""

from svp_client import paths
from svp_client.calls import Call, as_json, get, send
from svp_client.methods import result
from svp_client.types import LabelsSaved


class Analyses:
    """Methods of analyses."""

    @result
    def estimate_labels_saved(self, project: int) -> Call[LabelsSaved]:
        """Ask how many labels the strategy saved against uniform selection; a worker finds out."""
        return send("POST", paths.project(project, "/labels-saved"), as_json)

    @result
    def labels_saved(self, project: int) -> Call[list[LabelsSaved]]:
        """Return every estimate of the labels saved, oldest first."""
        return get(paths.project(project, "/labels-saved"), as_json)
