"""Trained models and the learning curve."""

from svp_client import paths
from svp_client.calls import Call, Lines, as_bytes, as_json, as_text, get, send
from svp_client.methods import entries, result
from svp_client.types import (
    Classes,
    CurvePoint,
    Model,
    ModelMetrics,
    PoolPredictions,
    PredictedItem,
)


class Models:
    """Methods of trained models."""

    @result
    def models(self, project: int) -> Call[list[Model]]:
        """Return every trained model, oldest first."""
        return get(paths.models(project), as_json)

    @result
    def model(self, project: int, model: int) -> Call[Model]:
        """Return one model with its metrics, recipe and provenance."""
        return get(paths.models(project, f"/{model}"), as_json)

    @result
    def model_weights(self, project: int, model: int) -> Call[bytes]:
        """Return the weights of a model as a safetensors file."""
        return get(paths.models(project, f"/{model}/weights"), as_bytes)

    @result
    def model_metrics(self, project: int, model: int) -> Call[ModelMetrics]:
        """Return how good a model is: by class, its confusions, its calibration."""
        return get(paths.models(project, f"/{model}/metrics"), as_json)

    @result
    def model_predictions(self, project: int, model: int) -> Call[bytes]:
        """Return the predictions of the items that measure a model as a NumPy archive (npz)."""
        return get(paths.models(project, f"/{model}/predictions"), as_bytes)

    @result
    def model_card(self, project: int, model: int) -> Call[str]:
        """Return a model's card as Markdown."""
        return get(paths.models(project, f"/{model}/card"), as_text)

    @result
    def predict_pool(self, project: int, model: int) -> Call[PoolPredictions]:
        """Let a worker predict every item of the pool, and return that with its job."""
        return send("POST", paths.models(project, f"/{model}/pool-predictions"), as_json)

    @entries
    def pool_predictions(
        self, project: int, model: int, min_confidence: float | None = None
    ) -> Lines[PredictedItem]:
        """Yield the newest predictions of the pool, by import order; those that are so sure."""
        path = paths.models(project, f"/{model}/pool-predictions")
        return Lines(get(path, as_json, min_confidence=min_confidence))

    @result
    def classes(self, project: int) -> Call[Classes]:
        """Return how often each class was found, by round, and which classes are rare."""
        return get(paths.project(project, "/classes"), as_json)

    @result
    def learning_curve(self, project: int) -> Call[list[CurvePoint]]:
        """Return every model's accuracy on the evaluation split, oldest first."""
        return get(paths.project(project, "/learning-curve"), as_json)
