"""Argilla 2: records as `records.to_json` writes them, or flat, as `to_list(flatten=True)` does.

Flat ones have answers under `QUESTION.responses`. The others do not say which were discarded.
"""

from collections.abc import ItemsView, Iterator, Mapping
from dataclasses import replace
from typing import Any

from app.imports.columns import Columns, RowReader, class_names_of, find_columns
from app.imports.files import Entry, Files
from app.imports.found import FileRefused, Found, FoundItem, GivenClass, Options, Refused
from app.imports.json_objects import columns_of, first_objects, json_entries, objects_of

ANSWERS = ".responses"
ITS_OWN = ("status", "_server_id")
NESTED = frozenset({"fields", "responses", "suggestions"})


def recognises(files: Files) -> bool:
    """Return whether an object has the answers to a question, or is a record with its parts."""
    return any(
        _is_nested(row) or any(key.endswith(ANSWERS) for key in row) for row in first_objects(files)
    )


def read(files: Files, options: Options) -> Iterator[Found]:
    """Yield an item a record, with what each user submitted."""
    for entry in json_entries(files):
        sample = first_objects(Files([entry]))
        names = columns_of([dict(_flat(row)) for row in sample])
        if any(_is_nested(row) for row in sample):
            names = list(dict.fromkeys([*names, *_answered_anywhere(entry, options)]))
        question = _question(names, options, entry)
        mapped = {c: f for c, f in options.columns.items() if f != "class"}
        fields = [name for name in names if "." not in name]
        columns = find_columns(fields, replace(options, columns=mapped), where=entry.name)
        kept = {k: v for k, v in columns.by_field.items() if k not in ("class", "annotator")}
        answers = [name for name in names if name.startswith(f"{question}.")]
        kept["metadata"] = [*answers, question, *ITS_OWN]
        reader = RowReader(Columns(kept), files, entry)
        for row in objects_of(entry, options):
            if isinstance(row, Refused):
                yield row
                continue
            line, said = row[0], _flat(row[1])
            found = reader.item(line, said)
            yield found if isinstance(found, Refused) else _answered(found, said, question)


def _answered_anywhere(entry: Entry, options: Options) -> Iterator[str]:
    """Yield the names of answers of all records: those of the first may have none."""
    for row in objects_of(entry, options):
        if not isinstance(row, Refused):
            for question, _ in _of(row[1], "responses"):
                yield from (f"{question}{ANSWERS}", f"{question}{ANSWERS}.users")


def _is_nested(row: Mapping[str, Any]) -> bool:
    return row.keys() >= NESTED and isinstance(row["fields"], dict)


def _flat(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a record as Argilla flattens it; a flat one as it is."""
    if not _is_nested(row):
        return row
    flat = {name: row.get(name) for name in ("id", *ITS_OWN)}
    flat |= {name: value for part in ("metadata", "fields") for name, value in _of(row, part)}
    for question, answers in _of(row, "responses"):
        given = [answer for answer in answers if isinstance(answer, dict)]
        flat[f"{question}{ANSWERS}"] = [answer.get("value") for answer in given]
        flat[f"{question}{ANSWERS}.users"] = [answer.get("user_id") for answer in given]
    return flat


def _of(row: Mapping[str, Any], part: str) -> ItemsView[str, Any]:
    """Return the names and values of a part; none where it is null."""
    return (row.get(part) or {}).items()


def _question(names: list[str], options: Options, entry: Entry) -> str:
    """Return the question whose answers are the classes; "" where nothing was answered.

    Raises:
        FileRefused: there are several.
    """
    mapped = [c for c, field in options.columns.items() if field == "class"]
    found = mapped or [name.removesuffix(ANSWERS) for name in names if name.endswith(ANSWERS)]
    if not found:
        return ""
    if len(found) != 1:
        raise FileRefused(
            f"{entry.name} has several questions ({', '.join(found)}); name the one of the classes "
            "with --map QUESTION=class."
        )
    return found[0].removesuffix(ANSWERS)


def _answered(item: FoundItem, said: Mapping[str, Any], question: str) -> Found:
    answers = said.get(f"{question}.responses") or []
    users = said.get(f"{question}.responses.users") or []
    states = said.get(f"{question}.responses.status") or []
    labels, n_skips = [], 0
    for place, answer in enumerate(answers):
        state = states[place] if place < len(states) else "submitted"
        n_skips += state == "discarded"
        if state != "submitted":
            continue
        names = class_names_of(answer)
        if len(names) > 1:
            return Refused(item.line, f"It has {len(names)} classes; an item has one.")
        who = str(users[place]) if place < len(users) else None
        labels += [GivenClass(name, who) for name in names]
    return replace(item, labels=tuple(labels), n_skips=n_skips)
