"""A labeled item, as writers take it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

UNSAFE = frozenset('<>:"/\\|?*')
MAX_NAME_BYTES = 200
# Names that Windows keeps for itself.
RESERVED = frozenset(
    {"con", "prn", "aux", "nul", *(f"{p}{i}" for p in ("com", "lpt") for i in range(1, 10))}
)


@dataclass(frozen=True)
class LabeledItem:
    """One resolved label with its item.

    Attributes:
        split: pool, or evaluation.
        values: flat columns, in order; `class` is among them.
        metadata: what the import said of the item.
        given: class by annotator.
        text: the item's text; None: it is an image.
        image: reads the bytes of its image; None where they are gone.
    """

    external_id: str
    split: str
    class_name: str
    values: Mapping[str, Any]
    metadata: Mapping[str, Any]
    given: Mapping[str, str]
    text: str | None = None
    image: Callable[[], bytes | None] | None = None


def safe_name(name: str) -> str:
    """Return the name as a file's or folder's own name on every system: no path, no surprises."""
    kept = "".join("_" if c in UNSAFE or ord(c) < 32 else c for c in name).strip(" .")
    while len(kept.encode()) > MAX_NAME_BYTES:
        path = PurePosixPath(kept)
        kept = path.stem[:-1] + path.suffix if len(path.suffix) < 10 else kept[:-1]
    is_reserved = kept.partition(".")[0].lower() in RESERVED
    return f"_{kept}" if is_reserved or not kept else kept
