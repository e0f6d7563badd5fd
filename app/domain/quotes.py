"""Names in error messages: cut, so that no answer grows with entries times names."""

from collections.abc import Sequence

SHOWN_NAMES = 10
SHOWN_CHARACTERS = 100
LISTED_CHARACTERS = 400


def shown(text: str) -> str:
    """Return a text that a user sent, quoted and cut."""
    if len(text) <= SHOWN_CHARACTERS:
        return repr(text)
    return f"{text[:SHOWN_CHARACTERS]!r}... ({len(text)} characters)"


def listed(names: Sequence[str]) -> str:
    """Return the first names and how many more there are."""
    first: list[str] = []
    for name in names[:SHOWN_NAMES]:
        if first and sum(map(len, first)) + len(name) > LISTED_CHARACTERS:
            break
        first.append(name)
    n_more = len(names) - len(first)
    return ", ".join(first) + (f" and {n_more} more" if n_more else "")
