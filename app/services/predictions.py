"""Predictions of given texts or images by a project's model, asked for and awaited.

The API computes nothing: a row with the contents is written, a worker's process that holds models
in memory answers it, and the asker removes it. Nothing is lost with a row: one asks again.
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app.config import Settings
from app.db.queries import models, projects
from app.db.queries import predictions as queries
from app.db.session import PREDICTION_CHANNEL, announce
from app.db.tables import Model
from app.domain.errors import (
    ItemInvalid,
    ModelNotReady,
    NotFound,
    PredictionNotPossible,
    PredictionsNotServed,
    ServiceBusy,
)
from app.services import workers
from app.services.images import inspect_image
from models.catalog import Encoding, find_model

MOST_ITEMS = 100
FORGOTTEN_AFTER_SECONDS = 120.0


@dataclass(frozen=True)
class Wanted:
    """One item to predict: a text, or an image in base64."""

    text: str | None
    image: str | None


@dataclass(frozen=True)
class Guess:
    """A class by its index, and its probability."""

    class_index: int
    confidence: float


@dataclass(frozen=True)
class Prediction:
    """The most probable classes of one item, or why there are none."""

    guesses: Sequence[Guess]
    code: str | None = None
    detail: str | None = None


@dataclass(frozen=True)
class PredictingModel:
    """The model that answers, and the classes' names of now."""

    id: int
    role: str
    round_number: int | None
    takes_images: bool
    classes: Sequence[str]


def find_predicting_model(
    session: Session, project_id: int, model_id: int | None
) -> PredictingModel:
    """Return the model of this id, or the newest one.

    Raises:
        NotFound: the project has no such model.
        ModelNotReady: nothing has been trained yet.
        PredictionNotPossible: the model learned from brought features.
        PredictionsNotServed: no worker runs.
    """
    project = projects.get(session, project_id)
    model: Model | None
    if model_id is not None:
        model = models.get(session, project_id, model_id)
        if model is None:
            raise NotFound("model", model_id)
    else:
        model = queries.newest_model(session, project_id)
        if model is None:
            raise ModelNotReady(
                f"Project {project_id} has no trained model yet; the first proxy is trained when "
                "round 0 is labeled. Until then label without predictions."
            )
    encoding = find_model(model.name).encoding
    if encoding is Encoding.VECTORS:
        raise PredictionNotPossible(
            f"Model {model.id} ({model.name}) learned from brought features, which only you can "
            "compute: download its weights and use models.predictor.load on vectors."
        )
    if not workers.present(session):
        raise PredictionsNotServed(
            "No worker runs, and only workers predict. Start one with `svp worker` (or `svp up`, "
            "which starts all parts), then ask again."
        )
    return PredictingModel(
        id=model.id,
        role=model.role,
        round_number=model.round_number,
        takes_images=encoding is Encoding.PIXELS,
        classes=list(project.classes),
    )


def readable(
    items: Sequence[Wanted], model: PredictingModel, settings: Settings
) -> tuple[list[bytes], dict[int, Prediction]]:
    """Return (the contents to predict, position -> refusal of those that cannot be)."""
    contents: list[bytes] = []
    refused: dict[int, Prediction] = {}
    for position, item in enumerate(items):
        try:
            contents.append(_content(item, model, settings))
        except ItemInvalid as fault:
            refused[position] = Prediction([], fault.item_code, fault.detail)
    return contents, refused


def ask(session: Session, model_id: int, contents: Sequence[bytes], top: int) -> UUID:
    """Ask the workers; return the id of the request."""
    queries.forget_old(session, FORGOTTEN_AFTER_SECONDS)
    announce(session, PREDICTION_CHANNEL)
    return queries.add(session, model_id, contents, top)


def as_predictions(answer: dict[str, Any]) -> list[Prediction]:
    """Return a worker's answer, in the order of the contents.

    Raises:
        PredictionNotPossible: the model cannot be used; the answer says why.
    """
    if "error" in answer:
        raise PredictionNotPossible(str(answer["error"]))
    return [
        Prediction([], "image_not_decodable", found["fault"])
        if "fault" in found
        else Prediction([Guess(index, confidence) for index, confidence in found["top"]])
        for found in answer["items"]
    ]


def too_late(seconds: float) -> ServiceBusy:
    """Return the error where no worker has answered in time."""
    return ServiceBusy(
        f"The workers have not predicted within {seconds:g} s (SVP_PREDICT_SECONDS): the first "
        "request after a while loads the model, and large models take long. Ask again in a moment."
    )


def _content(item: Wanted, model: PredictingModel, settings: Settings) -> bytes:
    if model.takes_images != (item.image is not None):
        kind = "images, in base64 under `image`" if model.takes_images else "texts, under `text`"
        raise ItemInvalid("content_kind_wrong", f"The project's items are {kind}.")
    if item.image is not None:
        data = _decoded(item.image)
        inspect_image(data, settings)
        return data
    text = item.text or ""
    if not text.strip():
        raise ItemInvalid("text_empty", "The text is empty; leave such items out.")
    try:
        content = text.encode()
    except UnicodeEncodeError:
        raise ItemInvalid("text_not_utf8", "The text holds half a character.") from None
    if len(content) > settings.max_text_bytes:
        raise ItemInvalid(
            "text_too_large",
            f"The text has {len(content)} bytes; at most {settings.max_text_bytes} are taken.",
        )
    return content


def _decoded(image: str) -> bytes:
    """Return the bytes of an image in base64, with or without the head of a data: URL."""
    body = image.partition(",")[2] if image.startswith("data:") else image
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise ItemInvalid(
            "image_not_base64", "The image is no base64; send the file's bytes so encoded."
        ) from None
