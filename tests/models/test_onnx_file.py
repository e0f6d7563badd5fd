"""A model as ONNX gives the network's probabilities, within float32's rounding."""

import json
from pathlib import Path

import pytest

from models.data.arrays import InputSpec
from models.onnx_file import write_onnx
from tests.models.test_predictor import NAMES, store

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
ort = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
LARGEST_DIFFERENCE = 1e-5


@pytest.mark.parametrize(
    ("model", "spec", "recipe"),
    [
        ("preact8", InputSpec(16, 16, 1), {}),
        ("preact20", InputSpec(32, 32, 3), {}),
        ("resnet18", InputSpec(64, 64, 3), {"crop_fraction": 0.875}),
        ("probe", InputSpec(0, 7, 0), {}),
    ],
)
def test_it_differs_by_rounding_only(
    tmp_path: Path, model: str, spec: InputSpec, recipe: dict[str, float]
) -> None:
    trained = store(tmp_path / "m.safetensors", model, spec, **recipe)
    out = tmp_path / "m.onnx"
    assert write_onnx(trained, out) < LARGEST_DIFFERENCE
    about = {p.key: p.value for p in onnx.load(out).metadata_props}
    assert json.loads(about["classes"]) == NAMES


def test_a_network_that_is_another_differs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = store(tmp_path / "m.safetensors", "preact8", InputSpec(16, 16, 1))
    monkeypatch.setattr("models.onnx_file.centre", lambda images, _recipe: 255 - images)
    assert write_onnx(trained, tmp_path / "m.onnx") > LARGEST_DIFFERENCE


def test_models_of_texts_are_refused(tmp_path: Path) -> None:
    trained = store(tmp_path / "m.safetensors", "fasttext", InputSpec(), buckets=64)
    with pytest.raises(ValueError, match="svp predict"):
        write_onnx(trained, tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()
