"""A project's classes beside their names: hints, the order in which they are shown, retired ones.

A class keeps its index for ever, since labels, models and stored files name classes by it. What
changes is what it is called, where it is shown, and whether labels may still name it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from app.domain.json_fields import from_json
from app.domain.names import class_index


@dataclass(frozen=True)
class ClassSettings:
    """What is said of classes, by index.

    Attributes:
        hints: for annotators, by index as text.
        order: indices in the order shown; those missing follow by index.
        retired: indices of classes that no label may name any more.
        merged: index as text -> index of the class that it became part of.
    """

    hints: Mapping[str, str] = field(default_factory=dict)
    order: Sequence[int] = ()
    retired: Sequence[int] = ()
    merged: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the values as the database keeps them."""
        return asdict(self)


@dataclass(frozen=True)
class ShownClass:
    """A class as people see it."""

    index: int
    name: str
    hint: str
    is_retired: bool


def class_settings(stored: Mapping[str, Any]) -> ClassSettings:
    """Return stored settings."""
    return from_json(ClassSettings, stored)


def shown_classes(names: Sequence[str], stored: Mapping[str, Any]) -> list[ShownClass]:
    """Return all classes in the order in which they are shown, the retired ones last."""
    known = class_settings(stored)
    rank = {index: position for position, index in enumerate(known.order)}
    indices = sorted(
        range(len(names)), key=lambda i: (i in known.retired, rank.get(i, len(rank)), i)
    )
    return [
        ShownClass(i, names[i], known.hints.get(str(i), ""), i in known.retired) for i in indices
    ]


def offered_names(names: Sequence[str], stored: Mapping[str, Any]) -> list[str]:
    """Return the names that labels may have, in the order shown."""
    return [shown.name for shown in shown_classes(names, stored) if not shown.is_retired]


def offered_index(names: Sequence[str], stored: Mapping[str, Any], name: str) -> int | None:
    """Return the index that a label of this name gets; None: no label may have it.

    A class that was merged into another stands for that one.
    """
    index, known = class_index(names, name), class_settings(stored)
    while index is not None and str(index) in known.merged:
        index = known.merged[str(index)]
    return None if index in known.retired else index
