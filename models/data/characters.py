"""Turns texts into character ids, which VDCNN reads.

Source: Conneau et al. 2017, section 4.2: 67 symbols, among them the space; with unknown and padding
the vocabulary has 69.
"""

from collections.abc import Sequence

import numpy as np

from models.data.arrays import Texts

SYMBOLS = "abcdefghijklmnopqrstuvwxyz0123456789-,;.!?:'\"/|_#$%^&*~`+=<>()[]{} "
PADDING, UNKNOWN = 0, 1
VOCABULARY_SIZE = len(SYMBOLS) + 2
CHUNK = 16_384


def _table() -> np.ndarray:
    """Return the id of each code point below 128, and UNKNOWN as the last entry for all others."""
    table = np.full(129, UNKNOWN, np.int32)
    table[[ord(symbol) for symbol in SYMBOLS]] = np.arange(2, VOCABULARY_SIZE)
    return table


IDS = _table()


def encode_characters(texts: Sequence[str], max_chars: int) -> Texts:
    """Return the ids of each text's first `max_chars` characters, lower-cased; no padding."""
    parts = [np.empty(0, np.int32)]
    lengths = np.empty(len(texts), np.int64)
    for start in range(0, len(texts), CHUNK):
        chunk = [t[:max_chars].lower()[:max_chars] for t in texts[start : start + CHUNK]]
        lengths[start : start + CHUNK] = [len(text) for text in chunk]
        # Lone surrogates occur in broken data; they are unknown characters like others.
        data = "".join(chunk).encode("utf-32-le", "surrogatepass")
        parts.append(IDS[np.minimum(np.frombuffer(data, "<u4"), 128)])
    return Texts(np.concatenate(parts), np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))
