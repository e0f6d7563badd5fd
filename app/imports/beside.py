"""Labels and metadata that stand in a table of their own, beside the items."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from app.imports.columns import USUAL_NAMES, class_names_of, metadata_of
from app.imports.files import Entry
from app.imports.found import (
    FileRefused,
    Found,
    FoundItem,
    GivenClass,
    Options,
    Refused,
    split_of,
)
from app.imports.tables import rows_of

KEYS = (*USUAL_NAMES["image"], *USUAL_NAMES["external_id"], *USUAL_NAMES["image_uri"])


@dataclass
class Said:
    """A table's values for one item."""

    line: int
    labels: list[GivenClass] = field(default_factory=list)
    split: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    is_used: bool = False


class LabelTable:
    """The rows of a table by the name of the item that they are about.

    A row finds its item by the whole external id, else by the file's name, else by that without
    its suffix.
    """

    def __init__(self, entry: Entry, options: Options) -> None:
        """Read the table into memory.

        Raises:
            FileRefused: it has no column of names.
        """
        self.name = entry.name
        self.refused: list[Refused] = []
        self._rows: dict[str, Said] = {}
        self._columns: dict[str, str] | None = None
        for row in rows_of(entry, options):
            if isinstance(row, Refused):
                self.refused.append(row)
            else:
                self._take(*row, options)
        self._by_file = {PurePosixPath(key).name: said for key, said in self._rows.items()}
        self._by_stem = {PurePosixPath(key).stem: said for key, said in self._rows.items()}

    def applied(self, found: Iterable[Found]) -> Iterator[Found]:
        """Yield the items with what the table says of them; at its end, rows about nothing."""
        for each in found:
            said = self._about(each.external_id) if isinstance(each, FoundItem) else None
            if said is None or not isinstance(each, FoundItem):
                yield each
                continue
            said.is_used = True
            yield replace(
                each,
                labels=tuple(said.labels) or each.labels,
                split=said.split or each.split,
                metadata={**each.metadata, **said.metadata},
            )
        yield from self.refused
        for key, said in self._rows.items():
            if not said.is_used:
                yield Refused(
                    said.line, f"{self.name} speaks of {key[:200]!r}, which is not there."
                )

    def _about(self, external_id: str) -> Said | None:
        path = PurePosixPath(external_id)
        return (
            self._rows.get(external_id)
            or self._by_file.get(path.name)
            or self._by_stem.get(path.name)
            or self._by_stem.get(path.stem)
        )

    def _take(self, line: int, row: Mapping[str, Any], options: Options) -> None:
        columns = self._columns or self._find_columns(row, options)
        self._columns = columns
        key = str(row.get(columns["key"]) or "").strip()
        if not key:
            self.refused.append(Refused(line, f"It names no item in {columns['key']!r}."))
            return
        said = self._rows.setdefault(key.replace("\\", "/"), Said(line))
        annotator = row.get(columns.get("annotator", "")) or None
        for name in class_names_of(row.get(columns.get("class", ""))):
            said.labels.append(GivenClass(name, None if annotator is None else str(annotator)))
        split = row.get(columns.get("split", ""))
        said.split = said.split if split in (None, "") else split_of(split)
        said.metadata = {**said.metadata, **metadata_of(row, columns.values())}

    def _find_columns(self, row: Mapping[str, Any], options: Options) -> dict[str, str]:
        lower = {name.strip().lower(): name for name in reversed(list(row))}
        found = {
            field: next((lower[name] for name in names if name in lower), "")
            for field, names in (("key", KEYS), *USUAL_NAMES.items())
            if field in ("key", "class", "split", "annotator")
        }
        for column, name in options.columns.items():
            if column in row:
                is_key = name in ("image", "image_uri", "external_id")
                found["key" if is_key else name] = column
        if not found["key"]:
            raise FileRefused(
                f"No column of {self.name} names the items; it has {', '.join(row)[:500]}. Name "
                "it with --map COLUMN=external_id."
            )
        return {name: column for name, column in found.items() if column}
