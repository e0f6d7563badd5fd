"""Encoders that turn a model's texts into ids."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from models.catalog import Encoding
from models.data.arrays import Texts
from models.data.characters import encode_characters
from models.data.text import encode
from models.recipe import Recipe

# So many ids that two words rarely share one, and each has eight digits.
WORDS = 50_000_000


@dataclass(frozen=True)
class TextEncoder:
    """Turns texts into ids; two encoders of the same key give the same ids."""

    key: str
    encode: Callable[[Sequence[str]], Texts]


def text_encoder(encoding: Encoding, recipe: Recipe) -> TextEncoder:
    """Return the encoder of a model's texts.

    Raises:
        ValueError: the encoding is not one of texts.
    """
    if encoding is Encoding.CHARACTERS:
        n = recipe.max_chars
        return TextEncoder(f"characters-{n}", lambda texts: encode_characters(texts, n))
    if encoding is Encoding.WORDS:
        return TextEncoder(f"words-{WORDS}", lambda texts: encode(texts, 1, WORDS))
    if encoding is Encoding.WORD_NGRAMS:
        longest, buckets = recipe.word_ngrams, recipe.buckets
        return TextEncoder(
            f"text-{longest}-{buckets}", lambda texts: encode(texts, longest, buckets)
        )
    raise ValueError(f"There is no encoder that turns texts into {encoding}.")
