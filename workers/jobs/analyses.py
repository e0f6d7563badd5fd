"""Runs analyses: opens the labels at hand, does the step in stages, publishes its answer.

An analysis gives way: where another job has waited for a worker, it stops after the minibatch at
hand, goes back to the queue, and continues from its last checkpoint.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from app.db.queries import jobs as job_queries
from app.db.queries import labels as label_queries
from app.db.queries.label_errors import Suspected
from app.db.session import transaction
from app.db.tables import Analysis, AnalysisKind
from app.domain.errors import AnalysisInvalid, NotFound
from app.domain.json_fields import from_json
from app.services.analyses import AnalysisFacts, publish_analysis
from app.services.jobs import COMPUTING, GIVE_WAY
from app.services.label_errors import store_suspected
from models.catalog import ModelSetup
from models.seconds import PartSeconds
from models.training.timing import Stopwatch
from selection.options import FeatureSource, SelectionOptions
from workers.jobs.attempt import Attempt
from workers.jobs.context import JobContext
from workers.jobs.map_features import map_features
from workers.jobs.opening import OpenedJob, open_job, read_inputs
from workers.jobs.pool_predictions import predict_pool
from workers.jobs.snapshot import store_arrays
from workers.steps import labels_saved
from workers.steps.comparison import Compared, SampleScores, as_json, compare
from workers.steps.feature_map import project_features
from workers.steps.label_errors import run_label_errors_step
from workers.steps.proxy_advice import Candidate, advise_proxy
from workers.steps.round import RoundInputs
from workers.steps.stages import Arrays, Stages
from workers.steps.training import RoundHooks, random_stream

WAITED_SECONDS = 3.0  # a worker without a job has taken it by then
ASK_SECONDS = 1.0
MOST_LISTED = 10_000  # suspected labels
FEWEST_SCORED = 20  # unlabeled items


@dataclass(frozen=True)
class Answer:
    """The answer of an analysis as JSON values, what is long in it as arrays, and its seconds.

    `warnings` are the facts of events that it is worth, by their name.
    """

    result: dict[str, Any]
    seconds: PartSeconds
    arrays: Arrays = field(default_factory=dict)
    warnings: dict[str, dict[str, Any]] = field(default_factory=dict)


def run_analysis(context: JobContext) -> None:
    """Do the claimed analysis and publish its answer in one fenced transaction.

    Raises:
        JobFenced: the job was taken from this worker; nothing was published.
        TrainingStopped: another job waits, or `should_stop` asked for it; its state is on disk.
    """
    context = replace(context, should_stop=stop_for_others(context))
    opened = open_job(context)
    if opened.analysis is None:
        raise NotFound("analysis", context.claimed.analysis_id)
    stages = Stages(
        context.checkpoint.path.with_suffix(".stages"),
        lambda n, name: context.report({"stages_done": n, "stage": name}),
        context.should_stop,
    )
    answer = RUN[AnalysisKind(opened.analysis.kind)](context, opened, opened.analysis, stages)
    facts = AnalysisFacts(
        n_labeled=len(opened.snapshot.labels),
        result=answer.result,
        seconds=context.watch.seconds | answer.seconds,
        provenance={**context.provenance, "snapshot_hash": opened.snapshot_hash},
        result_hash=store_arrays(context.store, **answer.arrays) if answer.arrays else None,
        warnings=answer.warnings,
    )
    context.write_fenced(lambda db: publish_analysis(db, context.claimed, facts))
    stages.forget()
    context.hooks.forget()


def stop_for_others(context: Attempt) -> Callable[[], bool]:
    """Return whether to stop: because it is asked for, or another job has waited for a worker."""
    others = COMPUTING - GIVE_WAY
    queues = context.settings.queues.split(",")
    asked_at, is_kept_waiting = float("-inf"), False

    def should_stop() -> bool:
        nonlocal asked_at, is_kept_waiting
        if context.should_stop():
            return True
        if time.monotonic() - asked_at >= ASK_SECONDS:
            asked_at = time.monotonic()
            with transaction(context.factory) as session:
                is_kept_waiting = job_queries.is_kept_waiting(
                    session, queues, others, WAITED_SECONDS
                )
        return is_kept_waiting

    return should_stop


def _quiet(context: JobContext) -> RoundHooks:
    """Return the hooks of a training that is one of many: the stages tell how far the job is."""
    return replace(context.hooks, on_progress=None)


def _run_labels_saved(
    context: JobContext, opened: OpenedJob, analysis: Analysis, stages: Stages
) -> Answer:
    project = opened.project
    setup = context.setup(analysis.options["model"])
    opened, inputs = read_inputs(context, opened, setup)
    with transaction(context.factory) as session:
        uniform = label_queries.uniformly_drawn(session, project.id)
    rows = np.flatnonzero(np.isin(inputs.labeled_index, uniform))
    if inputs.evaluation is None or len(labels_saved.part_sizes(inputs.labels[rows])) < 2:
        raise AnalysisInvalid(
            "Too few of the labels were drawn uniformly, or no evaluation item can be read, to "
            "estimate how many were saved. Label more, then ask again."
        )
    found, seconds = labels_saved.run_labels_saved_step(
        setup,
        inputs.labeled,
        rows,
        inputs.evaluation,
        n_pool=project.n_pool,
        seed=project.seed,
        device=context.device,
        hooks=_quiet(context),
        stages=stages,
    )
    return Answer(labels_saved.as_json(found), seconds)


def _run_audit(
    context: JobContext, opened: OpenedJob, analysis: Analysis, stages: Stages
) -> Answer:
    options = analysis.options
    scores = _sample_scores(context, opened, analysis, stages)
    proxy = scores.of("proxy", context.setup(options["proxy"]))
    found = compare(scores, ["proxy"], proxy[None])
    (agreement,) = found.models
    warnings: dict[str, dict[str, Any]] = {}
    if agreement.correlation.value < options["min_correlation"]:
        warnings["audit.below_threshold"] = {
            "correlation": asdict(agreement.correlation),
            "ceiling": asdict(found.ceiling),
            "min_correlation": options["min_correlation"],
        }
    return Answer(as_json(found), stages.seconds, warnings=warnings)


def _run_proxy_advice(
    context: JobContext, opened: OpenedJob, analysis: Analysis, stages: Stages
) -> Answer:
    scores = _sample_scores(context, opened, analysis, stages)
    candidates = [
        Candidate(entry["name"], context.setup(entry)) for entry in analysis.options["candidates"]
    ]
    found = advise_proxy(scores, candidates, analysis.options["seconds"])
    return Answer(found.to_json(), stages.seconds)


def _sample_scores(
    context: JobContext, opened: OpenedJob, analysis: Analysis, stages: Stages
) -> SampleScores:
    """Return what trains models on the labels at hand and scores a sample of the pool.

    Raises:
        AnalysisInvalid: every item is labeled: nothing is left to score.
    """
    options, project = analysis.options, opened.project
    target = context.setup(options["target"])
    opened, inputs = read_inputs(context, opened, target)

    def inputs_of(setup: ModelSetup) -> RoundInputs:
        if setup == target:
            return inputs
        return context.reader.round_inputs(project, opened.snapshot, setup)

    uses_brought = from_json(SelectionOptions, project.selection).features is FeatureSource.BROUGHT
    scores = SampleScores(
        Compared(options["strategy"], project.round_budget, project.seed, target, uses_brought),
        inputs_of,
        options["n_sample"],
        device=context.device,
        hooks=_quiet(context),
        stages=stages,
    )
    if len(scores.sample) < FEWEST_SCORED:
        raise AnalysisInvalid(
            f"{len(scores.sample)} items of the pool are unlabeled; it takes {FEWEST_SCORED} to "
            "compare scores. Import more items."
        )
    return scores


def _run_label_errors(
    context: JobContext, opened: OpenedJob, analysis: Analysis, stages: Stages
) -> Answer:
    setup = context.setup(analysis.options["model"])
    opened, inputs = read_inputs(context, opened, setup)
    found, seconds = run_label_errors_step(
        setup,
        inputs.labeled,
        opened.project.seed,
        device=context.device,
        hooks=_quiet(context),
        stages=stages,
    )
    order = np.argsort(-found.suspicion, kind="stable")[:MOST_LISTED]
    rows = [
        Suspected(
            index=int(inputs.labeled_index[i]),
            class_index=int(inputs.labels[i]),
            suggested_class=int(found.suggested[i]),
            suggested_probability=float(found.suggested_probability[i]),
            label_probability=float(found.label_probability[i]),
            suspicion=float(found.suspicion[i]),
            reasons=[reason for reason, has_it in found.reasons.items() if has_it[i]],
        )
        for i in order
    ]
    context.write_fenced(lambda db: store_suspected(db, context.claimed, rows))
    result = {
        "n_checked": len(inputs.labels),
        "n_expected": found.n_expected,
        "n_listed": len(rows),
        "by_reason": {reason: int(has_it.sum()) for reason, has_it in found.reasons.items()},
    }
    return Answer(result, seconds)


def _run_map(context: JobContext, opened: OpenedJob, analysis: Analysis, stages: Stages) -> Answer:
    project, model_id = opened.project, analysis.options["model_id"]
    rng = random_stream(project.seed, 0, "map")
    n = min(project.n_pool, analysis.options["most_items"])
    index = np.sort(rng.choice(project.n_pool, n, replace=False))

    def measure() -> tuple[Arrays, PartSeconds]:
        watch = Stopwatch(context.device)
        features = map_features(context, opened, model_id, index, watch)
        with watch.part("projection"):
            drawn = project_features(features)
        return {"xy": drawn.xy, "explained": np.asarray(drawn.explained)}, watch.seconds

    drawn = stages.do("map", measure)
    result = {
        "model_id": model_id,
        "n": n,
        "n_pool": project.n_pool,
        "explained": drawn["explained"].tolist(),
    }
    return Answer(result, stages.seconds, {"index": index, "xy": drawn["xy"]})


def _run_predictions(
    context: JobContext, opened: OpenedJob, analysis: Analysis, _stages: Stages
) -> Answer:
    watch, model_id = Stopwatch(context.device), analysis.options["model_id"]
    arrays = predict_pool(context, opened, model_id, watch)
    result = {
        "model_id": model_id,
        "n": len(arrays["index"]),
        "n_pool": opened.project.n_pool,
    }
    return Answer(result, watch.seconds, arrays)


RUN: dict[AnalysisKind, Callable[[JobContext, OpenedJob, Analysis, Stages], Answer]] = {
    AnalysisKind.LABELS_SAVED: _run_labels_saved,
    AnalysisKind.AUDIT: _run_audit,
    AnalysisKind.LABEL_ERRORS: _run_label_errors,
    AnalysisKind.PROXY_ADVICE: _run_proxy_advice,
    AnalysisKind.MAP: _run_map,
    AnalysisKind.PREDICTIONS: _run_predictions,
}
