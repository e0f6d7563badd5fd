"""What the service trained predicts the same outside of it, and says what it is."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.queries import projects
from app.db.session import transaction
from app.db.tables import Analysis, Model, Split
from app.domain.errors import AnalysisNotReady, NotFound
from app.presenters.model_cards import present_card
from app.services.erasures import erase_items
from app.services.model_cards import read_card
from app.services.pool_predictions import create_predictions, newest_hash, read_predictions
from models.predictor import load
from tests.loop import ids
from tests.projects import TINY, ServedProject

Factory = sessionmaker[Session]


@pytest.fixture(params=["image", "text"])
def served(
    request: pytest.FixtureRequest, session_factory: Factory, settings: Settings
) -> ServedProject:
    """A project whose round 1 has trained a proxy on 6 labels, with 10 evaluation items."""
    served = ServedProject(session_factory, settings, TINY[request.param])
    served.add(range(40))
    served.add(range(10), Split.EVALUATION)
    served.start()
    served.do_job()
    served.label(6)
    served.do_job()
    return served


def newest(served: ServedProject) -> Model:
    with transaction(served.factory) as session:
        return session.scalars(select(Model).order_by(Model.id.desc())).first()  # type: ignore[return-value]


def contents(served: ServedProject, split: Split, n: int) -> list[bytes] | list[str]:
    found = [next(iter(served.data.content(split, i).values())) for i in range(n)]
    return list(found)


def test_the_file_alone_gives_the_services_bits(served: ServedProject, tmp_path: Path) -> None:
    model = newest(served)
    assert model.predictions_hash
    (tmp_path / "m.safetensors").write_bytes(served.store.get(model.weights_hash))
    found = load(tmp_path / "m.safetensors")(contents(served, Split.EVALUATION, 10))
    stored = np.load(io.BytesIO(served.store.get(model.predictions_hash)))
    assert found.names == list(served.data.classes)
    assert found.probs.tobytes() == stored["evaluation_probs"].tobytes()


def test_the_pool_is_predicted_by_a_job(served: ServedProject, tmp_path: Path) -> None:
    model = newest(served)
    with transaction(served.factory) as session, pytest.raises(AnalysisNotReady, match="POST"):
        newest_hash(session, served.id, model.id)
    (erased,) = ids(served.factory, served.id, 7)
    with transaction(served.factory) as session:
        erase_items(session, served.id, [erased], served.settings)
        create_predictions(session, served.id, model.id, served.settings)
        with pytest.raises(NotFound):
            create_predictions(session, served.id, 10**9, served.settings)
    while True:
        served.do_job()
        with transaction(served.factory) as session:
            done = session.scalars(select(Analysis)).one()
            if done.result is not None:
                break
            served.label(1)
    with transaction(served.factory) as session:
        found = read_predictions(served.store, newest_hash(session, served.id, model.id))
    assert done.result == {"model_id": model.id, "n": 39, "n_pool": 40}
    assert found.index.tolist() == [i for i in range(40) if i != 7]
    (tmp_path / "m.safetensors").write_bytes(served.store.get(model.weights_hash))
    alone = load(tmp_path / "m.safetensors")(contents(served, Split.POOL, 40))
    assert (found.classes == alone.probs.argmax(axis=1)[found.index]).all()
    assert (found.confidences == alone.confidences[found.index]).all()


def test_the_card_tells_data_labels_quality_recipe_and_hashes(served: ServedProject) -> None:
    model = newest(served)
    with transaction(served.factory) as session:
        model = session.get_one(Model, model.id)
        card = present_card(read_card(session, projects.get(session, served.id), model))
    headings = re.findall(r"^## (.+)$", card, re.MULTILINE)
    assert headings[:3] == ["Data", "Labels by now", "Quality on the evaluation split"]
    assert headings[-3:] == ["Cost", "Limits", "Hashes"]
    assert "| annotators, round 0 | 6 | 0 | 2 |" in card
    assert "Confusion matrix" in card
    assert f"`{model.weights_hash}`" in card
    assert f"| seed | {model.provenance['seed']} |" in card
    assert "Fewer than 30 evaluation items measure: a, b." in card
    assert re.search(r"Accuracy 0\.\d+ \(0\.\d+ to [01]\.\d+\)", card) or "Accuracy 1.000" in card
