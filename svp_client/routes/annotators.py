"""Annotators: annotation settings, their work, agreement and pauses."""

from typing import Unpack

from svp_client import paths
from svp_client.calls import Call, as_json, get, nothing, send
from svp_client.methods import result
from svp_client.settings import AnnotationChanges
from svp_client.types import Agreement, Annotator, Project


class Annotators:
    """Methods of annotators."""

    @result
    def change_annotation(
        self, project: int, **changes: Unpack[AnnotationChanges]
    ) -> Call[Project]:
        """Change overlap, consensus, adjudicators or gold; return the project."""
        path = paths.project(project, "/annotation")
        return send("PATCH", path, as_json, changes, is_idempotent=True)

    @result
    def annotators(self, project: int) -> Call[list[Annotator]]:
        """Return each annotator's labels, accuracy on gold and pause."""
        return get(paths.annotators(project), as_json)

    @result
    def agreement(self, project: int) -> Call[Agreement]:
        """Return Krippendorff's alpha and kappas: of the project, by round, annotator and pair."""
        return get(paths.project(project, "/agreement"), as_json)

    @result
    def pause_annotator(
        self, project: int, name: str, reason: str, *, excludes_labels: bool = False
    ) -> Call[None]:
        """Pause an annotator; their labels are flagged, and excluded if asked."""
        body = {"reason": reason, "excludes_labels": excludes_labels}
        path = paths.annotator(project, name, "/pause")
        return send("POST", path, nothing, body, is_idempotent=True)

    @result
    def resume_annotator(self, project: int, name: str) -> Call[None]:
        """Resume a paused annotator."""
        return send("POST", paths.annotator(project, name, "/resume"), nothing)

    @result
    def clear_flags(self, project: int, name: str) -> Call[None]:
        """Clear the flags of an annotator's labels, so that the labels count again."""
        path = paths.annotator(project, name, "/clear-flags")
        return send("POST", path, nothing, is_idempotent=True)
