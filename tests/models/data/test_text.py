"""Texts become the ids that the definition, word by word, gives them."""

import re

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.catalog import ModelSetup, resolve_recipe
from models.data.labeled import LabeledSet
from models.data.text import TEXTS_PER_BLOCK, encode
from models.predict import accuracy, predict
from models.scripts import is_without_spaces
from models.training.train import train


def words_of(text: str) -> list[str]:
    """The definition: lower-cased, punctuation apart, quotes ; : dropped."""
    text = re.sub(r'[";:]', " ", text.lower().replace("<br />", " "))
    text = "".join(f" {c} " if is_without_spaces(c) else c for c in text)
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
CASES = [
    "<br />",
    "<BR />",
    "b",
    "r",
    "a",
    "Z",
    "Σ",
    "İ",
    "ß",
    "é",
    "日",
    "本",
    "す",
    "ㄱ",
    "ก",
    "한",
    "𠀀",
    "😀",
    "\x00",
]
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


class TestScriptsWithoutSpaces:
    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("我喜欢这本书", 6),
            ("この本はiPhoneより good", 8),  # five characters, iPhone, two, good
            ("ฉันรัก", 6),
            ("한국어 문장", 2),
            ("plain words, été", 4),
        ],
    )
    def test_their_characters_are_words(self, text: str, words: int) -> None:
        assert len(encode([text], 1, 50_000_000).token_ids) == words

    def test_they_are_told_from_others(self) -> None:
        told = ["漢字", "かな", "カナ", "ｶﾅ", "ไทย", "ខ្មែរ", "မြန်မာ", "ລາວ", "mixed 字 text"]
        assert all(is_without_spaces(text) for text in told)
        assert not any(
            is_without_spaces(text) for text in ["été", "한국어", "ㄱ", "русский", "。", "😀"]
        )

    @pytest.mark.parametrize("first", [0x4E00, 0x0E01])
    def test_a_proxy_learns_two_classes_from_200_labels(self, first: int) -> None:
        rng = np.random.default_rng(0)
        told = ["".join(chr(first + k) for k in pair) for pair in ((3, 7), (7, 3))]
        texts, labels = [], rng.integers(0, 2, 600)
        for label in labels:
            letters = [chr(first + k) for k in rng.integers(0, 40, 20)]
            at = int(rng.integers(0, 19))
            texts.append("".join([*letters[:at], told[label] * 2, *letters[at:]]))
        recipe = resolve_recipe("fasttext", {})
        inputs = encode(texts, recipe.word_ngrams, recipe.buckets)
        learned, others = np.arange(200), np.arange(200, 600)
        trained = train(
            ModelSetup("fasttext", recipe), LabeledSet(inputs.take(learned), labels[:200], 2), 0
        )
        assert accuracy(predict(trained, inputs.take(others)).probs, labels[200:]) > 0.95
