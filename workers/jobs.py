"""What a worker does for each kind of job: read arrays, run the step, publish under the fence.

Runs in the job's own process (workers.job_child). No transaction is open while a model trains.
"""

import io
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.queries import batches, items, labels, projects
from app.db.queries import jobs as job_queries
from app.db.queries.batches import RankedItem
from app.db.session import transaction
from app.db.tables import JobKind, Project, Round, Split
from app.domain.budget import ranking_length
from app.domain.errors import JobFenced, NotFound
from app.services import jobs
from app.services.jobs import ClaimedJob, Selection, TrainedFacts
from app.services.rounds import budget_state, n_selectable
from app.storage.artifacts import ArtifactStore
from models.checkpoints import CheckpointFile
from models.recipe import Recipe, recipe_from_json
from models.train import TrainedModel, TrainProgress
from workers.pool import PoolReader
from workers.round_step import (
    Evaluation,
    RoundHooks,
    RoundInputs,
    RoundResult,
    run_round_step,
)
from workers.target_step import run_target_step

# A stop or crash costs at most this much work; a save forces the disk, which short epochs feel.
CHECKPOINT_SECONDS = 1.0
PROGRESS_SECONDS = 0.25


@dataclass
class JobContext:
    """What a job's process works with."""

    claimed: ClaimedJob
    settings: Settings
    factory: sessionmaker[Session]
    store: ArtifactStore
    should_stop: Callable[[], bool]

    @property
    def device(self) -> str:
        """The device to train on: "auto" takes a GPU where there is one."""
        if self.settings.device != "auto":
            return self.settings.device
        return "cuda" if torch.cuda.is_available() else "cpu"

    @cached_property
    def checkpoint(self) -> CheckpointFile:
        """The job's checkpoint, found again by its next attempt on this machine."""
        folder = self.settings.cache_folder / "checkpoints"
        return CheckpointFile(folder / f"job-{self.claimed.id}.pt", CHECKPOINT_SECONDS)


@dataclass(frozen=True)
class Snapshot:
    """What every attempt of a job works on, fixed by its first attempt."""

    labeled_index: np.ndarray
    labels: np.ndarray
    excluded_index: np.ndarray
    n_pool: int
    n_evaluation: int
    n_ranked: int


def run_job(context: JobContext) -> None:
    """Do the claimed job and publish its result in one fenced transaction.

    Raises:
        JobFenced: the job was taken from this worker; nothing was published.
        TrainingStopped, SelectionStopped: `should_stop` asked for it; its state is on disk.
    """
    if context.claimed.kind is JobKind.TRAIN_TARGET:
        _run_target(context)
    else:
        _run_selection(context)
    RoundHooks(checkpoint=context.checkpoint).forget()


def _run_selection(context: JobContext) -> None:
    project, round_, snapshot = _open(context)
    if round_ is None:
        raise NotFound("round", context.claimed.round_id)
    model, recipe = project.proxy["model"], recipe_from_json(project.proxy["recipe"])
    result = run_round_step(
        _round_inputs(context, project, snapshot, model, recipe),
        round_.strategy,
        model,
        recipe,
        project.seed,
        round_.number,
        device=context.device,
        hooks=RoundHooks(
            checkpoint=context.checkpoint,
            on_progress=_progress_reporter(context),
            on_trained=lambda: _begin_selecting(context),
            should_stop=context.should_stop,
        ),
    )
    facts = None
    if result.proxy is not None:
        facts = _store_model(
            context, result.proxy, project.classes, snapshot, result.metrics, result.seconds
        )
    selection = Selection(
        ranked=_ranked_items(result),
        n_labeled=len(snapshot.labels),
        seconds=result.seconds,
        ranking_hash=_store_arrays(context, index=result.ranked_index, score=result.scores),
        model=facts,
    )
    with transaction(context.factory) as session:
        jobs.publish_selection(session, context.claimed, selection, context.settings)


def _run_target(context: JobContext) -> None:
    project, _, snapshot = _open(context)
    model, recipe = project.target["model"], recipe_from_json(project.target["recipe"])
    inputs = _round_inputs(context, project, snapshot, model, recipe)
    result = run_target_step(
        inputs.pool.take(inputs.labeled_index),
        inputs.labels,
        inputs.n_classes,
        inputs.evaluation,
        model,
        recipe,
        project.seed,
        device=context.device,
        hooks=RoundHooks(
            checkpoint=context.checkpoint,
            on_progress=_progress_reporter(context),
            should_stop=context.should_stop,
        ),
    )
    facts = _store_model(
        context, result.trained, project.classes, snapshot, result.metrics, result.seconds
    )
    with transaction(context.factory) as session:
        jobs.publish_target(session, context.claimed, facts)


