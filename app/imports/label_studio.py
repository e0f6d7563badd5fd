"""Label Studio's exports: JSON, JSON-MIN and CSV."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import groupby, islice
from typing import Any

from app.imports.columns import Columns, RowReader, class_names_of, find_columns
from app.imports.csv_rows import SUFFIXES as CSV_SUFFIXES
from app.imports.csv_rows import Table
from app.imports.files import Entry, Files
from app.imports.found import FileRefused, Found, FoundItem, GivenClass, Options, Refused, Row, Rows
from app.imports.json_objects import columns_of, first_objects, json_entries, objects_of
from app.imports.merged import merged_neighbours

# The columns that Label Studio adds to JSON-MIN and CSV.
ITS_OWN = frozenset(
    {"id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time", "agreement"}
)
MARKS = frozenset({"annotation_id", "annotator", "lead_time"})


def recognises(files: Files) -> bool:
    """Return whether objects have data and annotations, or the columns of JSON-MIN or CSV."""
    objects = first_objects(files)
    if objects:
        return _is_full(objects[0]) or set(objects[0]) >= MARKS
    tables = files.ending(*CSV_SUFFIXES)
    try:
        return bool(tables) and set(Table(tables[0], Options()).names) >= MARKS
    except (FileRefused, UnicodeError):
        return False


def read(files: Files, options: Options) -> Iterator[Found]:
    """Yield an item a task, with the answers of its annotators."""
    for entry in json_entries(files):
        objects = list(islice(objects_of(entry, options), 1))
        is_full = any(not isinstance(row, Refused) and _is_full(row[1]) for row in objects)
        yield from (
            _full(entry, files, options)
            if is_full
            else _flat(objects_of(entry, options), entry, files, options)
        )
    for entry in files.ending(*CSV_SUFFIXES):
        yield from _flat(iter(Table(entry, options)), entry, files, options)


def _is_full(task: Mapping[str, Any]) -> bool:
    return isinstance(task.get("data"), dict) and ("annotations" in task or "id" in task)


def _full(entry: Entry, files: Files, options: Options) -> Iterator[Found]:
    reader: RowReader | None = None
    for row in objects_of(entry, options):
        if isinstance(row, Refused):
            yield row
            continue
        line, task = row
        data = task.get("data")
        if not isinstance(data, dict):
            yield Refused(line, "It is no task of Label Studio: it has no object under data.")
            continue
        if reader is None:
            columns = find_columns(data, options, where=f"data of {entry.name}")
            kept = {k: v for k, v in columns.by_field.items() if k not in ("class", "annotator")}
            reader = RowReader(Columns(kept), files, entry)
        item = reader.item(line, data)
        yield item if isinstance(item, Refused) else _answered(item, task, data)


def _answered(item: FoundItem, task: Mapping[str, Any], data: Mapping[str, Any]) -> Found:
    """Return the item with the task's answers: the newest of each annotator, skips counted."""
    own_id = data.get("external_id") or task.get("id")
    external_id = item.external_id if own_id is None else str(own_id)
    answers = [a for a in task.get("annotations") or [] if isinstance(a, dict)]
    answers.sort(key=lambda answer: str(answer.get("updated_at") or ""))
    labels: dict[str | None, GivenClass] = {}
    n_skips = 0
    for answer in answers:
        if answer.get("was_cancelled"):
            n_skips += 1
            continue
        names = _choices(answer.get("result"))
        if len(names) > 1:
            return Refused(item.line, f"It has {len(names)} choices; an item has one class.")
        who = _person(answer.get("completed_by"))
        if names:
            labels[who] = GivenClass(names[0], who)
    return replace(item, external_id=external_id, labels=tuple(labels.values()), n_skips=n_skips)


def _choices(result: Any) -> list[str]:
    found: list[str] = []
    for part in result if isinstance(result, list) else []:
        if isinstance(part, dict) and part.get("type") == "choices":
            found += class_names_of(part.get("value"))
    return found


def _person(value: Any) -> str | None:
    if isinstance(value, dict):
        value = value.get("email") or value.get("id")
    return None if value is None else str(value)


def _flat(rows: Rows, entry: Entry, files: Files, options: Options) -> Iterator[Found]:
    """Yield the items of JSON-MIN or CSV: a row an answer, of each task the oldest first."""
    return merged_neighbours(_flat_items(_oldest_first(rows), entry, files, options))


def _oldest_first(rows: Rows) -> Rows:
    """Yield the rows with those of a task in the order in which they were given.

    Label Studio writes the newest first.
    """
    for _, group in groupby(rows, _task_of):
        yield from sorted(group, key=_given_at)


def _task_of(row: Row | Refused) -> object:
    return row.line if isinstance(row, Refused) else ("task", str(row[1].get("id")))


def _given_at(row: Row | Refused) -> str:
    return "" if isinstance(row, Refused) else str(row[1].get("updated_at") or "")


def _flat_items(rows: Rows, entry: Entry, files: Files, options: Options) -> Iterator[Found]:
    first = list(islice(rows, 20))
    names = columns_of(row[1] for row in first if not isinstance(row, Refused))
    columns = find_columns(names, options, where=entry.name)
    if columns.one("class") is None:
        columns = replace(
            columns, by_field={**columns.by_field, "class": [_choice_column(names, columns, entry)]}
        )
    own = replace(columns, by_field={**columns.by_field, "metadata": list(ITS_OWN)})
    reader = RowReader(own, files, entry)
    for row in (*first, *rows):
        yield row if isinstance(row, Refused) else reader.item(*row)


def _choice_column(names: list[str], columns: Columns, entry: Entry) -> str:
    """Return the column of the answers, which bears the name of the question.

    Raises:
        FileRefused: several could be it.
    """
    left = [name for name in names if name not in ITS_OWN and name not in columns.used]
    if len(left) == 1:
        return left[0]
    raise FileRefused(
        f"{entry.name}: which column holds the classes? Name it with --map COLUMN=class; it may "
        f"be one of {', '.join(left) or 'none of them'}."
    )
