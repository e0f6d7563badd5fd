"""Measured values with their intervals, as several answers show them."""

from app.schemas.bodies import Response


class IntervalOut(Response):
    """A measured value with its 95% interval."""

    value: float
    low: float
    high: float
