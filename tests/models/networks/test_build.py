"""Every model of the catalog keeps the same contract."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from models.catalog import (
    MODELS,
    Encoding,
    Modality,
    ModelError,
    ModelSetup,
    UnknownModelError,
    find_model,
    models_for,
    resolve_recipe,
)
from models.data.arrays import Images, Inputs, InputSpec, Vectors
from models.data.encoders import text_encoder
from models.data.labeled import LabeledSet
from models.networks.build import build, fresh_network
from models.networks.network import Network, to_tensors
from models.predict import predict
from models.recipe import Recipe
from models.seconds import Spent
from models.training.augment import centre
from models.training.train import TrainedModel, load_model, train

N, CLASSES = 4, 3
OVERRIDES: dict[Encoding, dict[str, object]] = {
    Encoding.PIXELS: {},
    Encoding.CHARACTERS: {"max_chars": 64},
    Encoding.WORD_NGRAMS: {"buckets": 100},
    Encoding.WORDS: {"buckets": 100},
    Encoding.VECTORS: {"name": "mlp", "hidden": 5},
}
# A sister of each of the others is walked in every run; these take longer.
LARGE = frozenset(
    {
        *("preact32", "preact56", "preact110", "vdcnn17", "vdcnn29", "vdcnn49"),
        *("resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d", "resnext101_32x8d"),
        *("densenet161", "densenet169", "densenet201", "squeezenet1_0", "vgg11", "vgg11_bn"),
        *("vgg13", "vgg16", "vgg19", "vgg13_bn", "vgg16_bn", "vgg19_bn"),
    }
)


@dataclass(frozen=True)
class Case:
    """One model with some inputs; the network is fresh and in evaluation mode."""

    name: str
    recipe: Recipe
    inputs: Inputs
    network: Network

    def trained(self) -> TrainedModel:
        return TrainedModel(
            self.network,
            ModelSetup(self.name, self.recipe),
            self.inputs.spec,
            CLASSES,
            0,
            Spent(),
            0.0,
        )

    def minibatch(self) -> tuple[torch.Tensor, ...]:
        """Return the inputs as the network sees them when it scores."""
        tensors = to_tensors(self.inputs, "cpu")
        if isinstance(self.inputs, Images):
            return (centre(tensors[0], self.recipe),)
        return tensors


def make_inputs(model: str, recipe: Recipe) -> Inputs:
    info, rng = MODELS[model], np.random.default_rng(0)
    if info.encoding is Encoding.PIXELS:
        side = math.ceil(max(info.smallest_side, 12) / recipe.crop_fraction)
        return Images(rng.integers(0, 256, (N, side, side, 3), dtype=np.uint8))
    if info.encoding is Encoding.VECTORS:
        return Vectors(rng.normal(3, 2, (N, 7)).astype(np.float32))
    texts = [f"Text {i}: good, or bad?" * 3 for i in range(N - 1)]
    return text_encoder(info.encoding, recipe).encode([*texts, ""])


def make_network(model: str, seed: int = 0) -> tuple[Recipe, Inputs, Network]:
    recipe = resolve_recipe(model, OVERRIDES[MODELS[model].encoding])
    inputs = make_inputs(model, recipe)
    torch.manual_seed(seed)
    return recipe, inputs, fresh_network(ModelSetup(model, recipe), inputs, CLASSES).eval()


@pytest.fixture(
    scope="module",
    params=[pytest.param(m, marks=[pytest.mark.slow] * (m in LARGE)) for m in MODELS],
)
def case(request: pytest.FixtureRequest) -> Case:
    return Case(request.param, *make_network(request.param))


class TestEveryModel:
    def test_head_of_features_is_forward(self, case: Case) -> None:
        minibatch = case.minibatch()
        with torch.inference_mode():
            features = case.network.features(*minibatch)
            assert features.shape == (N, case.network.n_features)
            logits = case.network(*minibatch)
            assert logits.shape == (N, CLASSES)
            assert torch.isfinite(logits).all()
            torch.testing.assert_close(case.network.head(features), logits)

    def test_the_head_is_linear_in_the_features(self, case: Case) -> None:
        a, b = torch.randn(2, 1, case.network.n_features, generator=torch.manual_seed(1))
        with torch.inference_mode():
            middle = case.network.head((a + b) / 2)
            mean = (case.network.head(a) + case.network.head(b)) / 2
        torch.testing.assert_close(middle, mean, rtol=1e-4, atol=1e-4)

    def test_the_seed_decides_the_weights(self, case: Case) -> None:
        *_, again = make_network(case.name)
        for (name, a), b in zip(
            case.network.state_dict().items(), again.state_dict().values(), strict=True
        ):
            assert torch.equal(a, b), name

    def test_every_weight_gets_a_gradient(self, case: Case) -> None:
        if not any(True for _ in case.network.parameters()):
            pytest.skip("it is fitted in one piece")
        torch.manual_seed(0)
        loss = functional.cross_entropy(
            case.network.train()(*case.minibatch()), torch.arange(N) % CLASSES
        )
        loss.backward()  # type: ignore[no-untyped-call]
        for name, parameter in case.network.named_parameters():
            assert parameter.grad is not None, name
            parameter.grad = None
        case.network.eval()

    def test_predictions_are_the_networks_own(self, case: Case) -> None:
        found = predict(case.trained(), case.inputs, with_features=True)
        with torch.inference_mode():
            features = case.network.features(*case.minibatch())
            probs = torch.softmax(case.network.head(features), dim=1)
        assert found.features is not None
        scale = float(features.abs().max())
        np.testing.assert_allclose(found.features, features, rtol=1e-3, atol=1e-4 * scale)
        np.testing.assert_allclose(found.probs, probs, atol=1e-3)

    def test_saved_and_loaded_it_predicts_the_same(self, case: Case, tmp_path: Path) -> None:
        trained = case.trained()
        trained.save(tmp_path / "model.safetensors")
        loaded = load_model(tmp_path / "model.safetensors")
        before = predict(trained, case.inputs, with_features=True)
        after = predict(loaded, case.inputs, with_features=True)
        np.testing.assert_array_equal(after.probs, before.probs)
        np.testing.assert_array_equal(after.features, before.features)


@pytest.mark.parametrize(
    "model",
    ["preact14", "resnet18", "mobilenet_v2", "squeezenet1_1", "vdcnn9", "probe"],
)
def test_one_epoch_changes_the_weights(model: str) -> None:
    recipe, inputs, before = make_network(model)
    recipe = recipe.with_overrides({"epochs": 1, "crop_padding": 0})
    trained = train(
        ModelSetup(model, recipe), LabeledSet(inputs, np.arange(N) % CLASSES, CLASSES), 0
    )
    assert np.isfinite(trained.final_loss)
    assert not torch.equal(trained.network.linear.weight, before.linear.weight)  # type: ignore[arg-type, union-attr]


class TestBuild:
    @pytest.mark.parametrize(
        ("model", "n_weights"),
        [
            ("preact8", 77_850),
            ("preact14", 175_066),
            ("preact20", 272_282),  # the paper: 0.27 M
            ("preact32", 466_714),
            ("preact56", 855_578),
            ("preact110", 1_730_522),
            ("preact164", 1_703_258),  # the paper: about 1.7 M
        ],
    )
    def test_preact_has_the_papers_weights(self, model: str, n_weights: int) -> None:
        network = build(model, n_classes=10)
        assert sum(p.numel() for p in network.parameters()) == n_weights
        assert network.n_features == (256 if model == "preact164" else 64)

    @pytest.mark.parametrize(
        ("model", "n_weights"),
        # Of ImageNet's 1,000 classes, as torchvision documents them.
        [("resnet18", 11_689_512), ("resnet50", 25_557_032), ("squeezenet1_1", 1_235_496)],
    )
    def test_torchvision_has_the_published_weights(self, model: str, n_weights: int) -> None:
        with torch.device("meta"):
            network = build(model, n_classes=1000)
        assert sum(p.numel() for p in network.parameters()) == n_weights

    def test_unknown_name_lists_the_known_ones(self) -> None:
        with pytest.raises(UnknownModelError, match=r"known are preact8, .*vdcnn9, .*probe"):
            build("resnet19", n_classes=2)

    @pytest.mark.parametrize(
        ("model", "spec", "kind"),
        [
            ("preact8", InputSpec(), "pixels"),
            ("preact8", InputSpec(width=9), "pixels"),
            ("vdcnn9", InputSpec(32, 32, 3), "characters"),
            ("fasttext", InputSpec(width=9), "word_ngrams"),
            ("probe", InputSpec(32, 32, 3), "vectors"),
        ],
    )
    def test_inputs_of_another_kind_are_refused(
        self, model: str, spec: InputSpec, kind: str
    ) -> None:
        with pytest.raises(ModelError, match=f"{model} takes {kind} only"):
            build(model, 2, spec=spec)

    def test_a_probe_must_be_told_the_length_of_its_vectors(self) -> None:
        with pytest.raises(ModelError, match=r"InputSpec\(width=d\)"):
            build("probe", n_classes=2)

    @pytest.mark.parametrize(
        "model", ["inception_v3", "alexnet", "vgg11", "densenet121", "googlenet", "squeezenet1_0"]
    )
    def test_the_smallest_side_is_the_smallest_that_works(self, model: str) -> None:
        side, whole = MODELS[model].smallest_side, resolve_recipe(model, {"crop_fraction": 1.0})
        with pytest.raises(ModelError, match=f"at least {side} pixels a side, not"):
            build(model, 2, whole, InputSpec(side, side - 1, 3))
        with pytest.raises(ModelError, match=f"at least {side} pixels a side, not"):
            build(model, 2, spec=InputSpec(side, side, 3))  # its recipe shows it less
        with torch.device("meta"):
            network = build(model, 2, whole, InputSpec(side, side, 3))
            assert network(torch.empty(2, 3, side, side)).shape == (2, 2)
            with pytest.raises((RuntimeError, ValueError)):
                network(torch.empty(2, 3, side - 1, side - 1))

    def test_an_image_size_below_the_smallest_side_is_refused_in_the_recipe(self) -> None:
        with pytest.raises(ValueError, match="inception_v3 must see at least 75"):
            resolve_recipe("inception_v3", {"image_size": 64})

    def test_grey_images_count_as_colour(self) -> None:
        grey = Images(np.random.default_rng(0).integers(0, 256, (4, 32, 32, 1), dtype=np.uint8))
        colour = Images(grey.pixels.repeat(3, axis=3))
        torch.manual_seed(0)
        of_grey = fresh_network(ModelSetup("resnet18", MODELS["resnet18"].recipe), grey, 2).eval()
        torch.manual_seed(0)
        of_colour = fresh_network(
            ModelSetup("resnet18", MODELS["resnet18"].recipe), colour, 2
        ).eval()
        torch.testing.assert_close(
            of_grey(*to_tensors(grey, "cpu")), of_colour(*to_tensors(colour, "cpu"))
        )


class TestCatalog:
    def test_models_are_found_by_modality(self) -> None:
        assert models_for(Modality.TEXT) == [
            *("vdcnn9", "vdcnn17", "vdcnn29", "vdcnn49", "fasttext", "fasttext_official", "tfidf")
        ]
        assert len(models_for(Modality.IMAGE)) == 32
        assert find_model("probe").modality is None
