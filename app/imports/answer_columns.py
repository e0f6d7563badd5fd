"""Columns that hold the answers of several annotators, as this service exports them."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from app.imports.found import GivenClass

LIST = "labels"  # a list of objects with annotator and class; in CSV the same as JSON
ONE = "label:"  # and what follows is the annotator, whose answers the column holds


def answer_columns(names: Iterable[str]) -> list[str]:
    """Return the columns of single annotators."""
    return [name for name in names if name.startswith(ONE) and name != ONE]


def answers_in(row: Mapping[str, Any], columns: Iterable[str]) -> tuple[GivenClass, ...]:
    """Return the answers of a row: of its list, else of these columns; labels left out stay out."""
    listed = tuple(_of_list(row.get(LIST)))
    if listed:
        return listed
    return tuple(
        GivenClass(str(row[name]).strip(), name.removeprefix(ONE))
        for name in columns
        if isinstance(row.get(name), str) and row[name].strip()
    )


def holds_answers(value: Any) -> bool:
    """Return whether a value is a list of answers, or an empty one."""
    return value in ([], "[]") or any(True for _ in _of_list(value))


def _of_list(value: Any) -> Iterator[GivenClass]:
    if isinstance(value, str) and value.startswith("[{"):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return
    for each in value if isinstance(value, list | tuple) else ():
        if not isinstance(each, Mapping) or each.get("is_excluded"):
            continue
        annotator, name = each.get("annotator"), each.get("class")
        if isinstance(annotator, str) and isinstance(name, str):
            yield GivenClass(name, annotator)
