"""A folder as Hugging Face's `datasets` loads it, in a zip: Parquet files with class labels.

`load_dataset(FOLDER)` finds the splits by the README: the pool as train, the evaluation split as
test. Needs pyarrow.
"""

import json
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby
from typing import IO, Any

from app.exports.cells import cell
from app.exports.image_folder import BLOCK, ZipBuffer
from app.exports.labeled import LabeledItem, safe_name
from app.exports.parquet import TYPES

SPLITS = {"pool": "train", "evaluation": "test"}
MOST_ROWS = 1000
MOST_BYTES = 64 << 20  # of images in memory
SHARD_BYTES = 500 << 20
LEFT_OUT = ("class", "split", "text", "image_uri")
VALUES = {"int64": "int64", "bool_": "bool", "float64": "float64", "string": "string"}


def write(
    items: Iterable[LabeledItem], classes: Sequence[str], columns: Sequence[str], *, is_text: bool
) -> Iterator[bytes]:
    """Yield the archive; each Parquet file is written to disk first, one part in memory at a time.

    Args:
        items: to write, one split after the other.
        classes: names of the classes by index.
        columns: of `values`; those that the features replace are left out.
        is_text: whether the items are texts; otherwise they are images, and those whose image is
            gone are listed in `missing.txt`.

    Raises:
        ModuleNotFoundError: pyarrow is missing.
    """
    layout = _Layout(classes, [name for name in columns if name not in LEFT_OUT], is_text=is_text)
    buffer, files = ZipBuffer(), dict[str, list[str]]()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:  # type: ignore[call-overload]
        for split, of_split in groupby(items, lambda item: SPLITS[item.split]):
            rest = iter(of_split)
            for first in rest:
                names = files.setdefault(split, [])
                names.append(f"data/{split}-{len(names):05}.parquet")
                with tempfile.TemporaryFile() as file:
                    layout.write_shard(file, chain([first], rest))
                    file.seek(0)
                    with archive.open(names[-1], "w", force_zip64=True) as member:
                        while block := file.read(BLOCK):
                            member.write(block)
                            yield buffer.take()
        if layout.missing:
            archive.writestr("missing.txt", "\n".join(layout.missing) + "\n")
        archive.writestr("README.md", _readme(files))
    yield buffer.take()


class _Layout:
    """The columns of the Parquet files, and the items whose image is gone."""

    def __init__(self, classes: Sequence[str], columns: Sequence[str], *, is_text: bool) -> None:
        import pyarrow as pa  # noqa: PLC0415 - an extra

        self._pa = pa
        self._classes = {name: number for number, name in enumerate(classes)}
        self._columns, self._is_text = columns, is_text
        self.missing: list[str] = []
        image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        content = ("text", pa.string()) if is_text else ("image", image)
        rest = [(name, getattr(pa, TYPES.get(name, "string"))()) for name in columns]
        known = {"info": {"features": self._features(list(classes))}}
        self._schema = pa.schema(
            [content, ("label", pa.int64()), *rest],
            metadata={"huggingface": json.dumps(known)},
        )

    def write_shard(self, file: IO[bytes], items: Iterator[LabeledItem]) -> None:
        """Write a Parquet file of as many items as it should hold."""
        import pyarrow.parquet as pq  # noqa: PLC0415

        with pq.ParquetWriter(file, self._schema) as writer:
            while file.tell() < SHARD_BYTES:
                rows = self._rows(items)
                if not rows:
                    return
                writer.write_table(self._pa.Table.from_pylist(rows, schema=self._schema))

    def _features(self, classes: list[str]) -> dict[str, Any]:
        content = {"dtype": "string", "_type": "Value"} if self._is_text else {"_type": "Image"}
        types = {name: VALUES[TYPES.get(name, "string")] for name in self._columns}
        return {
            "text" if self._is_text else "image": content,
            "label": {"names": classes, "_type": "ClassLabel"},
            **{name: {"dtype": kind, "_type": "Value"} for name, kind in types.items()},
        }

    def _rows(self, items: Iterator[LabeledItem]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        n_bytes = 0
        while len(rows) < MOST_ROWS and n_bytes < MOST_BYTES:
            item = next(items, None)
            if item is None:
                break
            content: Any = item.text
            if not self._is_text:
                data = item.image() if item.image is not None else None
                if data is None:
                    self.missing.append(item.external_id)
                    continue
                content = {"bytes": data, "path": safe_name(item.external_id)}
                n_bytes += len(data)
            rows.append(
                {
                    "text" if self._is_text else "image": content,
                    "label": self._classes[item.class_name],
                    **{name: cell(item.values[name], is_raw=True) for name in self._columns},
                }
            )
        return rows


def _readme(files: dict[str, list[str]]) -> str:
    """Return the card, whose head tells `datasets` which files are which split."""
    splits = "".join(f"  - split: {name}\n    path: data/{name}-*.parquet\n" for name in files)
    head = f"---\nconfigs:\n- config_name: default\n  data_files:\n{splits}---\n" if files else ""
    return (
        f"{head}# Exported labels\n\nLoad this folder with `datasets.load_dataset(FOLDER)`. "
        "`label` is the class that the labels resolve to; train holds what annotators or the "
        "import labeled, test the items that measure the models.\n"
    )
