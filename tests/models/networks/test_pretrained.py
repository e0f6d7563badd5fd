"""Starting weights from files: published ones are found again, strange ones are refused."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torchvision import models as torchvision_models

from models.catalog import ModelSetup, UnknownModelError, resolve_recipe
from models.data.arrays import Images, InputSpec
from models.data.labeled import LabeledSet
from models.networks.build import build, fresh_network
from models.networks.network import Network, to_tensors
from models.networks.pretrained import PretrainedError, load_pretrained
from models.seconds import Spent
from models.training.checkpoints import CheckpointFile
from models.training.train import TrainedModel, load_model, train
from tests.models.networks.test_build import make_inputs

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
DEVIATION = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)


def published(name: str, n_classes: int, **options: object) -> torch.nn.Module:
    torch.manual_seed(7)
    network: torch.nn.Module = torchvision_models.get_model(
        name, weights=None, num_classes=n_classes, **options
    )
    return network.eval()


def saved(network: torch.nn.Module, path: Path) -> Path:
    if path.suffix == ".safetensors":
        save_file(network.state_dict(), path)
    else:
        torch.save(network.state_dict(), path)
    return path


def loaded(model: str, n_classes: int, path: Path) -> tuple[Network, Images]:
    recipe = resolve_recipe(model, {"weights": str(path)})
    inputs = make_inputs(model, recipe)
    assert isinstance(inputs, Images)
    return fresh_network(ModelSetup(model, recipe), inputs, n_classes).eval(), inputs


class TestPublishedWeights:
    @pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
    @pytest.mark.parametrize("model", ["resnet18", "mobilenet_v2"])
    def test_the_logits_are_torchvisions(self, model: str, suffix: str, tmp_path: Path) -> None:
        theirs = published(model, 5)
        network, images = loaded(model, 5, saved(theirs, tmp_path / f"weights{suffix}"))
        (pixels,) = to_tensors(images, "cpu")
        with torch.inference_mode():
            expected = theirs((pixels / 255 - MEAN) / DEVIATION)
            torch.testing.assert_close(network(pixels), expected, rtol=1e-3, atol=1e-3)

    def test_auxiliary_heads_are_left_out(self, tmp_path: Path) -> None:
        theirs = published("googlenet", 5, aux_logits=True, init_weights=True)
        network, images = loaded("googlenet", 5, saved(theirs, tmp_path / "weights.pth"))
        (pixels,) = to_tensors(images, "cpu")
        with torch.inference_mode():
            expected = theirs(pixels / 127.5 - 1)
            torch.testing.assert_close(network(pixels), expected, rtol=1e-3, atol=1e-3)

    def test_old_names_of_densenet_are_understood(self, tmp_path: Path) -> None:
        theirs = published("densenet121", 5)
        old = {
            name.replace("norm1", "norm.1").replace("conv2", "conv.2"): tensor
            for name, tensor in theirs.state_dict().items()
            if not name.endswith("num_batches_tracked")
        }
        torch.save(old, tmp_path / "weights.pth")
        network, _ = loaded("densenet121", 5, tmp_path / "weights.pth")
        own = network.state_dict()["body.features.denseblock1.denselayer2.conv2.weight"]
        theirs_weight = theirs.state_dict()["features.denseblock1.denselayer2.conv2.weight"]
        assert torch.equal(own, theirs_weight)

    def test_squeezenets_convolution_becomes_the_head(self, tmp_path: Path) -> None:
        theirs = published("squeezenet1_1", 5)
        network, _ = loaded("squeezenet1_1", 5, saved(theirs, tmp_path / "weights.pth"))
        weight = theirs.state_dict()["classifier.1.weight"].flatten(1)
        assert torch.equal(network.state_dict()["linear.weight"], weight)

    def test_the_head_is_fresh_for_other_classes(self, tmp_path: Path) -> None:
        theirs = published("resnet18", 1000)
        network, _ = loaded("resnet18", 3, saved(theirs, tmp_path / "weights.pth"))
        assert network.state_dict()["linear.weight"].shape == (3, 512)
        body = network.state_dict()["body.conv1.weight"]
        assert torch.equal(body, theirs.state_dict()["conv1.weight"])


def test_a_delivered_model_starts_another(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = Images(rng.integers(0, 256, (8, 8, 8, 3), dtype=np.uint8))
    recipe = resolve_recipe("preact8", {"epochs": 1, "crop_padding": 0})
    first = train(ModelSetup("preact8", recipe), LabeledSet(images, np.arange(8) % 2, 2), 0)
    first.save(tmp_path / "first.safetensors")
    network = build("preact8", n_classes=2)
    load_pretrained(network, tmp_path / "first.safetensors")
    for a, b in zip(
        network.state_dict().values(), first.network.state_dict().values(), strict=True
    ):
        assert torch.equal(a, b)
    follow = recipe.with_overrides({"weights": str(tmp_path / "first.safetensors")})
    assert np.isfinite(
        train(ModelSetup("preact8", follow), LabeledSet(images, np.arange(8) % 3, 3), 0).final_loss
    )


def test_a_replaced_file_does_not_resume_the_checkpoint_of_the_old_one(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images, labels = Images(rng.integers(0, 256, (8, 8, 8, 3), dtype=np.uint8)), np.arange(8) % 2
    path, checkpoint = tmp_path / "start.safetensors", CheckpointFile(tmp_path / "job.pt")
    recipe = resolve_recipe(
        "preact8", {"epochs": 1, "minibatch": 4, "crop_padding": 0, "weights": str(path)}
    )

    def fit(seed: int) -> tuple[str | None, int]:
        torch.manual_seed(seed)
        saved(build("preact8", n_classes=2), path)
        resumed: list[int] = []
        trained = train(
            ModelSetup("preact8", recipe), LabeledSet(images, labels, 2), 0, checkpoint=checkpoint,
            on_progress=lambda p: resumed.append(p.epoch),
        )  # fmt: skip
        trained.save(tmp_path / "out.safetensors")
        assert load_model(tmp_path / "out.safetensors").pretrained_hash == trained.pretrained_hash
        assert trained.pretrained_hash == hashlib.sha256(path.read_bytes()).hexdigest()
        return trained.pretrained_hash, len(resumed)

    first, n_epochs = fit(1)
    assert n_epochs == 1
    assert fit(1) == (first, 0)
    second, n_epochs = fit(2)
    assert (second == first, n_epochs) == (False, 1)


class TestStrangeFiles:
    def refuse(self, path: Path, match: str) -> None:
        with pytest.raises(PretrainedError, match=match):
            load_pretrained(build("resnet18", n_classes=2), path)

    @pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
    def test_a_missing_file(self, suffix: str, tmp_path: Path) -> None:
        self.refuse(tmp_path / f"none{suffix}", "There is no file of weights")

    @pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
    @pytest.mark.parametrize("kept", [0, 7, 1000, 40_000])
    def test_a_truncated_file(self, suffix: str, kept: int, tmp_path: Path) -> None:
        path = saved(build("preact8", n_classes=2), tmp_path / f"weights{suffix}")
        path.write_bytes(path.read_bytes()[:kept])
        self.refuse(path, "is damaged or holds more than weights")

    def test_another_models_weights(self, tmp_path: Path) -> None:
        path = saved(published("resnet34", 2), tmp_path / "weights.pth")
        self.refuse(path, r"another model's weights: .* has unknown body.layer1.2")
        path = saved(build("preact8", n_classes=2), tmp_path / "preact.safetensors")
        self.refuse(path, "another model's weights")

    def test_weights_of_other_shapes(self, tmp_path: Path) -> None:
        theirs = published("resnet18", 2)
        theirs.conv1 = torch.nn.Conv2d(1, 64, 7, bias=False)
        self.refuse(saved(theirs, tmp_path / "weights.pth"), "other shapes: body.conv1.weight")

    def test_code_in_a_file_is_not_run(self, tmp_path: Path) -> None:
        torch.save({"weights": Path("x")}, tmp_path / "code.pth")
        self.refuse(tmp_path / "code.pth", "damaged or holds more than weights")

    def test_a_file_without_a_state_dict(self, tmp_path: Path) -> None:
        torch.save([torch.zeros(1)], tmp_path / "list.pth")
        self.refuse(tmp_path / "list.pth", "holds no state dict")


class TestStrangeModels:
    """`load_model` of a file that is not one of ours: one sentence, always the same error."""

    def refuse(self, path: Path, match: str) -> None:
        with pytest.raises(PretrainedError, match=match):
            load_model(path)

    @pytest.fixture
    def model(self, tmp_path: Path) -> Path:
        network, recipe = build("preact8", n_classes=2), resolve_recipe("preact8", {})
        trained = TrainedModel(
            network, ModelSetup("preact8", recipe), InputSpec(32, 32, 3), 2, 0, Spent(1.0, 1.0), 0.5
        )
        trained.save(tmp_path / "model.safetensors")
        return tmp_path / "model.safetensors"

    def about(self, path: Path, **changes: object) -> Path:
        with safe_open(path, framework="pt") as file:
            about = json.loads(file.metadata()["svp"]) | changes
        about = {name: value for name, value in about.items() if value is not None}
        save_file(load_file(path), path, metadata={"svp": json.dumps(about)})
        return path

    def test_a_missing_file(self, tmp_path: Path) -> None:
        self.refuse(tmp_path / "none.safetensors", "There is no file of weights")

    @pytest.mark.parametrize("kept", [0, 7, 1000, 40_000])
    def test_a_truncated_file(self, model: Path, kept: int) -> None:
        model.write_bytes(model.read_bytes()[:kept])
        self.refuse(model, "is damaged or not a safetensors file")

    @pytest.mark.parametrize("metadata", [None, {"format": "pt"}, {"svp": "null"}, {"svp": "[1]"}])
    def test_weights_without_a_description(
        self, tmp_path: Path, metadata: dict[str, str] | None
    ) -> None:
        path = tmp_path / "plain.safetensors"
        save_file({"linear.weight": torch.zeros(2, 3)}, path, metadata=metadata)
        self.refuse(path, "not what they are of")

    def test_a_description_that_is_no_json(self, tmp_path: Path) -> None:
        path = tmp_path / "odd.safetensors"
        save_file({"linear.weight": torch.zeros(2, 3)}, path, metadata={"svp": "{"})
        self.refuse(path, "is damaged")

    @pytest.mark.parametrize(
        "changes",
        [
            {"model": "preact14"},
            {"n_classes": 3},
            {"n_classes": "two"},
            {"spec": None},
            {"spec": 7},
            {"recipe": {"epochs": 0}},
        ],
    )
    def test_a_description_of_another_model(self, model: Path, changes: dict[str, object]) -> None:
        self.refuse(self.about(model, **changes), "does not hold the model that it describes")

    def test_a_model_that_is_not_installed_here(self, model: Path) -> None:
        with pytest.raises(UnknownModelError, match="no model 'flat'"):
            load_model(self.about(model, model="flat"))
