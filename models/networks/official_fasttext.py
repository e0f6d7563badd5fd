"""A model of the official fastText library as a network like the others.

It scores, is saved and loaded without the library. Words are ids (models.data.text with n-grams of
one word); the library read each as a word of eight digits, with its own vocabulary and n-grams.

Source: Joulin et al. 2016; fastText 0.9.3 (dictionary.cc).
"""

import numpy as np
import torch
from torch import Tensor, nn

from models.catalog import ModelSetup
from models.data.arrays import InputSpec
from models.data.types import IntArray
from models.networks.vocabulary import VocabularyNetwork
from models.recipe import Recipe

DIGITS = 8
END = "</s>"


class OfficialFastText(VocabularyNetwork):
    """The library's weights: rows of the end of text, of words by id, of n-gram buckets."""

    rows: Tensor
    sized_by_vocabulary = ("rows",)

    def __init__(self, recipe: Recipe, n_classes: int) -> None:
        super().__init__()
        self.n_features, self.word_ngrams, self.buckets = (
            recipe.dim,
            recipe.word_ngrams,
            recipe.buckets,
        )
        self.register_buffer("rows", torch.zeros(1 + self.buckets, recipe.dim))
        self.linear = nn.Linear(recipe.dim, n_classes)

    def features(self, *inputs: Tensor) -> Tensor:
        """Return the mean row of each text's words and n-grams, [n, dim], from (ids, offsets)."""
        ids, offsets = (values.cpu().numpy() for values in inputs)
        rows, texts = self._rows_of(ids, offsets)
        device, n = self.rows.device, len(offsets)
        where = torch.from_numpy(texts).to(device)
        found = self.rows[torch.from_numpy(rows).to(device)]
        total = torch.zeros(n, self.n_features, device=device).index_add_(0, where, found)
        return total / torch.bincount(where, minlength=n).clamp_min(1)[:, None]

    def head(self, features: Tensor) -> Tensor:
        """Return the logits of features, [n, C]."""
        return self.linear(features)

    def _rows_of(self, ids: IntArray, offsets: IntArray) -> tuple[IntArray, IntArray]:
        """Return the row of each known word and of each n-gram, and the text that it is of."""
        lengths = np.diff(offsets, append=len(ids))
        texts = np.repeat(np.arange(len(offsets)), lengths + 1)
        ends = np.cumsum(lengths + 1) - 1
        is_word = np.ones(len(texts), bool)
        is_word[ends] = False
        hashes = np.full(len(texts), np.int32(np.uint32(_hash(END.encode()))), np.int64)
        hashes[is_word] = _hash_digits(ids)
        vocabulary = self.vocabulary.cpu().numpy()
        place = np.searchsorted(vocabulary, ids)
        is_known = place < len(vocabulary)
        is_known[is_known] = vocabulary[place[is_known]] == ids[is_known]
        rows = [(1 + place)[is_known], np.zeros(len(ends), np.int64)]
        of = [texts[is_word][is_known], texts[ends]]
        value, wide = hashes.astype(np.uint64), hashes.astype(np.uint64)
        for size in range(1, self.word_ngrams):
            value = value[:-1] * np.uint64(116049371) + wide[size:]
            is_within = texts[:-size] == texts[size:]
            buckets = (value[is_within] % np.uint64(self.buckets)).astype(np.int64)
            rows.append(1 + len(vocabulary) + buckets)
            of.append(texts[:-size][is_within])
        return np.concatenate(rows), np.concatenate(of)


def build(setup: ModelSetup, _spec: InputSpec, n_classes: int) -> OfficialFastText:
    """Return the network before it is trained: without a vocabulary."""
    return OfficialFastText(setup.recipe, n_classes)


def _hash(data: bytes) -> int:
    value = 2166136261
    for byte in data:
        value = ((value ^ byte) * 16777619) & 0xFFFFFFFF
    return value


def _hash_digits(ids: IntArray) -> IntArray:
    """Return the hashes of the ids' eight digits, signed as the library keeps them."""
    values, prime = np.full(len(ids), 2166136261, np.uint32), np.uint32(16777619)
    for place in reversed(range(DIGITS)):
        digits = (ids // 10**place % 10 + ord("0")).astype(np.uint32)
        values = (values ^ digits) * prime
    return values.view(np.int32).astype(np.int64)
