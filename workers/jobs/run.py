"""Runs each kind of job: reads arrays, runs the step, publishes under the fence.

Runs in the job's own process (workers.jobs.child). No transaction is open while a model trains.
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from app.db.queries import models as model_queries
from app.db.queries import rounds as round_queries
from app.db.queries.batches import RankedItem
from app.db.queries.core_sets import SelectedItem
from app.db.session import transaction
from app.db.tables import JobKind, Project, Round
from app.domain.errors import NotFound
from app.domain.json_fields import from_json
from app.services import job_results
from app.services.job_results import CoreSetFacts, Selection, TrainedFacts
from models.seconds import PartSeconds
from models.training.train import TrainedModel
from selection.catalog import AUTO
from selection.options import SelectionOptions
from selection.types import ProxyAccuracy
from workers.jobs.analyses import run_analysis, stop_for_others
from workers.jobs.context import JobContext
from workers.jobs.epoch_scores import score_keeper
from workers.jobs.imports import run_import
from workers.jobs.label_exports import run_label_export
from workers.jobs.opening import OpenedJob, open_job, read_inputs
from workers.jobs.snapshot import Snapshot, load_arrays, store_arrays
from workers.jobs.stored_models import load_stored_model, store_model
from workers.steps.core_set import CoreSetRequest, CoreSetResult, run_core_set_step
from workers.steps.predictions import ModelPredictions, evaluation_report
from workers.steps.round import RoundInputs, RoundRequest, RoundResult, run_round_step
from workers.steps.stability import PoolSample, agreement
from workers.steps.target import run_target_step
from workers.steps.training import RoundHooks, accuracy_at_epochs, random_stream

ITEMS_AT_ONCE = 10_000


def run_job(context: JobContext) -> None:
    """Do the claimed job and publish its result in one fenced transaction.

    Raises:
        JobFenced: the job was taken from this worker; nothing was published.
        TrainingStopped, SelectionStopped: `should_stop` asked for it; its state is on disk.
    """
    if context.claimed.kind is JobKind.ANALYZE:
        run_analysis(context)
        return
    if context.claimed.kind is JobKind.IMPORT:
        run_import(replace(context, should_stop=stop_for_others(context)))
        return
    if context.claimed.kind is JobKind.EXPORT_LABELS:
        run_label_export(context, stop_for_others(context))
        return
    kinds = {JobKind.TRAIN_TARGET: _run_target, JobKind.SELECT_CORE_SET: _run_core_set}
    kinds.get(context.claimed.kind, _run_selection)(context, open_job(context))
    context.hooks.forget()


def _run_selection(context: JobContext, opened: OpenedJob) -> None:
    project, round_ = opened.project, opened.round_
    if round_ is None:
        raise NotFound("round", context.claimed.round_id)
    request = RoundRequest(
        round_.strategy,
        context.setup(round_.settings["proxy"]),
        project.seed,
        round_.number,
        trains=context.claimed.kind is JobKind.TRAIN_AND_SELECT,
        options=from_json(SelectionOptions, round_.settings["selection"]),
        samples=True,
    )
    opened, inputs = read_inputs(context, opened, request.setup)
    snapshot = opened.snapshot
    if request.setup.recipe.warm_start:
        inputs = replace(inputs, initial=_newest_proxy(context, project))
    if request.strategy == AUTO:
        inputs = replace(inputs, control=_control_accuracy(context, project))
    result = run_round_step(
        inputs,
        request,
        device=context.device,
        hooks=replace(
            _hooks(context, project, inputs), on_trained=lambda: _begin_selecting(context)
        ),
    )
    clock = context.begin_publishing()
    seconds = context.watch.seconds | result.seconds
    facts = None
    if result.proxy is not None:
        facts = _store_model(
            context,
            result.proxy,
            project,
            snapshot,
            Measured(result.metrics, seconds, result.predictions),
        )
        seconds = context.watch.seconds | result.seconds
    selection = Selection(
        ranked=_ranked_items(result),
        n_labeled=snapshot.n_resolved,
        seconds=seconds,
        ranking_hash=store_arrays(context.store, index=result.ranked_index, score=result.scores),
        model=facts,
        decided_by=_decided_by(context, opened, request.options, result, facts),
        **_stability(context, round_, result),
        clock=clock,
        choice=result.choice.to_json() if result.choice else None,
    )
    context.write_fenced(lambda db: job_results.stage_batch(db, context.claimed, selection.ranked))
    context.write_fenced(
        lambda db: job_results.publish_selection(db, context.claimed, selection, context.settings)
    )


def _hooks(context: JobContext, project: Project, inputs: RoundInputs) -> RoundHooks:
    if not project.measures_epochs:
        return context.hooks
    return replace(context.hooks, on_epoch=accuracy_at_epochs(inputs.evaluation, context.device))


def _newest_proxy(context: JobContext, project: Project) -> TrainedModel | None:
    with transaction(context.factory) as session:
        newest = model_queries.newest_proxy(session, project.id)
    return load_stored_model(context.store, newest.weights_hash) if newest else None


def _control_accuracy(context: JobContext, project: Project) -> ProxyAccuracy | None:
    """Return how often the newest proxy with a labeled control arm was right on it."""
    with transaction(context.factory) as session:
        shares = round_queries.control_shares(session, project.id)
    if not shares:
        return None
    newest = shares[max(shares)]
    return ProxyAccuracy(newest.n_right, newest.n, "control")


def _decided_by(
    context: JobContext,
    opened: OpenedJob,
    options: SelectionOptions,
    result: RoundResult,
    facts: TrainedFacts | None,
) -> dict[str, Any]:
    """Return the facts that `svp replay-selection` needs to repeat the ranking."""
    return {
        "seed": opened.project.seed,
        "options": options.to_json(),
        "snapshot_hash": opened.snapshot_hash,
        "weights_hash": facts.weights_hash if facts else None,
        "features_hash": opened.snapshot.features_hash or None,
        "candidates": asdict(result.candidates) if result.candidates else None,
        "choice": result.choice.to_json() if result.choice else None,
        "temperature": result.metrics.get("temperature"),
        "n_control": int(result.is_control.sum()),
        **context.provenance,
    }


def _stability(context: JobContext, round_: Round, result: RoundResult) -> dict[str, Any]:
    """Store the proxy's predictions on the sample; return their hash and their change."""
    now = result.sample
    if now is None:
        return {}
    stored = store_arrays(context.store, index=now.index, classes=now.classes)
    with transaction(context.factory) as session:
        before = round_queries.newest_with_predictions(session, round_.project_id, round_.number)
    if before is None or before.predictions_hash is None:
        return {"predictions_hash": stored}
    arrays = load_arrays(context.store, before.predictions_hash)
    compared = agreement(PoolSample(arrays["index"], arrays["classes"]), now)
    return {
        "predictions_hash": stored,
        "stability": {"round": before.number, **compared} if compared else {},
    }


