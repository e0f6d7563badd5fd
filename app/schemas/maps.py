"""The response of a map."""

from app.schemas.bodies import Response
from app.schemas.jobs import MadeByJobOut


class MapResult(Response):
    """A drawn map: by which model's features, of how many items of the pool.

    `explained` is the share of the features' variance along each axis; `model_id` is null where
    brought features were drawn.
    """

    model_id: int | None
    n: int
    n_pool: int
    explained: list[float]


class MapPointsOut(Response):
    """Points in columns: place i of each list is one item's.

    `x` and `y` lie within -1 and 1. `class` is an index into the project's classes, null without a
    label; `state` is that of the item: labeled, open, skipped or unlabeled. `round` and `score` are
    null for an item that no round selected.
    """

    item_id: list[int]
    x: list[float]
    y: list[float]
    class_index: list[int | None]
    state: list[str]
    round: list[int | None]
    score: list[float | None]


class MapOut(MadeByJobOut):
    """The newest map that was asked for, with its job; `result` and `points` of the newest drawn.

    Both are null before the first is drawn. Labels and states are those of now.
    """

    result: MapResult | None
    points: MapPointsOut | None
