"""Flags: annotators' comments on items."""

from collections.abc import Iterable

from svp_client import paths
from svp_client.calls import Call, Pages, as_json, get, nothing, send
from svp_client.methods import entries, result
from svp_client.routes.labels import answered
from svp_client.types import AnswerOutcome, Flag


class Flags:
    """Methods of flags."""

    @result
    def flag(
        self, project: int, item_ids: Iterable[int], comment: str, annotator: str | None = None
    ) -> Call[list[AnswerOutcome]]:
        """Flag items that the annotator was given, with a comment; return one outcome for each."""
        body = {"item_ids": list(item_ids), "comment": comment}
        return answered(paths.flags(project), body, annotator, is_idempotent=True)

    @entries
    def flags(self, project: int, *, only_open: bool = True) -> Pages[Flag]:
        """Yield the flags, oldest first."""
        return Pages(get(paths.flags(project), as_json, open=only_open), "flags")

    @result
    def close_flag(self, project: int, flag: int) -> Call[None]:
        """Close a flag; it leaves the list and the export."""
        return send("POST", paths.flags(project, f"/{flag}/close"), nothing, is_idempotent=True)
