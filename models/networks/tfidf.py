"""TF-IDF and logistic regression as a network like the others.

It scores, is saved and loaded without scikit-learn. Words and n-grams are hashed to ids
(models.data.text); ids that the training set lacks weigh nothing in the scores, as with
scikit-learn's TfidfVectorizer.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from models.catalog import ModelSetup
from models.data.arrays import InputSpec
from models.data.types import FloatArray, IntArray
from models.networks.vocabulary import VocabularyNetwork

N_SIGNS = 64  # bits of a hash
SCORES_SCALE = 2.0**-10  # a power of two: nothing is lost
SIGNS_AT_ONCE = 2**16


class TfIdf(VocabularyNetwork):
    """A linear layer on TF-IDF rows; its features are a projection of the rows.

    The features, [n, C + 64], hold the class scores, scaled so far down that they add nothing to
    distances, and a projection of the TF-IDF row by signs that follow from the ids, which keeps
    distances roughly (Achlioptas 2003). In it words count that no labeled text has, too.

    Attributes:
        idf: inverse document frequencies of the training set's ids, [v].
        unseen_idf: of all other ids, [1].
        weight, bias: of the linear layer, [C, v] and [C].
    """

    idf: Tensor
    unseen_idf: Tensor
    weight: Tensor
    bias: Tensor
    sized_by_vocabulary = ("idf", "weight")

    def __init__(self, buckets: int, n_classes: int) -> None:
        super().__init__()
        self.n_features, self.buckets, self.n_classes = n_classes + N_SIGNS, buckets, n_classes
        self.register_buffer("idf", torch.empty(0))
        self.register_buffer("unseen_idf", torch.ones(1))
        self.register_buffer("weight", torch.zeros(n_classes, 0))
        self.register_buffer("bias", torch.zeros(n_classes))
        self._idf_by_id: FloatArray = np.ones(buckets, np.float32)

    def features(self, *inputs: Tensor) -> Tensor:
        """Return scaled class scores and projected TF-IDF rows, [n, C + 64], of (ids, offsets)."""
        ids, offsets = (values.cpu().numpy() for values in inputs)
        rows = weighted(term_counts(ids, offsets, self.buckets), self._idf_by_id)
        known = unit_rows(rows[:, self.vocabulary.cpu().numpy()])
        scores = known @ self.weight.cpu().numpy().T + self.bias.cpu().numpy()
        projected = projection(unit_rows(rows))
        found = np.concatenate([scores * SCORES_SCALE, projected], axis=1, dtype=np.float32)
        return torch.from_numpy(found).to(self.weight.device)

    def head(self, features: Tensor) -> Tensor:
        """Return the logits of features, [n, C]."""
        return features[:, : self.n_classes] / SCORES_SCALE

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any) -> None:
        super()._load_from_state_dict(state_dict, prefix, *args)
        self._idf_by_id = self._idf_of_all_ids()

    def _idf_of_all_ids(self) -> FloatArray:
        """Return the inverse document frequency of each id, [buckets]."""
        idf = np.full(self.buckets, self.unseen_idf.item(), np.float32)
        idf[self.vocabulary.cpu().numpy()] = self.idf.cpu().numpy()
        return idf


def build(setup: ModelSetup, _spec: InputSpec, n_classes: int) -> TfIdf:
    """Return the network before it is trained: without a vocabulary."""
    return TfIdf(setup.recipe.buckets, n_classes)


def term_counts(ids: IntArray, offsets: IntArray, buckets: int) -> sparse.csr_array:
    """Return how often each text has each id, [n, buckets]."""
    ends = np.append(offsets, len(ids))
    counts = sparse.csr_array(
        (np.ones(len(ids), np.float32), ids, ends), shape=(len(offsets), buckets)
    )
    counts.sum_duplicates()
    return counts


def weighted(counts: sparse.csr_array, idf: FloatArray) -> sparse.csr_array:
    """Return (1 + ln count) * idf, as scikit-learn's sublinear TF-IDF before it is normalised."""
    rows = sparse.csr_array(counts, copy=True)
    rows.data = (1 + np.log(rows.data)) * idf[rows.indices]
    return rows


def unit_rows(rows: sparse.csr_array) -> sparse.csr_array:
    """Return the rows scaled to length 1; a row of zeros stays as it is."""
    scaled = sparse.csr_array(rows, copy=True)
    lengths = np.sqrt(scaled.multiply(scaled).sum(axis=1))
    scaled.data /= np.repeat(np.maximum(lengths, 1e-12), np.diff(scaled.indptr))
    return scaled


def projection(rows: sparse.csr_array) -> FloatArray:
    """Return the rows projected by random signs of each id, [n, 64]."""
    used, place = np.unique(rows.indices, return_inverse=True)
    narrow = sparse.csr_array((rows.data, place, rows.indptr), shape=(rows.shape[0], len(used)))
    projected = np.zeros((rows.shape[0], N_SIGNS), np.float32)
    for start in range(0, len(used), SIGNS_AT_ONCE):
        stop = start + SIGNS_AT_ONCE
        projected += narrow[:, start:stop] @ _signs(used[start:stop])
    scaled: FloatArray = projected * np.float32(N_SIGNS**-0.5)
    return scaled


def _signs(ids: IntArray) -> FloatArray:
    """Return a sign for each id and dimension, [n, 64]: the bits of splitmix64."""
    x = ids.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    bits = (x[:, None] >> np.arange(N_SIGNS, dtype=np.uint64)) & np.uint64(1)
    return np.where(bits.astype(bool), np.float32(1), np.float32(-1))
