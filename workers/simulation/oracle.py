"""The oracle: annotators that know the true labels, which never reach the service.

There may be many; they may be slow, wrong, disagree and leave. An item's label is a function of
(seed, item), so the order of polls changes nothing.
"""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from time import sleep

import numpy as np
import numpy.typing as npt

from app.domain.consensus import resolve
from app.domain.states import JobState, ProjectState
from selection.arrays import IntArray
from svp_client import Client, ClientError
from svp_client.types import BatchItem, Project
from workers.simulation.config import ExperimentError, OracleConfig

ENDED = frozenset({ProjectState.FINISHED, ProjectState.CANCELLED})
POLL_SECONDS = 0.3
RANDOM_LABELS = "random"  # of CIFAR-N: three people labeled each image


class OracleError(Exception):
    """The project cannot go on, or the service refused a label."""


@dataclass(frozen=True)
class AnswerKey:
    """The label that each annotator gives each pool item.

    Attributes:
        answers: class index by (person, pool index), [n_people, n_pool]; annotator a answers as
            person a modulo n_people.
        n_classes: C.
        seed, disagreement: an annotator's own mistakes, drawn by (seed, annotator, item).
    """

    answers: IntArray
    n_classes: int
    seed: int
    disagreement: float = 0.0

    def label(self, index: int, annotator: int = 0) -> int:
        """Return the class index that the annotator gives the pool item."""
        answer = int(self.answers[annotator % len(self.answers), index])
        if self.disagreement:
            rng = np.random.default_rng([self.seed, annotator, index, *b"disagree"])
            if rng.random() < self.disagreement:
                return int((answer + rng.integers(1, self.n_classes)) % self.n_classes)
        return answer

    def resolved(self, index: int, labels_per_item: int) -> int:
        """Return the consensus of the first `labels_per_item` annotators."""
        answers = [self.label(index, annotator) for annotator in range(labels_per_item)]
        class_index = resolve(answers, labels_per_item)
        if class_index is None:
            raise OracleError("labels_per_item must be at least 1")
        return class_index


def answer_key(  # noqa: PLR0913, PLR0917 - the experiment's data, of which it reads each
    config: OracleConfig,
    true_labels: IntArray,
    n_classes: int,
    seed: int,
    pool_rows: IntArray,
    data_folder: Path,
) -> AnswerKey:
    """Return the oracle's answers.

    Args:
        config: who labels.
        true_labels: class indices of the pool, [n_pool].
        n_classes: C.
        seed: of the run.
        pool_rows: rows of the pool in the published train part: where label sets are looked up.
        data_folder: where label sets lie.

    Raises:
        ExperimentError: the label set or the confusion matrix does not fit.
    """
    answers = true_labels[None].copy()
    if config.label_set is not None:
        answers = _read_label_set(data_folder / "labels", config.label_set)[:, pool_rows]
    elif config.confusion is not None:
        matrix = np.asarray(config.confusion)
        if matrix.shape != (n_classes, n_classes):
            raise ExperimentError(f"oracle.confusion must be {n_classes} x {n_classes}.")
        drawn = _uniform_by_item(seed, len(true_labels), "confusion")
        cumulative = np.cumsum(matrix, axis=1)[true_labels]
        answers[0] = np.minimum((drawn[:, None] >= cumulative).sum(axis=1), n_classes - 1)
    elif config.noise:
        is_wrong = _uniform_by_item(seed, len(true_labels), "noise") < config.noise
        shift = 1 + (_uniform_by_item(seed, len(true_labels), "shift") * (n_classes - 1)).astype(
            int
        )
        answers[0] = np.where(is_wrong, (true_labels + shift) % n_classes, true_labels)
    return AnswerKey(answers.astype(np.int64), n_classes, seed, config.disagreement)


def _uniform_by_item(seed: int, n: int, purpose: str) -> npt.NDArray[np.float64]:
    """Return one number in 0..1 per item, a function of (seed, item, purpose) alone."""
    return np.asarray(
        [np.random.default_rng([seed, item, *purpose.encode()]).random() for item in range(n)]
    )


