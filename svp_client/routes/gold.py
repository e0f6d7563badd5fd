"""Gold: items of known class that measure annotators' accuracy."""

from collections.abc import Iterable, Mapping

from svp_client import paths
from svp_client.calls import Call, Pages, as_json, get, send, under
from svp_client.methods import entries, result
from svp_client.types import GoldItem, GoldOutcome


class Gold:
    """Methods of gold items."""

    @result
    def set_gold(self, project: int, classes: Mapping[str, str | None]) -> Call[list[GoldOutcome]]:
        """Make labeled items gold; return one outcome for each.

        Args:
            project: its id.
            classes: external id -> right class; None: the class that the item is labeled with.
        """
        items = [
            {"external_id": key} if name is None else {"external_id": key, "class": name}
            for key, name in classes.items()
        ]
        return send("PUT", paths.gold(project), under("results"), {"items": items})

    @result
    def remove_gold(self, project: int, external_ids: Iterable[str]) -> Call[int]:
        """Remove items from the gold set; return how many were in it."""
        body = {"external_ids": list(external_ids)}
        parse = under("n_removed")
        return send("POST", paths.gold(project, "/remove"), parse, body, is_idempotent=True)

    @entries
    def gold(self, project: int) -> Pages[GoldItem]:
        """Yield the gold items and how often they were answered rightly."""
        return Pages(get(paths.gold(project), as_json), "items")
