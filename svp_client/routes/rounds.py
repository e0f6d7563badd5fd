"""Rounds: what they selected, and whether another is worth it."""

from svp_client import paths
from svp_client.calls import Call, Pages, as_json, get, send
from svp_client.methods import entries, result
from svp_client.types import Advice, Job, Round, SelectedItem


class Rounds:
    """Methods of rounds."""

    @result
    def rounds(self, project: int) -> Call[list[Round]]:
        """Return every round in order."""
        return get(paths.rounds(project), as_json)

    @result
    def round(self, project: int, number: int) -> Call[Round]:
        """Return one round by its number from 0."""
        return get(paths.rounds(project, f"/{number}"), as_json)

    @result
    def begin_next_round(self, project: int) -> Call[Round]:
        """End the round in labeling, train on the labels so far; return the next round."""
        return send("POST", paths.rounds(project), as_json)

    @result
    def retry_round(self, project: int, number: int) -> Call[Job]:
        """Send a failed round back to where it failed; return its new job."""
        return send("POST", paths.rounds(project, f"/{number}/retry"), as_json)

    @entries
    def selected(self, project: int, number: int) -> Pages[SelectedItem]:
        """Yield the items that a round selected, best rank first."""
        return Pages(get(paths.rounds(project, f"/{number}/items"), as_json), "items")

    @result
    def advice(self, project: int) -> Call[Advice]:
        """Return whether labeling more is worth it, why, and what was measured of each round."""
        return get(paths.project(project, "/advice"), as_json)