def _run_target(context: JobContext, opened: OpenedJob) -> None:
    project = opened.project
    setup = context.setup(project.target)
    opened, inputs = read_inputs(context, opened, setup)
    snapshot = opened.snapshot
    result = run_target_step(
        setup,
        inputs.labeled,
        inputs.evaluation,
        project.seed,
        device=context.device,
        hooks=_hooks(context, project, inputs),
    )
    clock = context.begin_publishing()
    seconds = context.watch.seconds | result.seconds
    measured = Measured(result.metrics, seconds, result.predictions)
    facts = _store_model(context, result.trained, project, snapshot, measured)
    context.write_fenced(lambda db: job_results.publish_target(db, context.claimed, facts, clock))


def _run_core_set(context: JobContext, opened: OpenedJob) -> None:
    project, core_set = opened.project, opened.core_set
    if core_set is None:
        raise NotFound("core_set", context.claimed.core_set_id)
    setup = context.setup({"model": core_set.model, "recipe": core_set.recipe})
    opened, inputs = read_inputs(context, opened, setup)
    snapshot, labeled = opened.snapshot, inputs.labeled
    on_epoch = score_keeper(context, core_set, inputs, labeled.inputs)
    result = run_core_set_step(
        labeled,
        CoreSetRequest(
            core_set.strategy,
            core_set.budget,
            core_set.class_balance,
            core_set.initial_uniform,
            core_set.draw_seed,
        ),
        setup,
        core_set.seed,
        evaluation=inputs.evaluation,
        device=context.device,
        hooks=replace(context.hooks, on_epoch=on_epoch),
    )
    _store_core_set_items(context, snapshot, result)
    seconds = context.watch.seconds | result.seconds
    facts = CoreSetFacts(
        n_labeled=len(snapshot.labels),
        seconds=seconds,
        provenance={
            **context.provenance, **result.metrics, "snapshot_hash": opened.snapshot_hash
        },
        weights_hash=(
            store_model(context.store, _as_stored(result.selector, project.classes))
            if result.selector
            else None
        ),
    )  # fmt: skip
    context.write_fenced(lambda db: job_results.publish_core_set(db, context.claimed, facts))


