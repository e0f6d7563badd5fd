"""Labels: submit, take back, skip, export, and an item's history."""

from collections.abc import Iterable, Mapping
from typing import Any, Unpack

from svp_client import paths
from svp_client.calls import Call, Lines, as_bytes, as_json, as_query, as_text, get, send, under
from svp_client.methods import entries, result
from svp_client.settings import LabelFilters
from svp_client.types import AnswerOutcome, ExportedLabel, LabelHistory


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

    @entries
    def export_labels(self, project: int, **filters: Unpack[LabelFilters]) -> Lines[ExportedLabel]:
        """Yield the resolved labels that the filters leave, in order of import, as they come."""
        return Lines(get(paths.labels(project), as_json, **as_query(filters)))

    @result
    def export_labels_csv(
        self,
        project: int,
        *,
        annotators: bool = False,
        raw: bool = False,
        **filters: Unpack[LabelFilters],
    ) -> Call[str]:
        """Return the resolved labels in order of import as CSV.

        Args:
            project: its id.
            annotators: whether each annotator has a column.
            raw: whether what a spreadsheet would take for a formula stays as it is.
            **filters: what is wanted.
        """
        more = {"annotators": annotators or None, "raw": raw or None, **as_query(filters)}
        return get(paths.labels(project), as_text, format="csv", **more)

    @result
    def download_labels(
        self, project: int, file_format: str = "csv", **filters: Unpack[LabelFilters]
    ) -> Call[bytes]:
        """Return the resolved labels as a file.

        Formats: jsonl, csv, parquet, label-studio, fasttext (texts), images (a zip).
        """
        return get(paths.labels(project), as_bytes, format=file_format, **as_query(filters))

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
