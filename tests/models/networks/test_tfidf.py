"""TF-IDF with logistic regression: what scikit-learn computes, saved and loaded, odd texts."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from models.catalog import ModelSetup, find_model, resolve_setup
from models.data.arrays import Texts
from models.data.encoders import text_encoder
from models.data.labeled import LabeledSet
from models.networks.pretrained import PretrainedError
from models.networks.tfidf import N_SIGNS, projection
from models.predict import predict
from models.training.train import train
from models.training.trained import load_model

WORDS = [f"w{i}" for i in range(60)]


def made_up(n: int, n_classes: int, seed: int = 0) -> tuple[list[str], np.ndarray]:
    """Return texts whose class favours some words, and the classes."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n, dtype=np.int64) % n_classes
    texts = []
    for label in labels:
        favoured = rng.choice(WORDS[8 * label : 8 * label + 8], 4)
        texts.append(" ".join([*favoured, *rng.choice(WORDS, rng.integers(2, 12))]))
    return texts, labels


def encoded(setup: ModelSetup, texts: list[str]) -> Texts:
    return text_encoder(find_model(setup.model).encoding, setup.recipe).encode(texts)


@pytest.mark.parametrize("n_classes", [2, 5])
def test_probabilities_are_those_of_scikit_learn(n_classes: int) -> None:
    setup = resolve_setup("tfidf", {"weight_decay": 0.5})
    texts, labels = made_up(120, n_classes)
    others, _ = made_up(40, n_classes, seed=1)
    trained = train(setup, LabeledSet(encoded(setup, texts), labels, n_classes), 0)
    vectorizer = TfidfVectorizer(analyzer=str.split, sublinear_tf=True)
    learned = LogisticRegression(C=2.0, max_iter=1000).fit(vectorizer.fit_transform(texts), labels)
    expected = learned.predict_proba(vectorizer.transform(others))
    found = predict(trained, encoded(setup, others)).probs
    assert np.allclose(found, expected, atol=1e-3)


def test_a_saved_model_scores_the_same(tmp_path: Path) -> None:
    setup = resolve_setup("tfidf", {})
    texts, labels = made_up(60, 3)
    trained = train(setup, LabeledSet(encoded(setup, texts), labels, 3), 0)
    trained.save(tmp_path / "m.safetensors")
    inputs = encoded(setup, [*texts, "unknown words", ""])
    before = predict(trained, inputs, with_features=True)
    after = predict(load_model(tmp_path / "m.safetensors"), inputs, with_features=True)
    assert np.array_equal(before.probs, after.probs)
    assert before.features is not None
    assert after.features is not None
    assert np.array_equal(before.features, after.features)
    assert before.features.shape == (62, 3 + N_SIGNS)


def test_a_vocabulary_beyond_the_recipes_buckets_is_refused(tmp_path: Path) -> None:
    setup = resolve_setup("tfidf", {})
    texts, labels = made_up(20, 2)
    trained = train(setup, LabeledSet(encoded(setup, texts), labels, 2), 0)
    trained.with_recipe(replace(setup.recipe, buckets=16)).save(tmp_path / "m.safetensors")
    with pytest.raises(PretrainedError, match="does not hold the model that it describes"):
        load_model(tmp_path / "m.safetensors")


def test_texts_without_a_known_word_get_the_priors() -> None:
    setup = resolve_setup("tfidf", {})
    texts, labels = made_up(60, 3)
    trained = train(setup, LabeledSet(encoded(setup, texts), labels, 3), 0)
    probs = predict(trained, encoded(setup, ["", "zzz", "qqq zzz"])).probs
    assert np.isfinite(probs).all()
    assert np.allclose(probs, probs[0], atol=1e-6)


def test_a_class_without_a_label_is_never_predicted() -> None:
    setup = resolve_setup("tfidf", {})
    texts, labels = made_up(40, 2)
    trained = train(setup, LabeledSet(encoded(setup, texts), labels, 4), 0)
    probs = predict(trained, encoded(setup, texts)).probs
    assert probs[:, 2:].max() == 0
    assert (probs.argmax(axis=1) == labels).mean() > 0.9


def test_labels_of_one_class_predict_it() -> None:
    setup = resolve_setup("tfidf", {})
    texts, labels = made_up(10, 2)
    trained = train(setup, LabeledSet(encoded(setup, texts), np.full_like(labels, 1), 3), 0)
    assert np.array_equal(predict(trained, encoded(setup, texts)).probs[:, 1], np.ones(10))


def test_distances_of_features_are_those_of_the_rows() -> None:
    rng = np.random.default_rng(0)
    dense = rng.random((30, 400)) * (rng.random((30, 400)) < 0.05)
    rows = sparse.csr_array(dense / np.maximum(np.linalg.norm(dense, axis=1, keepdims=True), 1e-9))
    true = cdist(rows.toarray(), rows.toarray())
    found = cdist(projection(rows), projection(rows))
    off = ~np.eye(30, dtype=bool)
    assert abs(np.median(found[off] / true[off]) - 1) < 0.1
    assert np.percentile(np.abs(found[off] / true[off] - 1), 90) < 0.3
