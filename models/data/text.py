"""Texts to token ids: fastText's normalisation and hashed word n-grams.

Source: SVP_REFERENCE.md and fastText. Difference: single words are hashed into the buckets too,
where fastText keeps a vocabulary of them, so that ids do not depend on the labeled set.
"""

import re
from collections.abc import Iterable, Iterator

import numpy as np

from models.data.arrays import Texts

SPACED = re.compile(r"(['.,()!?])")
DROPPED = re.compile(r'[";:]')


def tokenize(text: str) -> list[str]:
    """Return the text's words: lower-cased, punctuation apart, quotes ; : dropped."""
    text = text.lower().replace("<br />", " ")
    return SPACED.sub(r" \1 ", DROPPED.sub(" ", text)).split()


def word_hash(word: str) -> int:
    """Return the 32-bit FNV-1a hash of the word's UTF-8 bytes, as fastText computes it."""
    value = 2166136261
    for byte in word.encode():
        # fastText sign-extends each byte before the xor.
        value = ((value ^ (byte | 0xFFFFFF00 if byte > 127 else byte)) * 16777619) & 0xFFFFFFFF
    return value


def ngram_ids(words: list[str], word_ngrams: int, buckets: int) -> Iterator[int]:
    """Yield the bucket of each n-gram of 1..word_ngrams words."""
    hashes = [word_hash(word) for word in words]
    for start, first in enumerate(hashes):
        value = first
        yield value % buckets
        for following in hashes[start + 1 : start + word_ngrams]:
            value = (value * 116049371 + following) & 0xFFFFFFFFFFFFFFFF
            yield value % buckets


def encode(texts: Iterable[str], word_ngrams: int, buckets: int) -> Texts:
    """Return the texts as ids in 0..buckets - 1; a text without words has no ids."""
    ids: list[int] = []
    offsets = [0]
    for text in texts:
        ids.extend(ngram_ids(tokenize(text), word_ngrams, buckets))
        offsets.append(len(ids))
    return Texts(np.asarray(ids, np.int32), np.asarray(offsets, np.int64))
