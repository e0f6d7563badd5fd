"""Finds models and strategies that installed packages bring by entry points."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, Protocol, TypeVar


class Named(Protocol):
    """An entry of a catalog."""

    @property
    def name(self) -> str:
        """Its name in the API."""


Entry = TypeVar("Entry", bound=Named)


@cache
def installed_points(group: str) -> tuple[EntryPoint, ...]:
    """Return the entry points of the packages that were installed when this process first asked.

    Looking for them reads the folder of every installed package.
    """
    return tuple(entry_points(group=group))


@dataclass(frozen=True)
class BroughtEntries(Generic[Entry]):
    """Entries of one catalog that installed packages bring.

    Attributes:
        group: of their entry points.
        noun: an entry in an error's words, e.g. "model".
        kind: class of the entries.
        taken: names of the bundled entries.
        error: raised with a sentence where an entry point is not what it must be.
    """

    group: str
    noun: str
    kind: type[Entry]
    taken: Collection[str]
    error: type[Exception]

    @property
    def names(self) -> set[str]:
        """Names of all entries that packages bring, whether they load or not."""
        return {point.name for point in installed_points(self.group)}

    def find(self, name: str) -> Entry | None:
        """Return the entry of this name, if a package brings one.

        Raises:
            Exception: as `error`: two packages bring it, or one takes a bundled entry's name, or
                its entry point does not load or is not an entry of that name.
        """
        points = [point for point in installed_points(self.group) if point.name == name]
        if not points:
            return None
        where = f"Entry point {name!r} of {self.group}"
        if name in self.taken:
            raise self.error(f"{where} takes the name of a built-in {self.noun}.")
        if len(points) > 1:
            brought_by = ", ".join(sorted(p.dist.name for p in points if p.dist))
            raise self.error(
                f"{self.noun.capitalize()} {name!r} is brought by more than one package: "
                f"{brought_by}."
            )
        try:
            found = points[0].load()
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            raise self.error(f"{where} does not load: {said}.") from error
        if not isinstance(found, self.kind) or found.name != name:
            kind = f"{self.kind.__module__}.{self.kind.__name__}"
            raise self.error(f"{where} must be a {kind} of that name, not {found!r}.")
        return found
