"""Cells of tables: lists and objects as JSON, and no formulas unless they are asked for."""

from typing import Any

import orjson

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
GUARD = "'"


def cell(value: Any, *, is_raw: bool = False) -> Any:
    """Return the value of a CSV cell.

    A text that spreadsheets would take for a formula gets an apostrophe in front, unless `is_raw`:
    whoever opens the table must not run what an item or class is called.
    """
    if isinstance(value, list | dict):
        return orjson.dumps(value).decode()
    if not is_raw and isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return GUARD + value
    return value