def _open(context: JobContext) -> tuple[Project, Round | None, Snapshot]:
    """Return the job's project, round and snapshot; the first attempt takes the snapshot."""
    claimed = context.claimed
    with transaction(context.factory) as session:
        project = projects.lock(session, claimed.project_id)
        job = job_queries.owned(session, claimed.id, claimed.token)
        if job is None:
            raise JobFenced(claimed.id)
        round_ = session.get(Round, claimed.round_id) if claimed.round_id else None
        if job.snapshot_hash is None:
            job.snapshot_hash = _take_snapshot(context, session, project, round_)
            job.snapshot_version = project.label_version
        snapshot_hash = job.snapshot_hash
    arrays = np.load(io.BytesIO(context.store.get(snapshot_hash)))
    n_pool, n_evaluation, n_ranked = (int(v) for v in arrays["counts"])
    return (
        project,
        round_,
        Snapshot(
            arrays["labeled_index"],
            arrays["labels"],
            arrays["excluded_index"],
            n_pool,
            n_evaluation,
            n_ranked,
        ),
    )


def _take_snapshot(
    context: JobContext, session: Session, project: Project, round_: Round | None
) -> str:
    index, classes = labels.resolved_arrays(session, project.id)
    excluded = batches.excluded_pool_indices(session, project.id)
    n_ranked = 0
    if round_ is not None:
        may_drop_out = batches.open_counts(session, project.id).reserve
        selectable = n_selectable(project, budget_state(session, project))
        n_ranked = ranking_length(round_.budget, project.reserve, may_drop_out, selectable)
    return _store_arrays(
        context,
        labeled_index=np.asarray(index, np.int64),
        labels=np.asarray(classes, np.int64),
        excluded_index=np.asarray(excluded, np.int64),
        counts=np.asarray([project.n_pool, project.n_evaluation, n_ranked], np.int64),
    )


def _round_inputs(
    context: JobContext, project: Project, snapshot: Snapshot, model: str, recipe: Recipe
) -> RoundInputs:
    reader = PoolReader(context.factory, context.store, context.settings)
    evaluation = None
    if snapshot.n_evaluation:
        inputs = reader.read(project, Split.EVALUATION, model, recipe, snapshot.n_evaluation)
        with transaction(context.factory) as session:
            classes = items.evaluation_classes(session, project.id)
        evaluation = Evaluation(inputs, np.asarray(classes[: snapshot.n_evaluation], np.int64))
    return RoundInputs(
        pool=reader.read(project, Split.POOL, model, recipe, snapshot.n_pool),
        labeled_index=snapshot.labeled_index,
        labels=snapshot.labels,
        excluded_index=snapshot.excluded_index,
        n_classes=len(project.classes),
        n_ranked=snapshot.n_ranked,
        evaluation=evaluation,
    )


def _begin_selecting(context: JobContext) -> None:
    with transaction(context.factory) as session:
        jobs.begin_selecting(session, context.claimed)


def _progress_reporter(context: JobContext) -> Callable[[TrainProgress], None]:
    reported_at = float("-inf")

    def report(progress: TrainProgress) -> None:
        nonlocal reported_at
        is_last = progress.epoch == progress.epochs
        if not is_last and time.monotonic() - reported_at < PROGRESS_SECONDS:
            return
        reported_at = time.monotonic()
        values = {
            "epoch": progress.epoch,
            "epochs": progress.epochs,
            "loss": progress.loss,
            "seconds": round(progress.seconds, 3),
            "resumed_from": progress.resumed_from,
        }
        with transaction(context.factory) as session:
            jobs.report_progress(session, context.claimed.id, context.claimed.token, values)

    return report


def _ranked_items(result: RoundResult) -> list[RankedItem]:
    index, scores = result.ranked_index.tolist(), result.scores.tolist()
    if result.suggestions is None:
        return [RankedItem(i, s) for i, s in zip(index, scores, strict=True)]
    classes, confidences = (values.tolist() for values in result.suggestions)
    return [
        RankedItem(i, s, c, p)
        for i, s, c, p in zip(index, scores, classes, confidences, strict=True)
    ]


def _store_arrays(context: JobContext, **arrays: np.ndarray) -> str:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return context.store.put(buffer.getvalue())


def _store_model(
    context: JobContext,
    trained: TrainedModel,
    classes: list[str],
    snapshot: Snapshot,
    metrics: dict[str, Any],
    seconds: dict[str, float],
) -> TrainedFacts:
    trained.classes = classes
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        trained.save(path)
        weights_hash = context.store.put(path.read_bytes())
    return TrainedFacts(
        name=trained.model,
        recipe=trained.recipe.to_json(),
        recipe_hash=trained.recipe.hash,
        weights_hash=weights_hash,
        n_labeled=len(snapshot.labels),
        metrics={**metrics, "final_loss": trained.final_loss},
        seconds=seconds,
        provenance={
            "device": context.device,
            "device_name": _device_name(context.device),
            "seed": trained.seed,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "threads": torch.get_num_threads(),
        },
    )


def _device_name(device: str) -> str:
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else "cpu"
