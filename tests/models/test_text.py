"""Texts become the ids that the definition, word by word, gives them."""

import re

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from models.data.text import TEXTS_PER_BLOCK, encode


def words_of(text: str) -> list[str]:
    """The definition: lower-cased, punctuation apart, quotes ; : dropped."""
    text = re.sub(r'[";:]', " ", text.lower().replace("<br />", " "))
    return re.sub(r"(['.,()!?])", r" \1 ", text).split()


def word_hash(word: str) -> int:
    """fastText's 32-bit FNV-1a of signed bytes."""
    value = 2166136261
    for byte in word.encode():
        value = ((value ^ (byte | 0xFFFFFF00 if byte > 127 else byte)) * 16777619) & 0xFFFFFFFF
    return value


def slow_ids(text: str, word_ngrams: int, buckets: int) -> list[int]:
    hashes, ids = [word_hash(word) for word in words_of(text)], []
    for start, value in enumerate(hashes):
        ids.append(value % buckets)
        for following in hashes[start + 1 : start + word_ngrams]:
            value = (value * 116049371 + following) & 0xFFFFFFFFFFFFFFFF  # noqa: PLW2901
            ids.append(value % buckets)
    return ids


# All that is space or punctuation, characters of one and more bytes, and cases that change length.
SPACE_OR_PUNCTUATION = " \t\n\x0b\x1c\x1f\x85\xa0\u1680\u2003\u3000'.,()!?\";:</>"
CASES = ["<br />", "<BR />", "b", "r", "a", "Z", "Σ", "İ", "ß", "é", "日", "😀", "\x00"]
CHARACTERS = st.one_of(
    st.sampled_from(SPACE_OR_PUNCTUATION),
    st.sampled_from(CASES),
    st.characters(exclude_categories=["Cs"]),
)
TEXTS = st.lists(st.lists(CHARACTERS, max_size=30).map("".join), max_size=8)


class TestEncode:
    @given(texts=TEXTS, word_ngrams=st.integers(1, 4), buckets=st.integers(16, 50_000_000))
    @example(texts=["ΑΣ", "ΣΑ Σ", "a<br\n/>b", ""], word_ngrams=2, buckets=1000)
    @example(texts=["\ufeff\u200b\x1dx", "?", "\n\n"], word_ngrams=3, buckets=50_000_000)
    def test_ids_equal_the_definition(
        self, texts: list[str], word_ngrams: int, buckets: int
    ) -> None:
        encoded = encode(texts, word_ngrams, buckets)
        slow = [slow_ids(text, word_ngrams, buckets) for text in texts]
        assert encoded.token_ids.tolist() == [one for ids in slow for one in ids]
        assert np.diff(encoded.offsets).tolist() == [len(ids) for ids in slow]
        assert encoded.token_ids.dtype == np.int32

    def test_blocks_leave_no_seam(self) -> None:
        texts = [f"item {i}" for i in range(TEXTS_PER_BLOCK + 3)]
        encoded = encode(iter(texts), 2, 10_000)
        assert encoded.token_ids.tolist() == [i for t in texts for i in slow_ids(t, 2, 10_000)]
