"""The official library's model, as a network, gives what the library itself gives."""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.catalog import Encoding, ModelError, ModelSetup, find_model, resolve_recipe
from models.data.arrays import Texts
from models.data.encoders import text_encoder
from models.data.labeled import LabeledSet
from models.networks.build import build
from models.predict import accuracy, predict
from models.seconds import Spent
from models.training import official_fasttext
from models.training.official_fasttext import FastTextMissingError
from models.training.train import TrainedModel, TrainingStopped, TrainProgress, load_model, train
from tests.models.training.test_run import same_bits
from tests.support import require

MODEL = "fasttext_official"
RECIPE = resolve_recipe(MODEL, {"buckets": 500, "epochs": 20, "word_ngrams": 3, "dim": 8})
WORDS = ["good", "fine", "bad", "poor"]


def make_texts(n: int = 80) -> tuple[Texts, np.ndarray]:
    labels = np.arange(n) % 2
    texts = [f"item {i} is {WORDS[2 * (i % 2) + i // 2 % 2]}, indeed" for i in range(n)]
    return text_encoder(Encoding.WORDS, RECIPE).encode(texts), labels


def make_mistaken_texts(n: int) -> tuple[Texts, np.ndarray]:
    """Return texts of two classes, told by one word, of which a tenth have the other's label."""
    rng = np.random.default_rng(2)
    told = rng.integers(2, size=n)
    texts = [f"{WORDS[2 * c + rng.integers(2)]} w{rng.integers(20)}" for c in told]
    labels = np.where(rng.random(n) < 0.1, 1 - told, told)
    return text_encoder(Encoding.WORDS, RECIPE).encode(texts), labels


def fit(labels: np.ndarray | None = None, n_classes: int = 2, seed: int = 5) -> TrainedModel:
    texts, own = make_texts()
    return train(
        ModelSetup(MODEL, RECIPE),
        LabeledSet(texts, own if labels is None else labels, n_classes),
        seed,
    )


@pytest.fixture(autouse=True)
def _fill_the_heap_with_junk() -> None:
    junk = [np.full(n, np.nan, np.float32) for n in (100, 1000, 5000, 20_000) for _ in range(20)]
    del junk


