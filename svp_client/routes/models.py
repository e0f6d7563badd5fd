"""Trained models and the learning curve."""

from svp_client import paths
from svp_client.calls import Call, as_bytes, as_json, get
from svp_client.methods import result
from svp_client.types import CurvePoint, Model


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
    def learning_curve(self, project: int) -> Call[list[CurvePoint]]:
        """Return every model's accuracy on the evaluation split, oldest first."""
        return get(paths.project(project, "/learning-curve"), as_json)
