"""Text files as text: the encoding by a mark, by the bytes, or as the user says."""

import codecs
import io
from typing import BinaryIO

from app.imports.files import Entry
from app.imports.found import FileRefused

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
BLOCK_BYTES = 1 << 20
UNREADABLE = range(0xDC80, 0xDD00)  # what stands for a byte that is not UTF-8


def open_text(entry: Entry, encoding: str | None = None) -> io.TextIOWrapper:
    r"""Return the entry as text, line ends as they are.

    In UTF-8 that is damaged in places, `is_damaged` tells the lines. The whole file is looked at
    once before: Windows-1252 shows itself by bytes that UTF-8 cannot have.

    Raises:
        FileRefused: the encoding is unknown or cannot be told.
    """
    name = encoding or encoding_of(entry)
    try:
        codecs.lookup(name)
    except LookupError:
        raise FileRefused(
            f"There is no encoding {name!r}; name one such as utf-8, utf-16 or cp1252."
        ) from None
    errors = "surrogateescape" if name.startswith("utf-8") else "strict"
    return io.TextIOWrapper(entry.open(), encoding=name, errors=errors, newline="")


def is_damaged(text: str) -> bool:
    """Return whether the text holds bytes that are not of its encoding."""
    return not text.isascii() and any(ord(character) in UNREADABLE for character in text)


def encoding_of(entry: Entry) -> str:
    """Return the encoding of a text file.

    Raises:
        FileRefused: it cannot be told.
    """
    head = entry.head()
    for mark, name in MARKS:
        if head.startswith(mark):
            return name
    zeros = [head[start::2].count(0) for start in (0, 1)]
    if max(zeros) > len(head) // 8:
        return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
    with entry.open() as file:
        return _eight_bit_encoding(file, entry.name)


def _eight_bit_encoding(file: BinaryIO, name: str) -> str:
    """Return utf-8 or cp1252; UTF-8 that is damaged after good characters stays UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    is_final = has_umlauts = False
    while not is_final:
        block = file.read(BLOCK_BYTES)
        is_final = not block
        try:
            has_umlauts |= not decoder.decode(block, is_final).isascii()
        except UnicodeDecodeError as error:
            has_umlauts |= not error.object[: error.start].isascii()
            if has_umlauts:
                return "utf-8"
            break
    else:
        return "utf-8"
    try:
        block.decode("cp1252")
    except UnicodeDecodeError:
        raise FileRefused(
            f"{name} is neither UTF-8 nor Windows-1252; name its encoding, e.g. --encoding cp1251."
        ) from None
    return "cp1252"