class TestWithTheLibrary:
    @pytest.fixture(autouse=True)
    def _needs_the_library(self) -> None:
        found = importlib.util.find_spec("fasttext") is not None
        require(found, 'fasttext is not installed: pip install "svp-labeling[fasttext]"')

    def test_learns_and_repeats_itself_on_a_used_heap(self) -> None:
        texts, labels = make_texts()
        trained = [fit() for _ in range(3)]
        assert accuracy(predict(trained[0], texts).probs, labels) > 0.9
        assert same_bits(trained[0], trained[1])
        assert same_bits(trained[0], trained[2])
        assert not same_bits(trained[0], fit(seed=6))

    @pytest.mark.parametrize("threads", [1, 2, 12])
    def test_it_trains_on_the_recipes_threads(
        self, threads: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        kept = []
        original = official_fasttext.weights_of

        def keeping(learned: Any, n_classes: int) -> dict[str, torch.Tensor]:
            kept.append(learned)
            return original(learned, n_classes)

        monkeypatch.setattr(official_fasttext, "weights_of", keeping)
        recipe = replace(RECIPE, threads=threads)
        texts, labels = make_mistaken_texts(3000)
        learning, held_out = np.arange(2000), np.arange(2000, 3000)
        trained = [
            train(
                ModelSetup(MODEL, recipe), LabeledSet(texts.take(learning), labels[learning], 2), 5
            )
            for _ in range(2)
        ]
        assert [learned.f.getArgs().thread for learned in kept] == [threads] * 2
        for one in trained:
            probs = predict(one, texts.take(held_out)).probs
            assert np.isfinite(probs).all()
            np.testing.assert_allclose(probs.sum(1), 1, rtol=1e-6)
            assert 0.85 < accuracy(probs, labels[held_out]) < 0.95, "a tenth is mislabeled"
        if threads == 1:  # with more the library promises no bits: threads write without locks
            assert same_bits(*trained)

    def test_probabilities_are_the_librarys(self, monkeypatch: pytest.MonkeyPatch) -> None:
        kept = []
        original = official_fasttext.weights_of

        def keeping(learned: object, n_classes: int) -> dict[str, torch.Tensor]:
            kept.append(learned)
            return original(learned, n_classes)

        monkeypatch.setattr(official_fasttext, "weights_of", keeping)
        trained = fit()
        # Known and unknown words, one word, none.
        texts = text_encoder(Encoding.WORDS, RECIPE).encode(
            ["item 3 is good, indeed", "something else is bad", "bad", "unknown", "", "bad bad bad"]
        )
        ours = predict(trained, texts).probs
        lines = [
            " ".join(f"{one:08d}" for one in texts.take(np.array([row])).token_ids)
            for row in range(len(texts))
        ]
        names, probs = kept[0].predict(lines, k=-1)  # type: ignore[attr-defined]
        for row in range(len(lines)):
            theirs = np.zeros(2)
            for name, prob in zip(names[row], probs[row], strict=True):
                theirs[int(name.removeprefix("__label__"))] = prob
            # The library adds 1e-5 to each probability before it takes the logarithm.
            np.testing.assert_allclose(ours[row], theirs, atol=1e-4)

    def test_saved_model_predicts_the_same_without_the_library(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        texts, _ = make_texts()
        trained = fit()
        trained.save(tmp_path / "m.safetensors")
        monkeypatch.setitem(sys.modules, "fasttext", None)
        found = predict(load_model(tmp_path / "m.safetensors"), texts, with_features=True)
        expected = predict(trained, texts, with_features=True)
        np.testing.assert_array_equal(found.probs, expected.probs)
        assert found.features is not None
        assert found.features.shape == (80, 8)

    def test_a_class_without_labels_has_no_probability(self) -> None:
        texts, labels = make_texts()
        probs = predict(fit(labels * 2, 4), texts).probs
        assert (probs[:, [1, 3]] == 0).all()
        np.testing.assert_allclose(probs.sum(1), 1, rtol=1e-6)

    def test_it_counts_no_forgetting_events(self) -> None:
        texts, labels = make_texts()
        with pytest.raises(ValueError, match="no forgetting events"):
            train(ModelSetup(MODEL, RECIPE), LabeledSet(texts, labels, 2), 0, count_forgetting=True)


def test_where_the_library_is_missing_the_error_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "fasttext", None)
    with pytest.raises(FastTextMissingError, match=r"pip install .*fasttext") as missing:
        fit()
    assert isinstance(missing.value, ModelError)  # `svp` says its sentence, without a traceback


def test_it_is_stopped_before_it_begins_and_reports_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    texts, labels = make_texts()

    def stand_in(setup: ModelSetup, labeled: LabeledSet, seed: int) -> TrainedModel:
        network = build(setup.model, labeled.n_classes, setup.recipe)
        return TrainedModel(
            network, setup, labeled.inputs.spec, labeled.n_classes, seed, Spent(2.0), 0.25
        )

    monkeypatch.setattr(official_fasttext, "train_official", stand_in)
    with pytest.raises(TrainingStopped):
        train(ModelSetup(MODEL, RECIPE), LabeledSet(texts, labels, 2), 5, should_stop=lambda: True)
    found: list[TrainProgress] = []
    train(
        ModelSetup(MODEL, RECIPE),
        LabeledSet(texts, labels, 2),
        5,
        on_progress=found.append,
        should_stop=lambda: False,
    )
    assert found == [TrainProgress(20, 20, 0.25, 2.0)]


def test_the_catalog_says_who_trains_it() -> None:
    info = find_model(MODEL)
    assert info.encoding is Encoding.WORDS
    assert not info.counts_forgetting
    assert find_model("fasttext").counts_forgetting
    assert info.trainer == "models.training.official_fasttext:train_official"
