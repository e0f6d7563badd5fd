"""Items that are handed out again, to everybody or to a named annotator."""

from collections.abc import Iterable, Mapping

from svp_client import paths
from svp_client.calls import Call
from svp_client.methods import result
from svp_client.routes.labels import answered
from svp_client.types import AnswerOutcome


class Requeue:
    """Methods that hand items out again."""

    @result
    def requeue(self, project: int, item_ids: Iterable[int]) -> Call[list[AnswerOutcome]]:
        """Withdraw all labels of items and hand them out again; return one outcome for each."""
        body = {"item_ids": list(item_ids)}
        return answered(paths.project(project, "/requeue"), body, is_idempotent=False)

    @result
    def ask_second_opinions(
        self, project: int, item_ids: Iterable[int]
    ) -> Call[list[AnswerOutcome]]:
        """Hand labeled items to one more annotator each; return one outcome for each."""
        body = {"item_ids": list(item_ids)}
        return answered(paths.project(project, "/second-opinions"), body, is_idempotent=False)

    @result
    def reassign(
        self, project: int, item_ids: Iterable[int], annotator: str | None
    ) -> Call[list[AnswerOutcome]]:
        """Keep open items for one annotator, or with None for nobody; return one outcome each."""
        body = {"item_ids": list(item_ids), "annotator": annotator}
        return answered(paths.project(project, "/reassign"), body, is_idempotent=True)

    @result
    def decide(self, project: int, classes: Mapping[int, str]) -> Call[list[AnswerOutcome]]:
        """Give selected items their class, by id, whatever annotators gave."""
        decisions = [{"item_id": item, "class": name} for item, name in classes.items()]
        path = paths.project(project, "/decisions")
        return answered(path, {"decisions": decisions}, is_idempotent=True)
