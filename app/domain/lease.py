"""Leases on slots as pure functions: which slot an annotator's answer fills.

Each item of a batch has `labels_per_item` slots; a slot is free, leased to an annotator, or filled
by a label.
"""

from collections.abc import Sequence
from typing import Protocol, TypeVar


class Slot(Protocol):
    """What the rules need of a slot; expired leases are freed before they are asked."""

    slot: int
    leased_by: int | None
    filled: bool


AnySlot = TypeVar("AnySlot", bound=Slot)


def slot_for_answer(slots: Sequence[AnySlot], annotator_id: int) -> AnySlot | None:
    """Return the slot that an answer of this annotator fills, or None if all belong to others.

    The slot leased to the annotator, else the first free one: an answer for an item that nobody
    holds is taken as if it had been leased.
    """
    own = (slot for slot in slots if slot.leased_by == annotator_id and not slot.filled)
    free = (slot for slot in slots if slot.leased_by is None)
    return next(own, None) or next(free, None)


def is_committed(slots: Sequence[Slot]) -> bool:
    """Return whether an annotator holds the item or has answered: the budget counts it."""
    return any(slot.leased_by is not None for slot in slots)
