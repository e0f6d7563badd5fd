"""The learning curve as the API and pages show it."""

from app.db.tables import Model, ModelRole
from app.schemas.models import CurvePoint


def present_curve_point(model: Model) -> CurvePoint:
    """Return the model's accuracy on the evaluation split."""
    return CurvePoint(
        model_id=model.id,
        role=ModelRole(model.role),
        round=model.round_number,
        n_labeled=model.n_labeled,
        accuracy=model.metrics.get("accuracy"),
        seconds=model.seconds,
        cpu_seconds=model.cpu_seconds,
    )
