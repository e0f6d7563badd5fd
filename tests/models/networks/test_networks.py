"""Promises of single families beyond the contract of all models."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.catalog import Encoding, ModelSetup, resolve_recipe
from models.data.arrays import Images, Inputs, Texts, Vectors
from models.data.characters import IDS, SYMBOLS, VOCABULARY_SIZE, encode_characters
from models.data.encoders import text_encoder
from models.data.labeled import LabeledSet
from models.networks.build import build, fresh_network
from models.networks.image_network import channel_statistics
from models.networks.network import to_tensors
from models.networks.vdcnn import HalveByKMax, Vdcnn, k_max, pad_texts
from models.predict import accuracy, predict
from models.training.train import train


class TestCharacters:
    def test_the_vocabulary_is_the_papers(self) -> None:
        assert (len(SYMBOLS), len(set(SYMBOLS)), VOCABULARY_SIZE) == (67, 67, 69)

    @given(st.lists(st.text(max_size=30), max_size=6), st.integers(1, 20))
    def test_ids_are_those_of_each_character(self, texts: list[str], max_chars: int) -> None:
        found = encode_characters(texts, max_chars)
        for row, text in enumerate(texts):
            expected = [
                SYMBOLS.index(c) + 2 if c in SYMBOLS else 1 for c in text.lower()[:max_chars]
            ]
            start, end = found.offsets[row : row + 2]
            assert found.token_ids[start:end].tolist() == expected
        assert len(found) == len(texts)

    def test_many_texts_and_lone_surrogates(self) -> None:
        texts = ["ab", "\ud800c", ""] * 6000
        found = encode_characters(texts, 10)
        assert found.token_ids.dtype == np.int32
        assert found.token_ids.reshape(-1, 4)[-1].tolist() == [2, 3, 1, 4]
        assert found.offsets[-1] == 24_000

    def test_no_symbol_is_padding_or_unknown(self) -> None:
        assert sorted(IDS[[ord(c) for c in SYMBOLS]]) == list(range(2, 69))

    def test_vectors_have_no_text_encoder(self) -> None:
        with pytest.raises(ValueError, match="no encoder"):
            text_encoder(Encoding.VECTORS, resolve_recipe("probe", {}))


class TestVdcnn:
    @given(st.lists(st.text("abc", max_size=12), min_size=1, max_size=5), st.integers(1, 9))
    def test_texts_are_cut_and_padded(self, texts: list[str], length: int) -> None:
        ids, offsets = to_tensors(encode_characters(texts, 12), "cpu")
        expected = [
            ([SYMBOLS.index(c) + 2 for c in text] + [0] * length)[:length] for text in texts
        ]
        assert pad_texts(ids, offsets, length).tolist() == expected

    def test_k_max_keeps_the_order(self) -> None:
        x = torch.tensor([[[3.0, 1.0, 4.0, 1.5, 9.0, 2.0]]])
        assert k_max(x, 3).tolist() == [[[3.0, 4.0, 9.0]]]

    @pytest.mark.parametrize("downsampling", ["conv", "max_pool", "k_max_pool"])
    def test_every_downsampling_halves_three_times(self, downsampling: str) -> None:
        recipe = resolve_recipe("vdcnn17", {"downsampling": downsampling})
        with torch.device("meta"):
            network = build("vdcnn17", 2, recipe)
            assert isinstance(network, Vdcnn)
            length = 126 if downsampling == "k_max_pool" else 127
            assert network.layers(torch.empty(2, 64, 1014)).shape == (2, 512, length)
        convolutions = [m for m in network.modules() if isinstance(m, torch.nn.Conv1d)]
        kinds = {type(m).__name__ for m in network.layers}
        strides = [m.stride for m in convolutions if m.stride != (1,)]
        assert ("HalveByKMax" in kinds) == (downsampling == "k_max_pool")
        assert ("MaxPool1d" in kinds) == (downsampling == "max_pool")
        assert len(strides) == (3 if downsampling == "conv" else 0)

    def test_k_max_pooling_keeps_the_floor_of_half(self) -> None:
        assert HalveByKMax()(torch.randn(2, 3, 507)).shape == (2, 3, 253)

    def test_weights_start_as_in_the_published_code(self) -> None:
        torch.manual_seed(0)
        network = build("vdcnn9", 2, resolve_recipe("vdcnn9", {}))
        assert isinstance(network, Vdcnn)
        for module in network.modules():
            if isinstance(module, torch.nn.Conv1d):
                fan_in = 3 * module.in_channels
                assert float(module.weight.detach().std()) == pytest.approx(
                    (2 / fan_in) ** 0.5, rel=0.05
                )
        padding = network.embedding.weight[0]
        assert float(padding.detach().abs().min()) > 0
        network(*to_tensors(encode_characters(["ab"], 64), "cpu")).sum().backward()
        assert network.embedding.weight.grad is not None
        assert float(network.embedding.weight.grad[0].abs().sum()) > 0

    @pytest.mark.parametrize("downsampling", ["conv", "max_pool", "k_max_pool"])
    def test_logits_are_those_of_the_layers_written_out(self, downsampling: str) -> None:
        torch.manual_seed(0)
        recipe = resolve_recipe("vdcnn17", {"downsampling": downsampling, "max_chars": 100})
        network = build("vdcnn17", 3, recipe).eval()
        state = network.state_dict()
        convolutions = [n.removesuffix(".weight") for n in state if ".conv" in n]
        ids = torch.randint(2, 69, (2, 100))
        with torch.inference_mode():
            x = torch.nn.functional.embedding(ids, state["embedding.weight"]).transpose(1, 2)
            x = torch.conv1d(x, state["stem.weight"], state["stem.bias"], padding=1)
            for name in convolutions:
                weight = state[f"{name}.weight"]
                widens = weight.shape[0] > weight.shape[1]
                if widens and downsampling == "max_pool":
                    x = torch.max_pool1d(x, 3, stride=2, padding=1)
                if widens and downsampling == "k_max_pool":
                    x = k_max(x, x.shape[2] // 2)
                stride = 2 if widens and downsampling == "conv" else 1
                x = torch.conv1d(x, weight, stride=stride, padding=1)
                norm = name.replace("conv", "norm")
                mean, var = state[f"{norm}.running_mean"], state[f"{norm}.running_var"]
                x = (x - mean[:, None]) / (var[:, None] + 1e-5).sqrt()
                x = torch.relu(
                    x * state[f"{norm}.weight"][:, None] + state[f"{norm}.bias"][:, None]
                )
            x = k_max(x, 8).reshape(2, -1)
            for name in ("hidden1", "hidden2"):
                x = torch.relu(x @ state[f"{name}.weight"].T + state[f"{name}.bias"])
            expected = x @ state["linear.weight"].T + state["linear.bias"]
            texts = Texts(ids.reshape(-1).to(torch.int32).numpy(), np.array([0, 100, 200]))
            found = network(*to_tensors(texts, "cpu"))
        assert found.numpy() == pytest.approx(expected.numpy(), rel=1e-3, abs=1e-5)

    @pytest.mark.parametrize("depth", [9, 17, 29, 49])
    def test_the_convolutions_are_as_many_as_the_name_says(self, depth: int) -> None:
        with torch.device("meta"):
            network = build(f"vdcnn{depth}", n_classes=2)
        assert sum(isinstance(m, torch.nn.Conv1d) for m in network.modules()) == depth

    def test_texts_without_a_known_character_are_predicted(self) -> None:
        network = build("vdcnn9", 2, resolve_recipe("vdcnn9", {"max_chars": 64})).eval()
        nothing = Texts(np.empty(0, np.int32), np.zeros(3, np.int64))
        strange = encode_characters(["漢字", ""], 64)
        for texts in (nothing, strange):
            with torch.inference_mode():
                logits = network(*to_tensors(texts, "cpu"))
            assert logits.shape == (2, 2)
            assert torch.isfinite(logits).all()

    def test_it_learns_what_can_be_learned(self) -> None:
        recipe = resolve_recipe(
            "vdcnn9", {"max_chars": 64, "epochs": 3, "minibatch": 8, "precision": "float32"}
        )
        labels = np.arange(32) % 2
        texts = encode_characters(
            [f"{'good' if c else 'bad'} {i}" for i, c in enumerate(labels)], 64
        )
        trained = train(ModelSetup("vdcnn9", recipe), LabeledSet(texts, labels, 2), 0)
        assert accuracy(predict(trained, texts).probs, labels) > 0.9


class TestProbe:
    def blobs(self) -> tuple[Vectors, np.ndarray]:
        rng = np.random.default_rng(0)
        labels = np.arange(90) % 3
        values = rng.normal(size=(90, 8)) + 1000 * (np.arange(8) == 0)
        values[:, :3] += 4 * np.eye(3)[labels]
        values[:, 7] = 5.0  # constant
        return Vectors(values.astype(np.float32)), labels

    @pytest.mark.parametrize(("name", "width"), [("linear", 8), ("mlp", 256)])
    def test_it_learns_from_vectors_of_any_scale(self, name: str, width: int) -> None:
        vectors, labels = self.blobs()
        recipe = resolve_recipe("probe", {"name": name, "minibatch": 16})
        trained = train(ModelSetup("probe", recipe), LabeledSet(vectors, labels, 3), 0)
        found = predict(trained, vectors, with_features=True)
        assert accuracy(found.probs, labels) > 0.95
        assert found.features is not None
        assert found.features.shape == (90, width)
        if name == "linear":
            np.testing.assert_array_equal(found.features, vectors.values)

    def test_a_vector_that_is_not_finite_is_named(self) -> None:
        vectors, labels = self.blobs()
        vectors.values[17, 2] = np.nan
        with pytest.raises(ValueError, match="Vector 17 of the training set"):
            train(
                ModelSetup("probe", resolve_recipe("probe", {})), LabeledSet(vectors, labels, 3), 0
            )


class TestNormalisation:
    @pytest.mark.parametrize("channels", [1, 3])
    def test_statistics_are_those_of_the_pixels(self, channels: int) -> None:
        rng = np.random.default_rng(0)
        pixels = rng.integers(0, 256, (700, 8, 8, channels), dtype=np.uint8)
        mean, deviation = channel_statistics(Images(pixels))
        flat = pixels.reshape(-1, channels).astype(np.float64)
        np.testing.assert_allclose(mean, flat.mean(0), rtol=1e-12)
        np.testing.assert_allclose(deviation, flat.std(0), rtol=1e-12)

    def test_a_constant_channel_does_not_blow_up(self) -> None:
        inputs: Inputs = Images(np.full((4, 8, 8, 3), 255, np.uint8))
        network = fresh_network(
            ModelSetup("preact8", resolve_recipe("preact8", {})), inputs, 2
        ).eval()
        assert torch.isfinite(network(*to_tensors(inputs, "cpu"))).all()

    def test_many_pixels_are_sampled_evenly(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("models.networks.image_network.LARGEST_SAMPLE_BYTES", 64 * 100)
        pixels = np.zeros((1000, 8, 8, 1), np.uint8)
        pixels[::10] = 200  # every tenth image is looked at
        mean, _ = channel_statistics(Images(pixels))
        assert mean.tolist() == [200.0]
