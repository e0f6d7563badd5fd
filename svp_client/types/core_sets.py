"""Answers about core-sets."""

from typing import Any, TypedDict


class CoreSet(TypedDict):
    """A core-set; its items can be read once `state` is `succeeded`."""

    id: int
    strategy: str
    budget: int
    class_balance: bool
    initial_uniform: int
    model: str
    recipe: dict[str, Any]
    seed: int
    draw_seed: int | None
    score_epochs: list[int]
    job_id: int
    state: str
    progress: dict[str, Any]
    error: str | None
    n_labeled: int | None
    label_version: int | None
    seconds: dict[str, float]
    cpu_seconds: dict[str, float]
    provenance: dict[str, Any]
    weights_hash: str | None
    created_at: str


CoreSetItem = TypedDict(
    "CoreSetItem",
    {
        "rank": int,
        "item_id": int,
        "external_id": str,
        "index": int,
        "class": str,
        "score": float,
    },
)
"""One kept item; `rank` 0 was selected first, `class` is the label it was selected with."""


class CoreSetScores(TypedDict):
    """The selection model after one epoch of its training; epochs count from 1."""

    epoch: int
    accuracy: float | None
    train_seconds: float
    train_cpu_seconds: float | None
