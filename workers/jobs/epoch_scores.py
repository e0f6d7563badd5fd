"""Keeps the scores of a core-set's labeled items after chosen epochs of its training."""

import numpy as np

from app.db.queries.core_sets import EpochScores
from app.db.session import transaction
from app.db.tables import CoreSet
from app.services import job_results
from models.data.arrays import Inputs
from models.predict import predict
from models.training.timing import Stopwatch
from models.training.train import EpochHook, TrainedModel
from workers.jobs.context import JobContext
from workers.jobs.snapshot import store_arrays
from workers.steps.round import RoundInputs
from workers.steps.scoring import item_scores
from workers.steps.training import evaluate


def score_keeper(
    context: JobContext, core_set: CoreSet, inputs: RoundInputs, labeled: Inputs
) -> EpochHook | None:
    """Return what keeps the scores after the epochs asked for; None where none are.

    A resumed job may keep an epoch's again: with the same bits.

    Args:
        context: of the job.
        core_set: whose selection model is trained.
        inputs: what it is trained on, and evaluated on.
        labeled: the pool's labeled items, which are scored.
    """
    wanted = frozenset(core_set.score_epochs)
    if not wanted:
        return None

    def keep(epoch: int, trained: TrainedModel) -> None:
        if epoch not in wanted:
            return
        probs = predict(trained, labeled, device=context.device).probs
        scores_hash = store_arrays(
            context.store,
            index=inputs.labeled_index,
            class_index=np.asarray(inputs.labels, np.int64),
            **item_scores(probs, trained.forgetting),
        )
        metrics = evaluate(trained, inputs.evaluation, context.device, Stopwatch(context.device))
        scores = EpochScores(epoch, metrics.get("accuracy"), *trained.spent, scores_hash)
        with transaction(context.factory) as session:
            job_results.store_core_set_scores(session, context.claimed, scores)

    return keep
