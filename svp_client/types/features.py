"""Answers about brought features."""

from typing import TypedDict


class Features(TypedDict):
    """Features that were brought: `n` rows, one a pool item, of `d` values."""

    features_hash: str
    n: int
    d: int
