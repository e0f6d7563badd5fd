"""Leases on slots as pure functions: which slot an annotator's answer fills.

Each item of a batch has a slot for each label that it wants; a slot is free, leased to an
annotator, or filled by a label. A slot may be kept for one annotator, or for an adjudicator.
"""

from collections.abc import Sequence
from typing import Protocol, TypeVar


class Slot(Protocol):
    """A slot as the rules see it; expired leases are freed before the rules apply."""

    slot: int
    leased_by: int | None
    filled: bool
    reserved_for: int | None
    for_adjudicator: bool


AnySlot = TypeVar("AnySlot", bound=Slot)


def slot_for_answer(
    slots: Sequence[AnySlot], annotator_id: int, *, is_adjudicator: bool = False
) -> AnySlot | None:
    """Return the slot that an answer of this annotator fills, or None if all belong to others.

    The slot leased to the annotator, or a free one kept for them, or the first free one
    that is not kept for others: an answer for an item that nobody holds is taken as if it had been
    leased.
    """
    own = (slot for slot in slots if slot.leased_by == annotator_id and not slot.filled)
    free = [
        slot
        for slot in slots
        if slot.leased_by is None
        and slot.reserved_for in (None, annotator_id)
        and (is_adjudicator or not slot.for_adjudicator)
    ]
    free.sort(key=lambda slot: slot.reserved_for is None)
    return next(own, None) or next(iter(free), None)


def is_committed(slots: Sequence[Slot]) -> bool:
    """Return whether an annotator holds the item or has answered: the budget counts it."""
    return any(slot.leased_by is not None for slot in slots)
