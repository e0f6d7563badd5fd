"""Objects of JSON files, one a line or in one array, read as they come."""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from app.imports.decoded import is_damaged, open_text
from app.imports.files import Entry, Files
from app.imports.found import FileRefused, Options, Refused, Rows

LINE_SUFFIXES = (".jsonl", ".ndjson")
SUFFIXES = (".json", *LINE_SUFFIXES)
BLOCK = 1 << 18
MAX_OBJECT = 1 << 28  # characters
LOOKED_AT = 20


def json_entries(files: Files) -> list[Entry]:
    """Return the entries that are JSON by their names or their first character."""
    found = files.ending(*SUFFIXES)
    if found or files.images or len(files.others) != 1:
        return found
    entry = files.others[0]
    is_json = not entry.suffix and entry.head().lstrip(b"\xef\xbb\xbf \r\n\t")[:1] in (b"{", b"[")
    return [entry] if is_json else []


def first_objects(files: Files) -> list[dict[str, Any]]:
    """Return the first objects of the first JSON file; none: there is no such file."""
    entries = json_entries(files)
    if not entries:
        return []
    try:
        rows = list(islice(objects_of(entries[0], Options()), LOOKED_AT))
    except FileRefused:
        return []
    return [row[1] for row in rows if not isinstance(row, Refused)]


def columns_of(rows: Iterable[dict[str, Any]]) -> list[str]:
    """Return the keys of some objects, in order of their first mention."""
    return list(dict.fromkeys(key for row in rows for key in row))


def objects_of(entry: Entry, options: Options) -> Rows:
    """Yield (line, object) of a file, or why a line holds none."""
    if is_array(entry, options):
        return _of_array(entry, options)
    return _of_lines(entry, options)


def is_array(entry: Entry, options: Options) -> bool:
    """Return whether the file is one array, not a line an object."""
    with open_text(entry, options.encoding) as file:
        try:
            return file.read(BLOCK).lstrip("\ufeff \r\n\t").startswith("[")
        except UnicodeError:
            return False


def _of_lines(entry: Entry, options: Options) -> Rows:
    with open_text(entry, options.encoding) as file:
        file.reconfigure(newline="\n")
        for number, line in enumerate(file, start=1):
            text = line.lstrip("\ufeff")
            if text.isspace() or not text:
                continue
            yield _object(number, text)


def _object(number: int, text: str) -> tuple[int, dict[str, Any]] | Refused:
    if is_damaged(text):
        return Refused(number, "It is not UTF-8; save the file as UTF-8, or name its encoding.")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        return Refused(number, f"It is no JSON ({str(error)[:200]}); write one object a line.")
    if not isinstance(value, dict):
        return Refused(number, 'It is no JSON object; write {"text": ...} a line.')
    return number, value


def _of_array(entry: Entry, options: Options) -> Rows:
    """Yield the objects of an array; the file may be larger than memory, an object may not."""
    decoder = json.JSONDecoder()
    with open_text(entry, options.encoding) as file:
        blocks = _blocks(file)
        text = next(blocks, "").lstrip("\ufeff \r\n\t")[1:]
        line = 1
        while True:
            rest = text.lstrip(", \r\n\t")
            line += text.count("\n", 0, len(text) - len(rest))
            text = rest
            if text.startswith("]"):
                return
            try:
                value, end = decoder.raw_decode(text) if text else (None, 0)
            except (ValueError, RecursionError):
                value, end = None, 0
            if not end or (end == len(text) and not isinstance(value, dict)):
                more = next(blocks, None)
                if more is None or len(text) > MAX_OBJECT:
                    yield Refused(
                        line, "The array is damaged or cut off here; nothing after it is read."
                    )
                    return
                text += more
                continue
            yield (
                (line, value)
                if isinstance(value, dict)
                else Refused(line, 'It is no JSON object; write [{"text": ...}, ...].')
            )
            line += text.count("\n", 0, end)
            text = text[end:]


def _blocks(file: Any) -> Iterator[str]:
    """Yield pieces that grow, so that an object of any size is parsed some times only."""
    size = BLOCK
    while block := file.read(size):
        yield block
        size = min(2 * size, MAX_OBJECT)
