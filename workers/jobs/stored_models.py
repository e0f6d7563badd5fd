"""Trained models in the artifact store."""

import tempfile
from pathlib import Path

from app.storage.artifacts import ArtifactStore
from models.training.trained import TrainedModel, load_model


def store_model(store: ArtifactStore, trained: TrainedModel) -> str:
    """Store a model's file and return its hash."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        trained.save(path)
        return store.put_file(path)


def load_stored_model(store: ArtifactStore, weights_hash: str) -> TrainedModel:
    """Return the model whose file has this hash.

    Raises:
        ArtifactMissing: it is not in the store.
        PretrainedError: it is damaged.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        with path.open("wb") as file:
            file.writelines(store.stream(weights_hash))
        return load_model(path)
