"""Answers about brought features."""

from typing import TypedDict


class Features(TypedDict):
    """Brought features: `n` rows of `d` values, one per item of the split."""

    features_hash: str
    n: int
    d: int
