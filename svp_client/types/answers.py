"""Answers about the outcome of labels, skips and other answers."""

from typing import TypedDict


class AnswerOutcome(TypedDict):
    """The outcome of one entry; `code` and `detail` say why it was refused."""

    item_id: int
    status: str
    code: str | None
    detail: str | None
