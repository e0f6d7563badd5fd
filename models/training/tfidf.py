"""Training of TF-IDF and logistic regression by scikit-learn."""

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from models.catalog import ModelSetup
from models.data.arrays import InputSpec, Texts
from models.data.labeled import LabeledSet
from models.networks.network import texts_to_tensors
from models.networks.tfidf import TfIdf, normalised, term_counts
from models.training.timing import Stopwatch
from models.training.trained import TrainedModel

UNSEEN = -1e4  # logit of a class without a label: its probability is 0
MAX_ITERATIONS = 1000


def train_tfidf(setup: ModelSetup, labeled: LabeledSet, seed: int) -> TrainedModel:
    """Return TF-IDF weights and a logistic regression on them; nothing of it is random.

    Of the recipe it takes word_ngrams, buckets, and as the inverse of the regression's C
    weight_decay.
    """
    inputs, n_classes = labeled.inputs, labeled.n_classes
    assert isinstance(inputs, Texts)  # noqa: S101 - `build` checks the modality
    watch = Stopwatch("cpu")
    network = TfIdf(setup.recipe.buckets, n_classes)
    with watch.part("training"):
        _fit(network, inputs, labeled, setup.recipe.weight_decay)
    network.eval()
    with torch.inference_mode():
        logits = network(*texts_to_tensors(inputs, "cpu"))
        labels = torch.from_numpy(labeled.labels)
        loss = float(torch.nn.functional.cross_entropy(logits, labels))
    return TrainedModel(network, setup, InputSpec(), n_classes, seed, watch.of("training"), loss)


def _fit(network: TfIdf, texts: Texts, labeled: LabeledSet, penalty: float) -> None:
    n = len(texts)
    counts = term_counts(texts.token_ids.astype(np.int64), texts.offsets[:-1], network.buckets)
    vocabulary, n_texts = np.unique(counts.indices, return_counts=True)
    # As scikit-learn's smooth idf: one more text that has every word.
    idf = (np.log((1 + n) / (1 + n_texts)) + 1).astype(np.float32)
    rows = normalised(counts[:, vocabulary], idf)
    weight = np.zeros((network.n_classes, len(vocabulary)), np.float32)
    bias = np.full(network.n_classes, UNSEEN, np.float32)
    seen = np.unique(labeled.labels)
    bias[seen] = 0
    if len(seen) > 1:
        learned = LogisticRegression(C=1 / max(penalty, 1e-8), max_iter=MAX_ITERATIONS)
        learned.fit(rows, labeled.labels)
        if len(seen) == 2:  # one row of weights, for the second class
            weight[seen[1]], bias[seen[1]] = learned.coef_[0], learned.intercept_[0]
        else:
            weight[seen], bias[seen] = learned.coef_, learned.intercept_
    network.vocabulary = torch.from_numpy(vocabulary.astype(np.int64))
    network.idf = torch.from_numpy(idf)
    network.unseen_idf = torch.tensor([np.log(1 + n) + 1], dtype=torch.float32)
    network.weight, network.bias = torch.from_numpy(weight), torch.from_numpy(bias)
