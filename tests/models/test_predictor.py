"""A model's file alone predicts as the service does."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from models.catalog import resolve_choice
from models.data.arrays import Images, InputSpec
from models.data.image import decode_image
from models.networks.build import build
from models.networks.image_network import ImageNetwork
from models.networks.pretrained import PretrainedError
from models.predict import predict
from models.predictor import load
from models.seconds import Spent
from models.training.trained import TrainedModel
from tests.projects import png

PIXELS = np.random.default_rng(0).integers(0, 256, (150, 20, 30), np.uint8)
NAMES = ["cat", "dog", "emu"]


def store(path: Path, model: str, spec: InputSpec, **recipe: object) -> TrainedModel:
    """Store an untrained network as a model's file."""
    setup = resolve_choice(model, recipe)
    network = build(model, 3, setup.recipe, spec)
    if isinstance(network, ImageNetwork):
        network.set_normalisation(*(np.full(spec.channels, value) for value in (128.0, 64.0)))
    trained = TrainedModel(network.eval(), setup, spec, 3, 0, Spent(), 0.0, classes=NAMES)
    trained.save(path)
    return trained


@pytest.fixture
def images(tmp_path: Path) -> Path:
    store(tmp_path / "m.safetensors", "preact8", InputSpec(16, 16, 1))
    return tmp_path / "m.safetensors"


class TestImages:
    def test_files_of_any_size_are_read_as_they_were_packed(self, images: Path) -> None:
        files = [png(pixels) for pixels in PIXELS]
        predictor = load(images)
        found = predictor(files)
        packed = np.stack([decode_image(data, 16, 1) for data in files])
        expected = predict(predictor.trained, Images(packed)).probs
        assert found.probs.tobytes() == expected.tobytes()
        assert found.classes == [NAMES[i] for i in expected.argmax(axis=1)]
        assert (found.confidences == expected.max(axis=1)).all()

    def test_no_bit_depends_on_how_many_are_read_at_once(
        self, images: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        files = [png(pixels) for pixels in [*PIXELS, *PIXELS]]
        at_once = load(images)(files).probs
        monkeypatch.setattr("models.predictor.ITEMS_AT_ONCE", 1)
        predictor = load(images)
        assert predictor.items_at_once == 256
        assert predictor(files).probs.tobytes() == at_once.tobytes()

    def test_paths_are_read(self, images: Path, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_bytes(png(PIXELS[0]))
        found = load(images)
        assert (found([tmp_path / "a.png"]).probs == found([png(PIXELS[0])]).probs).all()

    @pytest.mark.parametrize(
        ("item", "why"),
        [(b"GIF8", "cannot be read"), ("a.png", "takes images"), (Path("none"), "No such file")],
    )
    def test_what_is_no_image_is_named(self, images: Path, item: object, why: str) -> None:
        with pytest.raises(ValueError, match=f"Item 1: .*{why}"):
            load(images)([png(PIXELS[0]), item])  # type: ignore[arg-type]

    def test_nothing_gives_nothing(self, images: Path) -> None:
        assert load(images)([]).probs.shape == (0, 3)


def test_texts_are_encoded_by_the_models_recipe(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    store(path, "fasttext", InputSpec(), buckets=64, word_ngrams=2)
    predictor = load(path)
    found = predictor(["good film", "bad film"])
    assert found.probs.shape == (2, 3)
    assert np.allclose(found.probs.sum(axis=1), 1)
    with pytest.raises(ValueError, match="takes texts"):
        predictor([b"bytes"])


def test_another_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PretrainedError):
        load(tmp_path / "none")


def test_a_script_needs_neither_web_nor_database() -> None:
    code = "import sys, models.predictor as m; print(*sorted(m.split('.')[0] for m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    unwanted = {"fastapi", "celery", "sqlalchemy", "app", "httpx", "svp_client", "psycopg"}
    assert not unwanted & set(done.stdout.split())
