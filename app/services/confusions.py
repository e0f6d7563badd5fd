"""The evaluation items that a model confuses: those behind a cell of its confusion matrix."""

import io

import numpy as np

from app.db.tables import Model
from app.domain.errors import NotFound
from app.storage.artifacts import ArtifactStore


def confused_items(
    store: ArtifactStore, model: Model, label: int | None, predicted: int | None
) -> list[int]:
    """Return the indices, in the evaluation split, of items of a class predicted as another.

    None takes any class; the same class twice, what the model gets right.

    Raises:
        NotFound: the model has no stored predictions, or was not measured.
        ArtifactMissing: they are not in the store.
    """
    if model.predictions_hash is None:
        raise NotFound("stored prediction of model", model.id)
    with np.load(io.BytesIO(b"".join(store.stream(model.predictions_hash)))) as arrays:
        if "evaluation_index" not in arrays:
            raise NotFound("evaluated prediction of model", model.id)
        index, labels, classes = (
            arrays[f"evaluation_{name}"] for name in ("index", "labels", "classes")
        )
    wanted = np.ones(len(index), bool)
    if label is not None:
        wanted &= labels == label
    if predicted is not None:
        wanted &= classes == predicted
    return [int(i) for i in index[wanted]]
