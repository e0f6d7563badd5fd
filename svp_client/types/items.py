"""Answers about items and imports."""

from typing import Any, TypedDict


class Content(TypedDict):
    """Content for the annotator: a text, or the URL of an image."""

    text: str | None
    image_url: str | None


Item = TypedDict(
    "Item",
    {
        "item_id": int,
        "external_id": str,
        "split": str,
        "index": int,
        "content": Content,
        "class": str | None,
        "metadata": dict[str, Any],
        "erased_at": str | None,
    },
)
"""An item; annotators see its ids and its content only."""


class ListedItem(Item):
    """An item with what is known of it."""

    state: str
    label: str | None
    method: str | None
    agreement: float | None
    confidence: float | None
    n_labels: int
    round: int | None
    score: float | None
    suggestion: str | None
    gold_class: str | None
    is_control: bool
    is_flagged: bool
    is_disputed: bool


class LineError(TypedDict):
    """The reason why one line or file, counted from 1, was refused."""

    line: int
    external_id: str | None
    code: str
    detail: str


class ImportResult(TypedDict):
    """The result of an import; a bad line does not stop the others."""

    n_created: int
    n_updated: int
    n_known: int
    n_failed: int
    n_without_spaces: int
    n_labels: int
    errors: list[LineError]


class ErasedItems(TypedDict):
    """How many items were erased."""

    n_erased: int
