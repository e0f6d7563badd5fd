"""Turns rows of named columns into items: by the user's word, else by the columns' usual names."""

import base64
import binascii
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from app.imports.answer_columns import LIST, answer_columns, answers_in, holds_answers
from app.imports.files import Entry, Files
from app.imports.found import FileRefused, FoundItem, GivenClass, Options, Refused, split_of

SHOWN_COLUMNS = 20
# The names that people give columns, by field; the first that a file has is taken.
USUAL_NAMES: Mapping[str, Sequence[str]] = {
    "external_id": ("external_id", "id", "uid", "uuid", "item_id", "_id"),
    "text": ("text", "sentence", "review", "content", "body", "comment", "message", "document",
             "tweet", "review_text", "utterance", "query"),
    "image": ("image", "file_name", "filename", "file", "path", "image_path", "image_file",
              "filepath", "file_path", "img"),
    "image_uri": ("image_uri", "image_url", "url", "uri"),
    "class": ("class", "label", "labels", "category", "target", "sentiment", "choice", "class_name",
              "label_name", "topic", "intent"),
    "split": ("split", "subset", "fold", "partition"),
    "annotator": ("annotator", "annotator_id", "_annotator_id", "worker", "worker_id", "labeler",
                  "annotated_by"),
}  # fmt: skip
WRITTEN_AS_TEXT = (date, datetime, time, Decimal, UUID)


@dataclass(frozen=True)
class Columns:
    """Roles of the columns; several texts are joined by a blank line.

    Attributes:
        by_field: columns by field.
        class_names: of a column whose classes are numbers, where the file names them.
        of_annotators: columns that hold the answers of one annotator each.
    """

    by_field: Mapping[str, Sequence[str]]
    class_names: Sequence[str] = ()
    of_annotators: Sequence[str] = ()

    def one(self, field: str) -> str | None:
        """Return the field's column, or None."""
        return next(iter(self.by_field.get(field, ())), None)

    @property
    def used(self) -> frozenset[str]:
        """The columns that are no metadata."""
        named = (column for columns in self.by_field.values() for column in columns)
        return frozenset((*named, *self.of_annotators))


def find_columns(
    names: Iterable[str],
    options: Options,
    *,
    where: str,
    is_guessed: bool = True,
    class_names: Sequence[str] = (),
) -> Columns:
    """Return the columns' meanings.

    Args:
        names: of the columns.
        options: what the user says.
        where: names the file in errors.
        is_guessed: whether usual names count; False for files without a header.
        class_names: by number.

    Raises:
        FileRefused: a mapped column is missing, or no column holds a text or an image.
    """
    known = list(names)
    missing = [name for name in options.columns if name not in known]
    if missing:
        raise FileRefused(
            f"{where} has no column {missing[0]!r}; it has {_listed(known)}. Correct --map."
        )
    by_field: dict[str, list[str]] = {}
    for column, field in options.columns.items():
        by_field.setdefault(field, []).append(column)
    if is_guessed:
        _add_usual(by_field, [name for name in known if name not in options.columns])
    if not any(by_field.get(field) for field in ("text", "image", "image_uri")):
        raise FileRefused(
            f"No column of {where} is known to hold a text or an image; it has {_listed(known)}. "
            "Name it with --map COLUMN=text (or =image, =image_uri), and the class, if there is "
            "one, with --map COLUMN=class."
        )
    free = [name for name in known if name not in options.columns] if is_guessed else []
    return Columns(by_field, class_names, answer_columns(free))


def _add_usual(by_field: dict[str, list[str]], names: Sequence[str]) -> None:
    """Add the columns of the fields that are not given, by their usual names."""
    lower = {name.strip().lower(): name for name in reversed(names)}
    taken: set[str] = set()
    has_content = any(by_field.get(field) for field in ("text", "image", "image_uri"))
    for field, usual in USUAL_NAMES.items():
        if field in by_field or (has_content and field in ("text", "image", "image_uri")):
            continue
        found = next((lower[name] for name in usual if name in lower), None)
        if found is not None and found not in taken:
            by_field[field] = [found]
            taken.add(found)
            has_content |= field in ("text", "image", "image_uri")


