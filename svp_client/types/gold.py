"""Answers about gold items."""

from typing import TypedDict

GoldItem = TypedDict(
    "GoldItem",
    {
        "item_id": int,
        "external_id": str,
        "class": str,
        "n_answers": int,
        "n_right": int,
    },
)
"""A gold item, how often it was answered, and how often rightly."""


class GoldOutcome(TypedDict):
    """The outcome of one item; `code` and `detail` say why it was refused."""

    external_id: str
    status: str
    code: str | None
    detail: str | None
