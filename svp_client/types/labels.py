"""Answers about labels."""

from typing import Any, TypedDict

GivenLabel = TypedDict(
    "GivenLabel",
    {
        "annotator": str,
        "class": str,
        "is_flagged": bool,
        "is_excluded": bool,
        "is_adjudication": bool,
        "is_imported": bool,
    },
)
"""One annotator's label of an item."""


ExportedLabel = TypedDict(
    "ExportedLabel",
    {
        "item_id": int,
        "external_id": str,
        "split": str,
        "index": int,
        "class": str,
        "source": str,
        "round": int | None,
        "is_control": bool,
        "method": str,
        "agreement": float,
        "confidence": float | None,
        "labels": list[GivenLabel],
        "flags": list[str],
        "resolved_at": str,
        "metadata": dict[str, Any],
        "text": str | None,
        "image_uri": str | None,
    },
)
"""One resolved label of an export."""


LabelHistory = TypedDict(
    "LabelHistory",
    {
        "annotator": str,
        "class": str,
        "is_flagged": bool,
        "is_excluded": bool,
        "is_adjudication": bool,
        "is_imported": bool,
        "item_id": int,
        "created_at": str,
        "revised_at": str | None,
        "withdrawn_at": str | None,
        "earlier_classes": list[str],
    },
)
"""One annotator's label of an item, with the classes it had before; withdrawn ones too."""
