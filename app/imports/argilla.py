"""Argilla 2: flat records, with answers under `QUESTION.responses`."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from app.imports.columns import Columns, RowReader, class_names_of, find_columns
from app.imports.files import Entry, Files
from app.imports.found import FileRefused, Found, FoundItem, GivenClass, Options, Refused
from app.imports.json_objects import columns_of, first_objects, json_entries, objects_of

ANSWERS = ".responses"
ITS_OWN = ("status", "_server_id")


def recognises(files: Files) -> bool:
    """Return whether an object has the answers to a question."""
    return any(key.endswith(ANSWERS) for row in first_objects(files) for key in row)


def read(files: Files, options: Options) -> Iterator[Found]:
    """Yield an item a record, with what each user submitted."""
    for entry in json_entries(files):
        names = columns_of(first_objects(Files([entry])))
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
            found = reader.item(*row)
            yield found if isinstance(found, Refused) else _answered(found, row[1], question)


def _question(names: list[str], options: Options, entry: Entry) -> str:
    """Return the question whose answers are the classes.

    Raises:
        FileRefused: there are several.
    """
    mapped = [c for c, field in options.columns.items() if field == "class"]
    found = mapped or [name.removesuffix(ANSWERS) for name in names if name.endswith(ANSWERS)]
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
