"""The packed copy of a pool: each model reads the same texts as it takes them."""

from pathlib import Path

import numpy as np
import pytest
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.session import transaction
from app.db.tables import Item, Project, Split
from app.domain.errors import InvalidProject
from app.services.projects import ModelChoice, ProjectIn, create_project
from app.storage.artifacts import ArtifactStore
from models.catalog import find_model, resolve_recipe
from models.data.arrays import Texts
from models.data.characters import encode_characters
from models.data.text import encode
from workers.pool import PoolReader, packed_side

TEXTS = ["Good book!", "", "漢字", "a bad one"]


def a_project(session: Session, proxy: str = "vdcnn9") -> Project:
    return create_project(
        session,
        ProjectIn(
            name="reviews",
            modality="text",
            classes=["bad", "good"],
            proxy=ModelChoice(proxy),
            target=ModelChoice("fasttext"),
            strategy="uniform",
            initial_budget=2,
            round_budget=2,
            total_budget=4,
            reserve=0,
            labels_per_item=1,
            seed=0,
        ),
    )


def assert_equal(found: object, expected: Texts) -> None:
    assert isinstance(found, Texts)
    np.testing.assert_array_equal(found.token_ids, expected.token_ids)
    np.testing.assert_array_equal(found.offsets, expected.offsets)


def test_each_model_reads_texts_in_its_encoding(
    session_factory: sessionmaker[Session], settings: Settings, tmp_path: Path
) -> None:
    with transaction(session_factory) as session:
        project = a_project(session)
        for index, text in enumerate(TEXTS):
            session.add(
                Item(
                    project_id=project.id,
                    split=Split.POOL,
                    index=index,
                    external_id=f"t-{index}",
                    text=text,
                )
            )
    reader = PoolReader(session_factory, ArtifactStore(tmp_path.as_uri()), settings)
    characters = resolve_recipe("vdcnn9", {"max_chars": 64})
    words = resolve_recipe("fasttext", {"buckets": 1000})
    for n in (2, 4):  # the copy is extended when items were added
        found = reader.read(project, Split.POOL, "vdcnn9", characters, n)
        assert_equal(found, encode_characters(TEXTS[:n], 64))
        found = reader.read(project, Split.POOL, "fasttext", words, n)
        assert_equal(found, encode(TEXTS[:n], 2, 1000))


def test_a_project_without_brought_features_cannot_be_run_by_a_probe(session: Session) -> None:
    with pytest.raises(
        InvalidProject,
        match=r"proxy: probe takes frozen features; .*selection\.features is brought",
    ):
        a_project(session, proxy="probe")


@pytest.mark.parametrize(
    ("model", "recipe", "side"),
    [
        ("resnet18", {}, 256),  # of which the paper's recipe shows 224
        ("resnet18", {"name": "fast"}, 224),
        ("resnet18", {"image_size": 64}, 64),
        ("preact20", {}, 40),
    ],
)
def test_images_are_packed_at_the_side_that_shows_the_network_its_own(
    model: str, recipe: dict[str, object], side: int
) -> None:
    assert packed_side(find_model(model), resolve_recipe(model, recipe), 40) == side
