"""Leases: next-batch, renew and release."""

from collections.abc import Iterable

from svp_client import paths
from svp_client.calls import Call, as_json, get, send, under
from svp_client.methods import result
from svp_client.types import Lease, NextBatch


class Leases:
    """Methods of leases."""

    @result
    def next_batch(
        self, project: int, size: int = 10, annotator: str | None = None
    ) -> Call[NextBatch]:
        """Lease up to `size` items; asking again returns those that are still leased first.

        An empty list comes with the project's state and with what it waits for.
        """
        path = paths.project(project, "/next-batch")
        return get(path, as_json, size=size, annotator=annotator)

    @result
    def renew_leases(
        self, project: int, item_ids: Iterable[int] | None = None, annotator: str | None = None
    ) -> Call[list[Lease]]:
        """Extend the leases of these items, or all; return those that remain."""
        return _change_leases(project, "/renew", item_ids, annotator)

    @result
    def release_leases(
        self, project: int, item_ids: Iterable[int] | None = None, annotator: str | None = None
    ) -> Call[list[Lease]]:
        """Give items back unlabeled, these or all; return the leases that are left."""
        return _change_leases(project, "/release", item_ids, annotator)


def _change_leases(
    project: int, change: str, item_ids: Iterable[int] | None, annotator: str | None
) -> Call[list[Lease]]:
    body = {} if item_ids is None else {"item_ids": list(item_ids)}
    path, parse = paths.leases(project, change), under("leases")
    return send("POST", path, parse, body, is_idempotent=True, annotator=annotator)
