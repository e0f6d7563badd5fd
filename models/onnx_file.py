"""Writes a trained model of images or vectors as ONNX, and measures how far it differs.

The file takes what the network takes: uint8 images [n, C, H, W], decoded as models.data.image does,
or float32 vectors [n, d]. It gives class probabilities. Needs the extra `onnx`.
"""

import json
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from models.catalog import Encoding, find_model
from models.data.arrays import Images, Vectors
from models.data.types import FloatArray
from models.predict import predict
from models.recipe import Recipe
from models.training.augment import centre
from models.training.checkpoints import replaced
from models.training.trained import TrainedModel

N_COMPARED = 64
INPUT, OUTPUT = "inputs", "probabilities"


class _Probabilities(nn.Module):
    def __init__(self, trained: TrainedModel, *, takes_images: bool) -> None:
        super().__init__()
        self.network = trained.network.eval()
        self.recipe: Recipe | None = trained.recipe if takes_images else None

    def forward(self, inputs: Tensor) -> Tensor:
        seen = inputs if self.recipe is None else centre(inputs, self.recipe)
        return torch.softmax(self.network(seen), dim=1)


def write_onnx(trained: TrainedModel, path: Path, seed: int = 0) -> float:
    """Write the model and return how far its probabilities differ on random inputs, at most.

    The file computes in float32, and so does the network that it is compared with.

    Raises:
        ValueError: the model reads texts, whose words no ONNX operator hashes.
        ModuleNotFoundError: the extra `onnx` is not installed.
    """
    import onnx  # noqa: PLC0415 - the extra

    encoding = find_model(trained.model).encoding
    if encoding not in (Encoding.PIXELS, Encoding.VECTORS):
        raise ValueError(
            f"{trained.model} reads texts, and ONNX has no operator that makes its ids of them. "
            "Use the .safetensors file with models.predictor or `svp predict`."
        )
    inputs = _random_inputs(trained, np.random.default_rng(seed))
    given = inputs.arrays[0]
    if isinstance(inputs, Images):
        given = np.ascontiguousarray(given.transpose(0, 3, 1, 2))
    with replaced(path) as beside:
        _export(_Probabilities(trained, takes_images=isinstance(inputs, Images)), given, beside)
        model = onnx.load(beside)
        about = {
            "classes": json.dumps(trained.classes),
            "model": trained.model,
            "recipe": json.dumps(trained.recipe.to_json()),
        }
        onnx.helper.set_model_props(model, about)
        onnx.checker.check_model(model)
        onnx.save(model, beside)
        difference = np.abs(_run(beside, given) - _probs_in_float32(trained, inputs)).max()
    return float(difference)


def _probs_in_float32(trained: TrainedModel, inputs: Images | Vectors) -> FloatArray:
    """Return the network's probabilities as the file computes them, whatever the recipe says."""
    recipe = trained.recipe.with_overrides({"precision": "float32"})
    return predict(trained.with_recipe(recipe), inputs).probs


def _random_inputs(trained: TrainedModel, rng: np.random.Generator) -> Images | Vectors:
    spec = trained.spec
    if find_model(trained.model).encoding is Encoding.VECTORS:
        return Vectors(rng.standard_normal((N_COMPARED, spec.width)).astype(np.float32))
    shape = (N_COMPARED, spec.height, spec.width, spec.channels)
    return Images(rng.integers(0, 256, shape, np.uint8))


def _export(module: nn.Module, given: np.ndarray, path: Path) -> None:
    with warnings.catch_warnings():
        # The newer exporter needs a package more and writes the same operators.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.cpu(),
            (torch.from_numpy(given[:2]),),
            str(path),
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={INPUT: {0: "n"}, OUTPUT: {0: "n"}},
            dynamo=False,
        )


def _run(path: Path, given: np.ndarray) -> FloatArray:
    import onnxruntime  # noqa: PLC0415 - the extra

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found: FloatArray = session.run([OUTPUT], {INPUT: given})[0]
    return found
