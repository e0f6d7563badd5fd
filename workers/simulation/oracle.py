"""The oracle: an annotator that knows the true labels, which never reach the service."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import sleep
from typing import Any

from app.client import Client
from app.domain.states import JobState, ProjectState

ENDED = frozenset({ProjectState.FINISHED, ProjectState.CANCELLED})
POLL_SECONDS = 0.3


class OracleError(Exception):
    """The project cannot go on, or the service refused a true label."""


@dataclass(frozen=True)
class Oracle:
    """Labels everything that `next-batch` hands out, until the project has ended.

    Attributes:
        client: with an annotator's rights.
        true_labels: external id -> class name.
        size: items asked for at once.
    """

    client: Client
    true_labels: Mapping[str, str]
    size: int = 100

    def label_until_finished(
        self, project: int, on_change: Callable[[dict[str, Any]], None] = lambda _: None
    ) -> dict[str, Any]:
        """Return the finished project; `on_change` gets it after each batch and each wait.

        Raises:
            OracleError: a job failed or a label was refused.
        """
        while True:
            batch = self.client.next_batch(project, self.size)
            if batch["items"]:
                self._label(project, batch["items"])
            on_change(self.client.project(project))
            if ProjectState(batch["state"]) in ENDED:
                return self.client.project(project)
            if not batch["items"]:
                self._check_jobs(project)
                sleep(POLL_SECONDS)

    def _label(self, project: int, items: list[dict[str, Any]]) -> None:
        labels = [
            {"item_id": item["item_id"], "class": self.true_labels[item["external_id"]]}
            for item in items
        ]
        for outcome in self.client.submit_labels(project, labels):
            if outcome["status"] not in ("created", "unchanged"):
                raise OracleError(f"Item {outcome['item_id']} was refused: {outcome['detail']}")

    def _check_jobs(self, project: int) -> None:
        for job in self.client.jobs(project)[:1]:
            if job["state"] == JobState.FAILED:
                raise OracleError(f"Job {job['id']} ({job['kind']}) failed: {job['error']}")
