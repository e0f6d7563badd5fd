"""Predictions of given items as the API shows them."""

from collections.abc import Mapping, Sequence

from app.db.tables import ModelRole
from app.schemas.predictions import GuessOut, PredictedOut, PredictionsOut, PredictItem
from app.services.predictions import PredictingModel, Prediction


def present_predictions(
    model: PredictingModel,
    items: Sequence[PredictItem],
    found: Sequence[Prediction],
    refused: Mapping[int, Prediction],
) -> PredictionsOut:
    """Return the predictions of all items; `found` are those that are not refused, in order."""
    rest = iter(found)
    number = model.round_number
    return PredictionsOut(
        model_id=model.id,
        role=ModelRole(model.role),
        model_version=None if number is None else f"round-{number}",
        predictions=[
            _present(model, item, refused.get(position) or next(rest))
            for position, item in enumerate(items)
        ],
    )


def _present(model: PredictingModel, item: PredictItem, found: Prediction) -> PredictedOut:
    top = [
        GuessOut(class_=model.classes[guess.class_index], confidence=guess.confidence)
        for guess in found.guesses
    ]
    return PredictedOut(
        id=item.id,
        class_=top[0].class_ if top else None,
        confidence=top[0].confidence if top else None,
        top=top,
        code=found.code,
        detail=found.detail,
    )
