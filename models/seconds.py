"""Seconds as results: on the clock, and those that CPU cores computed."""

from dataclasses import dataclass, field
from typing import NamedTuple


class Spent(NamedTuple):
    """Seconds on the clock, and those that CPU cores computed, all threads together.

    Processes that this one has started count once they have ended.
    """

    wall: float = 0.0
    cpu: float = 0.0

    def plus(self, other: "Spent") -> "Spent":
        """Return both together."""
        return Spent(self.wall + other.wall, self.cpu + other.cpu)

    def less(self, other: "Spent") -> "Spent":
        """Return this without the other, which it includes."""
        return Spent(self.wall - other.wall, self.cpu - other.cpu)


@dataclass(frozen=True)
class PartSeconds:
    """Seconds by named part: on the clock, and of CPU cores."""

    wall: dict[str, float] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)

    def __or__(self, other: "PartSeconds") -> "PartSeconds":
        """Return the parts of both; of a part that both have, the other's."""
        return PartSeconds(self.wall | other.wall, self.cpu | other.cpu)

    def with_part(self, name: str, spent: Spent) -> "PartSeconds":
        """Return these and one more part."""
        return self | PartSeconds({name: spent.wall}, {name: spent.cpu})
