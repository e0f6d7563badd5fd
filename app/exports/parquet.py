"""Parquet: the columns of the CSV with their types; needs pyarrow."""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from app.exports.cells import cell
from app.exports.labeled import LabeledItem

BATCH_ROWS = 10_000
BLOCK = 1 << 20
TYPES = {
    "item_id": "int64", "index": "int64", "round": "int64", "is_control": "bool_",
    "agreement": "float64", "confidence": "float64",
}  # fmt: skip


def write(
    items: Iterable[LabeledItem], columns: Sequence[str], annotators: Sequence[str] = ()
) -> Iterator[bytes]:
    """Yield the file, which is written to disk first; lists and objects are JSON.

    Raises:
        ModuleNotFoundError: pyarrow is missing.
    """
    import pyarrow as pa  # noqa: PLC0415 - an extra
    import pyarrow.parquet as pq  # noqa: PLC0415

    names = [*columns, *(f"label:{name}" for name in annotators)]
    schema = pa.schema([(name, getattr(pa, TYPES.get(name, "string"))()) for name in names])
    rest = iter(items)
    with tempfile.TemporaryFile() as file:
        with pq.ParquetWriter(file, schema) as writer:
            while rows := list(islice(rest, BATCH_ROWS)):
                table: dict[str, list[Any]] = {
                    name: [cell(item.values[name], is_raw=True) for item in rows]
                    for name in columns
                }
                table |= {f"label:{n}": [item.given.get(n) for item in rows] for n in annotators}
                writer.write_table(pa.table(table, schema=schema))
        file.seek(0)
        while block := file.read(BLOCK):
            yield block
