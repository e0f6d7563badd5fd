"""Labels: submit, take back, skip, and an item's history."""

from collections.abc import Iterable, Mapping
from typing import Any

from svp_client import paths
from svp_client.calls import Call, as_json, get, send, under
from svp_client.methods import result
from svp_client.types import AnswerOutcome, LabelHistory


class Labels:
    """Methods of labels and skips.

    A token with the right `act_as` names the annotator whom a request is for; any other token is
    the annotator itself.
    """

    @result
    def submit_labels(
        self, project: int, labels: Iterable[Mapping[str, Any]], annotator: str | None = None
    ) -> Call[list[AnswerOutcome]]:
        """Submit labels and return one outcome for each; a refused one does not stop the others.

        Args:
            project: its id.
            labels: 1 to 1,000, each with `item_id`, `class`, and where wanted `seconds`.
            annotator: for whom.
        """
        body = {"labels": list(labels)}
        return answered(paths.labels(project), body, annotator, is_idempotent=True)

    @result
    def withdraw_labels(
        self, project: int, item_ids: Iterable[int], annotator: str | None = None
    ) -> Call[list[AnswerOutcome]]:
        """Take the annotator's labels back; return one outcome for each item."""
        body = {"item_ids": list(item_ids)}
        return answered(paths.labels(project, "/withdraw"), body, annotator, is_idempotent=True)

    @result
    def skip(
        self,
        project: int,
        item_ids: Iterable[int],
        reason: str,
        annotator: str | None = None,
        comment: str | None = None,
    ) -> Call[list[AnswerOutcome]]:
        """Skip items that cannot be labeled; return one outcome for each.

        Reasons: unreadable, ambiguous, no_class_fits, duplicate, sensitive, other.
        """
        body = {"item_ids": list(item_ids), "reason": reason, "comment": comment}
        return answered(paths.project(project, "/skips"), body, annotator, is_idempotent=True)

    @result
    def label_history(self, project: int, item: int) -> Call[list[LabelHistory]]:
        """Return every label that an item was given, withdrawn ones too."""
        return get(paths.items(project, f"/{item}/labels"), as_json)


def answered(
    path: str, body: Mapping[str, Any], annotator: str | None = None, *, is_idempotent: bool
) -> Call[list[AnswerOutcome]]:
    """Return a call that is answered by one outcome for each item."""
    parse = under("results")
    return send("POST", path, parse, body, is_idempotent=is_idempotent, annotator=annotator)
