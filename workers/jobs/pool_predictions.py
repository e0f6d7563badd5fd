"""Predicts the whole pool by a stored model, in whole minibatches, as `models.predictor` does."""

import numpy as np

from app.db.queries import models
from app.db.session import transaction
from app.db.tables import Split
from app.domain.errors import NotFound
from models.catalog import Encoding, find_model
from models.predict import predict, suitable_minibatch
from models.training.timing import Stopwatch
from models.training.train import TrainingStopped
from workers.jobs.context import JobContext
from workers.jobs.opening import OpenedJob
from workers.jobs.stored_models import load_stored_model
from workers.jobs.unreadable import set_aside_rows
from workers.steps.stages import Arrays

ITEMS_AT_ONCE = 8192  # about


def predict_pool(context: JobContext, opened: OpenedJob, model_id: int, watch: Stopwatch) -> Arrays:
    """Return index, classes and confidences of the pool's items that can be read.

    Raises:
        NotFound: the model has been deleted.
        ArtifactMissing: its file is not in the store.
        TrainingStopped: `should_stop` asked for it.
    """
    with transaction(context.factory) as session:
        model = models.get(session, opened.project.id, model_id)
    if model is None:
        raise NotFound("model", model_id)
    trained = load_stored_model(context.store, model.weights_hash)
    setup = context.setup({"model": model.name, "recipe": model.recipe})
    if find_model(model.name).encoding is Encoding.VECTORS:
        pool = context.reader.round_inputs(opened.project, opened.snapshot, setup).pool
    else:
        pool = context.reader.pool_of(opened.project, setup, trained.spec)
    classes, confidences = np.empty(len(pool), np.int64), np.empty(len(pool), np.float32)
    step = suitable_minibatch(trained.spec, context.device)
    at_once = step * max(1, ITEMS_AT_ONCE // step)
    with watch.part("inference"):
        for start in range(0, len(pool), at_once):
            if context.should_stop():
                raise TrainingStopped
            rows = np.arange(start, min(start + at_once, len(pool)))
            probs = predict(trained, pool.take(rows), device=context.device).probs
            classes[rows], confidences[rows] = probs.argmax(axis=1), probs.max(axis=1)
            context.report({"n_done": int(rows[-1]) + 1, "n": len(pool)})
    aside = set_aside_rows(context.factory, opened.project.id, Split.POOL)
    index = np.setdiff1d(np.arange(len(pool)), np.asarray(aside, np.int64))
    return {"index": index, "classes": classes[index], "confidences": confidences[index]}
