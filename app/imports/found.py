"""The things that readers yield: items as a file holds them, and what they refuse of it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

FIELDS = ("external_id", "text", "image", "image_uri", "class", "split", "annotator", "ignore")
SPLITS = {
    "train": "pool",
    "training": "pool",
    "pool": "pool",
    "unlabeled": "pool",
    "evaluation": "evaluation",
    "eval": "evaluation",
    "test": "evaluation",
    "testing": "evaluation",
    "val": "evaluation",
    "valid": "evaluation",
    "validation": "evaluation",
    "dev": "evaluation",
}


class FileRefused(ValueError):
    """A file cannot be read at all; the message says what to do."""


@dataclass(frozen=True, slots=True)
class GivenClass:
    """A class that someone gave an item; `annotator` is None where the file names nobody."""

    class_name: str
    annotator: str | None = None


@dataclass(frozen=True, slots=True)
class FoundItem:
    """One item of a file; exactly one of text, image and image_uri is set.

    Attributes:
        line: where it stands: line, row or file, counted from 1.
        external_id: the file's own id, or one made of the file's name and the line.
        text: its text.
        image: reads the bytes of its image; call it before the next item is asked for.
        image_uri: where the image lies; the service reads it.
        labels: classes in it, one an annotator; none: it is not labeled.
        split: pool or evaluation; None: the file does not say.
        metadata: what else the file says of it.
        n_skips: how many answers to it were skipped, discarded or rejected.
    """

    line: int
    external_id: str
    text: str | None = None
    image: Callable[[], bytes] | None = None
    image_uri: str | None = None
    labels: tuple[GivenClass, ...] = ()
    split: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    n_skips: int = 0


@dataclass(frozen=True, slots=True)
class Refused:
    """A line, row or file that is no item; `detail` says what to do."""

    line: int
    detail: str
    external_id: str | None = None


Found = FoundItem | Refused
Row = tuple[int, dict[str, Any]]  # (line, value by column)
Rows = Iterator[Row | Refused]


@dataclass(frozen=True)
class Options:
    """The user's statements about the files.

    Attributes:
        columns: column -> field, one of FIELDS, in place of the guess by the column's name.
        encoding: of text files; None: found out.
        delimiter: of CSV; None: found out.
        annotators: name in the file -> name here, e.g. of the numbers by which a tool knows people.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    encoding: str | None = None
    delimiter: str | None = None
    annotators: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what is no field."""
        for column, name in self.columns.items():
            if name not in FIELDS:
                raise FileRefused(
                    f"There is no field {name!r} to map {column!r} to; use one of "
                    f"{', '.join(FIELDS)}."
                )


def split_of(value: object) -> str | None:
    """Return pool or evaluation for the name of a split; None where it is neither."""
    return SPLITS.get(str(value).strip().lower())
