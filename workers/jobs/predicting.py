"""The process that predicts given items: holds models in memory, and ends when nobody asks.

Its worker starts it for the first request (workers.jobs.predictions). The end of stdin ends it.
"""

import os
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings, read_settings
from app.db.queries import predictions as queries
from app.db.session import PREDICTION_CHANNEL, make_engine, make_session_factory, transaction
from app.logging import configure_logging
from app.storage.artifacts import ArtifactStore
from models.catalog import Encoding
from models.predictor import Predictor
from workers.jobs.stored_models import load_stored_model
from workers.jobs.wakeups import Listener
from workers.steps.threads import use_threads

POLL_SECONDS = 1.0
KEPT_MODELS = 2
SHOWN_CHARACTERS = 500


class Predicting:
    """Answers requests, by models that it keeps: the last ones that were asked."""

    def __init__(
        self, factory: sessionmaker[Session], store: ArtifactStore, settings: Settings
    ) -> None:
        self._factory = factory
        self._store = store
        self._device = settings.predict_device
        self._kept: OrderedDict[str, Predictor] = OrderedDict()

    def answer_next(self) -> bool:
        """Answer the oldest request that waits; False: there is none."""
        with transaction(self._factory) as session:
            claimed = queries.claim(session)
            if claimed is None:
                return False
            request, model = claimed
        started = time.monotonic()
        try:
            answer = self._predict(model.weights_hash, request.contents, request.top)
        except Exception as error:  # noqa: BLE001 - the asker is told, and others are answered
            reason = " ".join(str(error).split())[:SHOWN_CHARACTERS] or type(error).__name__
            answer = {"error": f"Model {model.id} cannot be used: {reason}"}
            structlog.get_logger().warning("prediction.failed", model=model.id, reason=reason)
        with transaction(self._factory) as session:
            queries.answer(session, request.id, answer)
        seconds = round(time.monotonic() - started, 3)
        n = len(request.contents)
        structlog.get_logger().info("items.predicted", model=model.id, n=n, seconds=seconds)
        return True

    def _predict(self, weights_hash: str, contents: Sequence[bytes], top: int) -> dict[str, Any]:
        predictor = self._predictor(weights_hash)
        is_text = predictor.encoding is not Encoding.PIXELS
        items: Any = [each.decode() for each in contents] if is_text else list(contents)
        inputs, faults = predictor.read(items)
        found: list[dict[str, Any]] = []
        if len(faults) < len(items):
            probs = predictor.of_inputs(inputs).probs
            order = np.argsort(-probs, axis=1, kind="stable")[:, :top]
            best = np.take_along_axis(probs, order, axis=1)
            found = [
                {"top": list(zip(*row, strict=True))}
                for row in zip(order.tolist(), best.tolist(), strict=True)
            ]
        rest = iter(found)
        return {
            "items": [
                {"fault": faults[position]} if position in faults else next(rest)
                for position in range(len(items))
            ]
        }

    def _predictor(self, weights_hash: str) -> Predictor:
        if weights_hash not in self._kept:
            trained = load_stored_model(self._store, weights_hash)
            self._kept[weights_hash] = Predictor(trained, self._device)
        self._kept.move_to_end(weights_hash)
        while len(self._kept) > KEPT_MODELS:
            self._kept.popitem(last=False)
        return self._kept[weights_hash]


def serve(settings: Settings) -> None:
    """Answer requests until nobody has asked for SVP_PREDICT_IDLE_SECONDS."""
    assert settings.database_url is not None  # noqa: S101 - the worker gives it
    url = settings.database_url.get_secret_value()
    factory = make_session_factory(make_engine(url, pool_size=1), None)
    predicting = Predicting(factory, ArtifactStore(settings.artifact_store_url), settings)
    woken = threading.Event()
    Listener(url, {PREDICTION_CHANNEL: woken}, threading.Event()).start()
    asked_at = time.monotonic()
    while time.monotonic() - asked_at < settings.predict_idle_seconds:
        woken.wait(POLL_SECONDS)
        woken.clear()
        try:
            while predicting.answer_next():
                asked_at = time.monotonic()
        except SQLAlchemyError as error:  # the next look tries again
            structlog.get_logger().warning("predictions.look_failed", reason=str(error).strip())
            time.sleep(POLL_SECONDS)


def _end_with_worker() -> None:
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    configured = read_settings()
    configure_logging(configured)
    threading.Thread(target=_end_with_worker, daemon=True).start()
    use_threads(configured.worker_threads)
    serve(configured)
