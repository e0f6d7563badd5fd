"""Training of TF-IDF and logistic regression by scikit-learn."""

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from models.catalog import ModelSetup
from models.data.arrays import Texts
from models.data.labeled import LabeledSet
from models.networks.tfidf import TfIdf, term_counts, unit_rows, weighted
from models.training.one_piece import UNSEEN_LOGIT, trained_on_texts
from models.training.timing import Stopwatch
from models.training.trained import TrainedModel

MAX_ITERATIONS = 1000


def train_tfidf(setup: ModelSetup, labeled: LabeledSet, seed: int) -> TrainedModel:
    """Return TF-IDF weights and a logistic regression on them; no part is random.

    Of the recipe it takes word_ngrams, buckets, and as the inverse of the regression's C
    weight_decay.
    """
    watch = Stopwatch("cpu")
    network = TfIdf(setup.recipe.buckets, labeled.n_classes)
    with watch.part("training"):
        network.load_state_dict(_fitted(labeled, network.buckets, setup.recipe.weight_decay))
    return trained_on_texts(network, setup, labeled, seed, watch.of("training"))


def _fitted(labeled: LabeledSet, buckets: int, penalty: float) -> dict[str, Tensor]:
    """Return the network's weights, fitted to the texts; `penalty` is the inverse of C."""
    texts = labeled.inputs
    assert isinstance(texts, Texts)  # noqa: S101 - `build` checks the modality
    n = len(texts)
    counts = term_counts(texts.token_ids.astype(np.int64), texts.offsets[:-1], buckets)
    vocabulary, n_texts = np.unique(counts.indices, return_counts=True)
    # As scikit-learn's smooth idf: one more text that has every word.
    idf = (np.log((1 + n) / (1 + n_texts)) + 1).astype(np.float32)
    rows = unit_rows(weighted(counts[:, vocabulary], idf))
    weight = np.zeros((labeled.n_classes, len(vocabulary)), np.float32)
    bias = np.full(labeled.n_classes, UNSEEN_LOGIT, np.float32)
    seen = np.unique(labeled.labels)
    bias[seen] = 0
    if len(seen) > 1:
        learned = LogisticRegression(C=1 / max(penalty, 1e-8), max_iter=MAX_ITERATIONS)
        learned.fit(rows, labeled.labels)
        if len(seen) == 2:  # one row of weights, for the second class
            weight[seen[1]], bias[seen[1]] = learned.coef_[0], learned.intercept_[0]
        else:
            weight[seen], bias[seen] = learned.coef_, learned.intercept_
    return {
        "vocabulary": torch.from_numpy(vocabulary.astype(np.int64)),
        "idf": torch.from_numpy(idf),
        "unseen_idf": torch.tensor([np.log(1 + n) + 1], dtype=torch.float32),
        "weight": torch.from_numpy(weight),
        "bias": torch.from_numpy(bias),
    }