def _store_core_set_items(context: JobContext, snapshot: Snapshot, result: CoreSetResult) -> None:
    for start in range(0, len(result.rows), ITEMS_AT_ONCE):
        rows = result.rows[start : start + ITEMS_AT_ONCE]
        columns = (snapshot.labeled_index[rows], snapshot.labels[rows], result.scores[start:])
        part = [SelectedItem(*row) for row in zip(*(c.tolist() for c in columns), strict=False)]
        with transaction(context.factory) as session:
            job_results.store_core_set_items(session, context.claimed, start, part)


def _begin_selecting(context: JobContext) -> None:
    context.write_fenced(lambda db: job_results.begin_selecting(db, context.claimed))


def _ranked_items(result: RoundResult) -> list[RankedItem]:
    columns = (result.ranked_index, result.scores, result.is_control)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    if result.suggestions is None:
        return [RankedItem(index, score, is_control=control) for index, score, control in rows]
    classes, confidences = (values.tolist() for values in result.suggestions)
    return [
        RankedItem(index, score, class_index, confidence, control)
        for (index, score, control), class_index, confidence in zip(
            rows, classes, confidences, strict=True
        )
    ]


@dataclass(frozen=True)
class Measured:
    """Measurements of the model that a step trained."""

    metrics: dict[str, Any]
    seconds: PartSeconds
    predictions: ModelPredictions


def _store_model(
    context: JobContext,
    trained: TrainedModel,
    project: Project,
    snapshot: Snapshot,
    measured: Measured,
) -> TrainedFacts:
    trained = _as_stored(trained, project.classes)
    arrays, seconds = measured.predictions.arrays(), measured.seconds
    with context.watch.part("metrics"):
        rng = random_stream(project.seed, len(snapshot.labels), "metrics")
        report = evaluation_report(measured.predictions.evaluation, rng)
    seconds = context.watch.seconds | seconds
    by_epoch = {"accuracy_by_epoch": list(trained.measured)} if trained.measured else {}
    return TrainedFacts(
        name=trained.model,
        recipe=trained.recipe.to_json(),
        recipe_hash=trained.recipe.hash,
        weights_hash=store_model(context.store, trained),
        n_labeled=len(snapshot.labels),
        metrics={**measured.metrics, **by_epoch, "final_loss": trained.final_loss},
        seconds=seconds,
        provenance={
            **context.provenance,
            "seed": trained.seed,
            "pretrained_hash": trained.pretrained_hash,
            "recipe_name": trained.recipe_name,
            "notes": list(trained.notes),
            "input": asdict(trained.spec),
        },
        predictions_hash=store_arrays(context.store, **arrays) if arrays else None,
        evaluation=report,
    )


def _as_stored(trained: TrainedModel, classes: list[str]) -> TrainedModel:
    """Return the model with its classes' names, and its weights named as the project names them."""
    recipe = trained.recipe
    if recipe.weights is not None:  # a path of this machine
        recipe = replace(recipe, weights=Path(recipe.weights).name)
    return replace(trained.with_recipe(recipe), classes=classes)
