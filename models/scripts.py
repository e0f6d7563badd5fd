"""Finds characters of scripts that are written without spaces between words."""

import re

# First and last code point. Hangul is written with spaces; spaces and punctuation belong to none.
WITHOUT_SPACES = (
    (0x0E00, 0x109F),  # Thai, Lao, Tibetan, Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x3005, 0x3007),  # signs of repetition, zero
    (0x3041, 0x31FF),  # kana, bopomofo; the Hangul among them is left out below
    (0x3400, 0x4DBF),  # Han
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0xFF66, 0xFF9F),  # narrow kana
    (0x1B000, 0x1B16F),
    (0x20000, 0x323AF),
)
HANGUL_LETTERS = (0x3130, 0x318F)
SEARCHED = 2000  # leading characters of a text that decide in which script it is

_CHARACTER = re.compile(
    f"(?![{chr(HANGUL_LETTERS[0])}-{chr(HANGUL_LETTERS[1])}])"
    f"[{''.join(f'{chr(first)}-{chr(last)}' for first, last in WITHOUT_SPACES)}]"
)


def is_without_spaces(text: str) -> bool:
    """Return whether a text holds characters of a script that is written without spaces."""
    return not text.isascii() and _CHARACTER.search(text, 0, SEARCHED) is not None
