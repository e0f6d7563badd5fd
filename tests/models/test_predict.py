"""Predictions of a pool larger than memory, and of folded networks, are the plain ones."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.fx
from torch.nn import functional

from models.catalog import MODELS, ModelSetup, resolve_recipe
from models.data.arrays import Images, Inputs, InputSpec, Vectors
from models.data.labeled import LabeledSet
from models.data.text import encode
from models.networks.build import build
from models.networks.folding import folded_features
from models.networks.network import Network
from models.predict import predict, suitable_minibatch
from models.training.train import train
from tests.models.training.test_train import fit, make_set

# One of each family.
IMAGE_MODELS = (
    "preact8", "preact164", "resnet18", "alexnet", "vgg11_bn", "squeezenet1_1", "inception_v3",
    "googlenet", "resnext50_32x4d", "densenet121", "mobilenet_v2",
)  # fmt: skip


class TestOut:
    @pytest.mark.parametrize("model", ["preact8", "fasttext"])
    def test_files_hold_what_memory_would(self, model: str, tmp_path: Path) -> None:
        (inputs, _, _), trained = make_set(model), fit(model)
        in_memory = predict(trained, inputs, with_features=True)
        on_disk = predict(trained, inputs, with_features=True, out=tmp_path / "new")
        for name in ("probs", "features"):
            array = getattr(on_disk, name)
            assert isinstance(array, np.memmap)
            np.testing.assert_array_equal(array, getattr(in_memory, name))
            np.testing.assert_array_equal(np.load(tmp_path / "new" / f"{name}.npy"), array)

    def test_a_memory_mapped_pool_is_scored_as_one_in_memory(self, tmp_path: Path) -> None:
        (inputs, _, _), trained = make_set("preact8"), fit("preact8")
        assert isinstance(inputs, Images)
        np.save(tmp_path / "pool.npy", inputs.pixels)
        mapped = Images(np.load(tmp_path / "pool.npy", mmap_mode="r"))
        np.testing.assert_array_equal(
            predict(trained, mapped).probs, predict(trained, inputs).probs
        )

    def test_the_centre_of_an_image_is_scored(self) -> None:
        (inputs, _, _), trained = make_set("preact8"), fit("preact8")
        assert isinstance(inputs, Images)
        side = inputs.spec.height
        recipe = trained.recipe.with_overrides({"crop_fraction": 0.75})
        seen = predict(trained.with_recipe(recipe), inputs).probs
        edge, inner = side // 8, 3 * side // 4
        centre = Images(inputs.pixels[:, edge : edge + inner, edge : edge + inner])
        of_centre = replace(trained, spec=centre.spec)
        np.testing.assert_allclose(predict(of_centre, centre).probs, seen, atol=1e-6)

    def test_an_empty_pool_has_no_rows(self, tmp_path: Path) -> None:
        (inputs, _, _), trained = make_set("preact8"), fit("preact8")
        nothing = inputs.take(np.empty(0, np.int64))
        found = predict(trained, nothing, with_features=True, out=tmp_path)
        assert found.probs.shape == (0, 2)
        assert np.load(tmp_path / "features.npy").shape == (0, 64)


class TestOtherInputs:
    @pytest.mark.parametrize(
        ("model", "inputs", "message"),
        [
            ("preact8", Images(np.zeros((2, 16, 8, 1), np.uint8)), "8 x 8 .* are images of 16 x 8"),
            ("preact8", Images(np.zeros((2, 8, 8, 2), np.uint8)), r"with 2 channel\(s\)\. Convert"),
            ("preact8", Images(np.zeros((2, 8, 8, 3), np.float32)), "must be uint8"),
            ("preact8", encode(["a"], 1, 100), "on images; it cannot predict texts"),
            ("fasttext", encode(["a b c"] * 9, 2, 2**30), "ids below .*text_encoder"),
            ("fasttext", Vectors(np.zeros((2, 3), np.float32)), "on texts; it cannot"),
            ("probe", Vectors(np.zeros((2, 7), np.float32)), "length 5; these are .* length 7"),
        ],
    )
    def test_they_are_refused_with_what_the_model_was_trained_on(
        self, model: str, inputs: Inputs, message: str
    ) -> None:
        if model == "probe":
            values = np.random.default_rng(0).normal(size=(8, 5)).astype(np.float32)
            recipe = resolve_recipe("probe", {"epochs": 1})
            trained = train(
                ModelSetup("probe", recipe), LabeledSet(Vectors(values), np.arange(8) % 2, 2), 0
            )
        else:
            trained = fit(model)
        with pytest.raises(ValueError, match=message):
            predict(trained, inputs)


class TestMinibatch:
    @pytest.mark.parametrize("n_threads", [1, 2, 16])
    def test_larger_images_come_fewer_at_a_time_whatever_the_threads(
        self, monkeypatch: pytest.MonkeyPatch, n_threads: int
    ) -> None:
        monkeypatch.setattr(torch, "get_num_threads", lambda: n_threads)
        sizes = [suitable_minibatch(InputSpec(s, s, 3), "cpu") for s in (0, 8, 32, 224, 1000)]
        assert sizes == [4096, 1024, 64, 8, 8]


class TestFolding:
    @pytest.mark.parametrize("model", IMAGE_MODELS)
    def test_folded_features_are_the_networks(self, model: str) -> None:
        torch.manual_seed(0)
        network = build(model, 3)
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                for name, values in module.state_dict().items():
                    if name in {"weight", "running_var"}:
                        values.uniform_(0.5, 2.0)
                    elif name in {"bias", "running_mean"}:
                        values.normal_()
        network.eval()
        side = max(32, MODELS[model].smallest_side)
        images = torch.randint(0, 256, (2, 3, side, side), dtype=torch.uint8)
        before = {name: values.clone() for name, values in network.state_dict().items()}
        with torch.inference_mode():
            plain, folded = network.features(images), folded_features(network)(images)
        scale = float(plain.abs().max())
        torch.testing.assert_close(folded, plain, atol=1e-4 * scale, rtol=1e-3)
        for name, values in network.state_dict().items():
            assert torch.equal(values, before[name])

    @pytest.mark.parametrize(
        "relu",
        [
            lambda x: functional.relu(input=x),
            lambda x: functional.relu(x, False),
            lambda x: functional.relu(x, inplace=False),
            lambda x: torch.relu(input=x),
        ],
    )
    def test_relu_is_understood_however_it_is_called(
        self, relu: Callable[[torch.Tensor], torch.Tensor]
    ) -> None:
        class Calling(Network):
            def __init__(self) -> None:
                super().__init__()
                self.conv = torch.nn.Conv2d(1, 2, 1)

            def features(self, *inputs: torch.Tensor) -> torch.Tensor:
                (x,) = inputs
                return relu(self.conv(x)).flatten(1)

        network, x = Calling().eval(), torch.linspace(-2, 2, 9).view(1, 1, 3, 3)
        folded = folded_features(network)
        assert isinstance(folded, torch.fx.GraphModule)
        with torch.inference_mode():
            torch.testing.assert_close(folded(x), network.features(x))

    def test_a_network_whose_relus_cannot_be_replaced_is_used_as_it_is(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(_: object) -> None:
            raise IndexError

        monkeypatch.setattr("models.networks.folding._overwrite_in_place", fail)
        network = build("preact8", 2)
        assert folded_features(network) == network.features

    def test_a_network_that_cannot_be_traced_is_used_as_it_is(self) -> None:
        class Choosy(Network):
            def features(self, *inputs: torch.Tensor) -> torch.Tensor:
                (x,) = inputs
                return x * 2 if float(x.sum()) > 0 else x

        network = Choosy()
        assert folded_features(network)(torch.ones(1)).tolist() == [2.0]
