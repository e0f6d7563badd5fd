"""The features that a map is drawn of: a stored proxy's, or those that were brought."""

import numpy as np

from app.db.queries import models
from app.db.session import transaction
from app.db.tables import Model
from app.domain.errors import NotFound
from models.catalog import Encoding, find_model
from models.predict import predict
from models.training.timing import Stopwatch
from models.training.train import TrainingStopped
from selection.arrays import FloatArray, IntArray
from selection.mapped import take_rows
from workers.jobs.context import JobContext
from workers.jobs.opening import OpenedJob
from workers.jobs.stored_models import load_stored_model

ITEMS_AT_ONCE = 4096


def map_features(
    context: JobContext,
    opened: OpenedJob,
    model_id: int | None,
    index: IntArray,
    watch: Stopwatch,
) -> FloatArray:
    """Return the features of the pool items of these indices, [len(index), d].

    Raises:
        NotFound: the model has been deleted.
        ArtifactMissing: its file, or the brought features, are not in the store.
        TrainingStopped: `should_stop` asked for it.
    """
    if model_id is None:
        return take_rows(context.reader.features(opened.snapshot.features_hash), index)
    model = _model(context, opened.project.id, model_id)
    proxy = load_stored_model(context.store, model.weights_hash)
    setup = context.setup({"model": model.name, "recipe": model.recipe})
    if find_model(model.name).encoding is Encoding.VECTORS:
        inputs = context.reader.round_inputs(opened.project, opened.snapshot, setup).pool
    else:
        inputs = context.reader.pool_of(opened.project, setup, proxy.spec)
    found = np.empty((len(index), proxy.network.n_features), np.float32)
    with watch.part("inference"):
        for start in range(0, len(index), ITEMS_AT_ONCE):
            if context.should_stop():
                raise TrainingStopped
            here = slice(start, start + ITEMS_AT_ONCE)
            part = predict(
                proxy, inputs.take(index[here]), device=context.device, with_features=True
            )
            found[here] = part.features
            context.report({"n_done": min(here.stop, len(index)), "n": len(index)})
    return found


def _model(context: JobContext, project_id: int, model_id: int) -> Model:
    with transaction(context.factory) as session:
        model = models.get(session, project_id, model_id)
    if model is None:
        raise NotFound("model", model_id)
    return model