@dataclass(frozen=True)
class RowReader:
    """Makes items of the rows of one file.

    Attributes:
        columns: what they hold.
        files: where images that rows name lie.
        entry: the file.
        split: of rows that say none.
    """

    columns: Columns
    files: Files
    entry: Entry
    split: str | None = None

    def item(self, line: int, row: Mapping[str, Any]) -> FoundItem | Refused:
        """Return the item of a row, or why there is none."""
        named = _as_text(self._value(row, "external_id"))
        external_id = named or f"{self.entry.stem}-{line}"
        try:
            return FoundItem(
                line,
                external_id,
                labels=self._labels(row),
                split=self._split(row),
                metadata=metadata_of(row, self._used(row)),
                **self._content(row),
            )
        except _NoItem as fault:
            return Refused(line, str(fault), named)

    def _value(self, row: Mapping[str, Any], field: str) -> Any:
        column = self.columns.one(field)
        value = row.get(column) if column is not None else None
        is_nan = isinstance(value, float) and math.isnan(value)
        return None if is_nan or value == "" else value

    def _content(self, row: Mapping[str, Any]) -> dict[str, Any]:
        texts = [_as_text(row.get(column)) for column in self.columns.by_field.get("text", ())]
        if texts:
            text = "\n\n".join(text for text in texts if text and not text.isspace())
            if not text:
                raise _NoItem("It has no text; leave such rows out.")
            return {"text": text}
        uri = self._value(row, "image_uri")
        if uri is not None:
            return {"image_uri": str(uri)}
        image = self._value(row, "image")
        if image is None:
            raise _NoItem("It names no image; leave such rows out.")
        return image_of(image, self.files, self.entry)

    def _used(self, row: Mapping[str, Any]) -> frozenset[str]:
        used = self.columns.used
        return used | {LIST} if holds_answers(row.get(LIST)) else used

    def _labels(self, row: Mapping[str, Any]) -> tuple[GivenClass, ...]:
        answers = answers_in(row, self.columns.of_annotators)
        if answers:  # a class beside them is what they were resolved to
            return answers
        names = class_names_of(self._value(row, "class"), self.columns.class_names)
        if len(names) > 1:
            raise _NoItem(f"It has {len(names)} classes; an item has one. Keep the right one.")
        annotator = _as_text(self._value(row, "annotator"))
        return tuple(GivenClass(name, annotator) for name in names)

    def _split(self, row: Mapping[str, Any]) -> str | None:
        value = self._value(row, "split")
        if value is None:
            return self.split
        split = split_of(value)
        if split is None:
            raise _NoItem(
                f"There is no split {str(value)[:100]!r}; use pool (or train) and evaluation (or "
                "test, validation)."
            )
        return split


class _NoItem(ValueError):
    """A row is no item; the sentence says why."""


def image_of(value: Any, files: Files, beside: Entry) -> dict[str, Any]:
    """Return the image that a cell holds or names, as FoundItem takes it.

    Raises:
        ValueError: there is no such file; the sentence says what to do.
    """
    if isinstance(value, Mapping):
        data, value = value.get("bytes"), value.get("path")
        if isinstance(data, bytes):
            return {"image": lambda: data}
    if isinstance(value, bytes):
        return {"image": lambda: value}
    if not isinstance(value, str) or not value:
        raise _NoItem("It names no image; leave such rows out.")
    if value.startswith("data:"):
        return {"image": _of_data_uri(value)}
    if "://" in value:
        return {"image_uri": value}
    found = files.find(value, beside)
    if found is None:
        raise _NoItem(
            f"There is no file {value[:200]!r} beside {beside.name}; correct the name, or map the "
            "column to image_uri where the service is to read it."
        )
    return {"image": found.read}


def _of_data_uri(value: str) -> Callable[[], bytes]:
    head, _, content = value.partition(",")
    try:
        data = base64.b64decode(content, validate=True)
    except binascii.Error:
        data = b""
    if not data or not head.endswith(";base64"):
        raise _NoItem("Its image is no base64 of a data: URI.")
    return lambda: data


def class_names_of(value: Any, names: Sequence[str] = ()) -> list[str]:
    """Return the classes that a cell holds; numbers by their names, -1 of them is none."""
    if isinstance(value, Mapping):
        value = value.get("choices")
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return []
    if isinstance(value, list | tuple):
        return [name for part in value for name in class_names_of(part, names)]
    if names and isinstance(value, int) and not isinstance(value, bool):
        return [names[value]] if 0 <= value < len(names) else []
    text = _as_text(value)
    return [text] if text else []


def metadata_of(row: Mapping[str, Any], used: Iterable[str]) -> dict[str, Any]:
    """Return the other columns' values, those that JSON can hold; empty ones are left out."""
    left = {}
    for name, value in row.items():
        if name in used or value is None or value == "" or isinstance(value, bytes):
            continue
        if isinstance(value, float) and not math.isfinite(value):
            continue
        left[name] = str(value) if isinstance(value, WRITTEN_AS_TEXT) else value
    return left


def _as_text(value: Any) -> str | None:
    """Return a cell as text: whole numbers without a point, as pandas writes them beside gaps."""
    if value is None or isinstance(value, Mapping | list):
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value if isinstance(value, str) else str(value)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(str(name)[:100] for name in names[:SHOWN_COLUMNS])
    return f"{shown} and {len(names) - SHOWN_COLUMNS} more" if len(names) > SHOWN_COLUMNS else shown