def _read_label_set(folder: Path, name: str) -> IntArray:
    """Return the labels [n_people, n_train] of e.g. "cifar10n.worse_label" or "cifar10n.random"."""
    stem, _, column = name.partition(".")
    path = folder / "cifar-n" / f"{stem}.npz"
    if not path.is_file():
        raise ExperimentError(f"There is no label set {path}; see labels/README.md of the data.")
    with np.load(path) as arrays:
        if column == RANDOM_LABELS:
            names = [f"random_label{person}" for person in (1, 2, 3)]
        else:
            names = [column]
        if not set(names) <= set(arrays.files):
            raise ExperimentError(f"{path} has no {column!r}; it has {', '.join(arrays.files)}.")
        return np.stack([arrays[n] for n in names]).astype(np.int64)


@dataclass
class Oracle:
    """Annotators that label all items of `next-batch` until the project has ended.

    Attributes:
        client: with a token that may label; it needs `act_as` for annotators that are many or
            leave.
        config: how many annotators, and how they behave.
        key: what they answer.
        index_of: external id -> pool index.
        classes: names of the class indices.
    """

    client: Client
    config: OracleConfig
    key: AnswerKey
    index_of: Mapping[str, int]
    classes: list[str]
    _stop: threading.Event = field(default_factory=threading.Event)

    def label_until_finished(
        self, project: int, on_change: Callable[[Project], None] = lambda _: None
    ) -> Project:
        """Return the finished project; `on_change` gets it after each batch and each wait.

        Raises:
            OracleError: a job failed or a label was refused.
        """
        if self.config.annotators == 1:
            self._annotate(project, 0, on_change)
        else:
            with ThreadPoolExecutor(self.config.annotators) as pool:
                people = range(self.config.annotators)
                for done in [pool.submit(self._annotate, project, p, on_change) for p in people]:
                    done.result()
        return self.client.project(project)

    def _annotate(self, project: int, person: int, on_change: Callable[[Project], None]) -> None:
        rng = np.random.default_rng([self.key.seed, person, *b"behaviour"])
        n_left = 0
        try:
            while not self._stop.is_set():
                name = self._name(person, n_left)
                batch = self.client.next_batch(project, self.config.poll_size, annotator=name)
                if batch["items"] and rng.random() < self.config.abandonment:
                    n_left += 1
                    continue
                if batch["items"]:
                    self._label(project, person, name, batch["items"], rng)
                on_change(self.client.project(project))
                if ProjectState(batch["state"]) in ENDED:
                    return
                if not batch["items"]:
                    self._check_jobs(project)
                    sleep(POLL_SECONDS)
        except BaseException:
            self._stop.set()
            raise

    def _name(self, person: int, n_left: int) -> str | None:
        """Return whom a request acts for; None is the token itself.

        Who leaves is followed by another of the same mind; the leases are left behind.
        """
        if self.config.annotators == 1 and not self.config.abandonment:
            return None
        return f"oracle-{person}" + (f"-{n_left}" if n_left else "")

    def _label(
        self,
        project: int,
        person: int,
        name: str | None,
        items: list[BatchItem],
        rng: np.random.Generator,
    ) -> None:
        labels = []
        rng.shuffle(items)  # people do not keep to the order of a ranking
        for item in items:
            seconds = float(rng.exponential(self.config.latency_seconds))
            if self.config.latency_seconds:
                sleep(seconds)
            answer = self.key.label(self.index_of[item["external_id"]], person)
            label = {"item_id": item["item_id"], "class": self.classes[answer]}
            labels.append({**label, "seconds": seconds} if seconds else label)
        try:
            outcomes = self.client.submit_labels(project, labels, annotator=name)
        except ClientError as error:
            if error.code != "project_not_accepting":
                raise
            return  # others spent the rest of the budget while this one took its time
        for outcome in outcomes:
            if outcome["status"] in ("created", "unchanged"):
                continue
            # After a long wait a lease may have gone to another annotator: no error of ours.
            if outcome["code"] not in ("leased_to_another", "already_labeled", "not_in_batch"):
                raise OracleError(f"Item {outcome['item_id']} was refused: {outcome['detail']}")

    def _check_jobs(self, project: int) -> None:
        for job in self.client.jobs(project)[:1]:
            if job["state"] == JobState.FAILED:
                raise OracleError(f"Job {job['id']} ({job['kind']}) failed: {job['error']}")
