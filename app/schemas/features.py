"""Responses of brought features."""

from app.schemas.bodies import Response


class FeaturesOut(Response):
    """Brought features: a row for each item of the split, `d` values wide."""

    features_hash: str
    n: int
    d: int
