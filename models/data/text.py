"""Turns texts into token ids: fastText's normalisation and hashed word n-grams, in blocks.

Source: fastText and the published code of Selection via Proxy. Difference: single words are hashed
into the buckets too, where fastText keeps a vocabulary of them, so that ids do not depend on the
labeled set.

Characters of scripts that are written without spaces (Chinese, Japanese, Thai, ...) are a word
each, so that n-grams of words are n-grams of characters there; other texts keep their ids.

A block of texts becomes one string of bytes, one text a line, that two compiled loops read.
"""

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
import numpy.typing as npt
from numba import njit

from models.data.arrays import Texts
from models.data.types import IntArray
from models.scripts import HANGUL_LETTERS, WITHOUT_SPACES

TEXTS_PER_BLOCK = 4096
SINGLE = b"'.,()!?"  # a word each, wherever they stand
DROPPED = b'";:'
ASCII_SPACES = b" \t\x0b\x0c\r\x1c\x1d\x1e\x1f"
# What str.split() takes as space beyond ASCII. A newline ends a text here.
WIDE_SPACES = tuple(
    chr(code).encode()
    for code in (0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000)
)
LETTER, SPACE, ALONE, TEXT_END = range(4)
FIRST_OF_THREE, FIRST_OF_FOUR = 0xE0, 0xF0  # bytes that begin UTF-8 of three and of four


def _kinds_of_bytes() -> npt.NDArray[np.uint8]:
    kinds = np.full(256, LETTER, np.uint8)
    kinds[list(ASCII_SPACES + DROPPED)] = SPACE
    kinds[list(SINGLE)] = ALONE
    kinds[ord("\n")] = TEXT_END
    return kinds


KINDS = _kinds_of_bytes()

UIntArray = npt.NDArray[np.uint64]


def normalize(texts: Iterable[str]) -> bytes:
    """Return the texts in lower case as UTF-8, each ended by a newline, all space as bytes < 128.

    Quotes, semicolons and colons still stand; `encode` treats them as space.
    """
    # A newline within a text would end it; a vertical tab is space too.
    lines = "".join([text.replace("\n", "\x0b") + "\n" for text in texts])
    block = lines.lower().encode().replace(b"<br />", b" ")
    if not lines.isascii():
        for space in WIDE_SPACES:
            block = block.replace(space, b" ")
    return block


def encode(texts: Iterable[str], word_ngrams: int, buckets: int) -> Texts:
    """Return the texts as ids in 0..buckets - 1; a text without words has no ids.

    Words are lower-cased, punctuation and characters of scripts without spaces stand apart, and
    each n-gram of 1..word_ngrams words is one id, in the order of its first word.
    """
    ids, lengths = [np.empty(0, np.int32)], [np.empty(0, np.int64)]
    for block in _blocks(texts):
        text = np.frombuffer(normalize(block), np.uint8)
        hashes, ends = _word_hashes(text, KINDS, len(block))
        found, n_ids = _ngram_ids(hashes, ends, word_ngrams, buckets)
        ids.append(found)
        lengths.append(n_ids)
    offsets = np.concatenate([[0], np.cumsum(np.concatenate(lengths))]).astype(np.int64)
    return Texts(np.concatenate(ids), offsets)


def _blocks(texts: Iterable[str]) -> Iterator[list[str]]:
    iterator = iter(texts)
    while block := list(islice(iterator, TEXTS_PER_BLOCK)):
        yield block


@njit(cache=True, nogil=True)
def _size_of_word(text: npt.NDArray[np.uint8], at: int) -> int:
    """Return how many bytes a character has that is a word by itself; 1 for any other."""
    size = 3 if text[at] < FIRST_OF_FOUR else 4
    code = np.int64(text[at]) & (0x0F if size == 3 else 0x07)
    for following in range(at + 1, at + size):
        code = (code << 6) | (np.int64(text[following]) & 0x3F)
    if HANGUL_LETTERS[0] <= code <= HANGUL_LETTERS[1]:
        return 1
    for first, last in WITHOUT_SPACES:
        if first <= code <= last:
            return size
    return 1


@njit(cache=True, nogil=True)
def _word_hashes(
    text: npt.NDArray[np.uint8], kinds: npt.NDArray[np.uint8], n_texts: int
) -> tuple[UIntArray, IntArray]:
    """Return 32-bit FNV-1a hashes of the words' bytes, and after which word each text ends.

    fastText sign-extends each byte before the xor.
    """
    prime, mask = np.uint64(16777619), np.uint64(0xFFFFFFFF)
    start, sign = np.uint64(2166136261), np.uint64(0xFFFFFF00)
    hashes = np.empty(len(text) + 1, np.uint64)
    ends = np.empty(n_texts, np.int64)
    n_words, row, value, in_word, at = 0, 0, start, False, 0
    while at < len(text):
        byte = text[at]
        at += 1
        kind = kinds[byte]
        size = 1
        if byte >= FIRST_OF_THREE:
            size = _size_of_word(text, at - 1)
        if kind == LETTER and size == 1:
            wide = np.uint64(byte)
            if byte > 127:
                wide |= sign
            value = ((value ^ wide) * prime) & mask
            in_word = True
            continue
        if in_word:
            hashes[n_words] = value
            n_words += 1
            value, in_word = start, False
        if size > 1:
            for part in text[at - 1 : at - 1 + size]:
                value = ((value ^ (np.uint64(part) | sign)) * prime) & mask
            hashes[n_words] = value
            n_words += 1
            value = start
            at += size - 1
        elif kind == ALONE:
            hashes[n_words] = ((start ^ np.uint64(byte)) * prime) & mask
            n_words += 1
        elif kind == TEXT_END:
            ends[row] = n_words
            row += 1
    return hashes[:n_words], ends


@njit(cache=True, nogil=True)
def _ngram_ids(
    hashes: UIntArray, ends: IntArray, word_ngrams: int, buckets: int
) -> tuple[npt.NDArray[np.int32], IntArray]:
    """Return the bucket of each n-gram of 1..word_ngrams words, and how many each text has."""
    factor, n_buckets = np.uint64(116049371), np.uint64(buckets)
    ids = np.empty(len(hashes) * word_ngrams, np.int32)
    lengths = np.empty(len(ends), np.int64)
    n, start = 0, 0
    for row, end in enumerate(ends):
        before = n
        for first in range(start, end):
            value = hashes[first]
            ids[n] = value % n_buckets
            n += 1
            for following in range(first + 1, min(first + word_ngrams, end)):
                value = value * factor + hashes[following]
                ids[n] = value % n_buckets
                n += 1
        lengths[row] = n - before
        start = end
    return ids[:n].copy(), lengths
