"""A user's own labeled files as the data of an experiment: whatever `svp import` reads."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from app.imports.formats import Source, open_source
from app.imports.found import FileRefused, FoundItem, Refused
from models.data.arrays import Images
from models.data.image import UNDECODABLE, decode_image
from models.data.readers import DataSetError, Part, RawDataSet
from workers.simulation.config import DataConfig

EVALUATION = "evaluation"


def read_own_data(path: Path, config: DataConfig) -> RawDataSet:
    """Return the labeled items of a folder, a file or an archive, in its order.

    Items that the files put into the evaluation split are the test part. Of several annotators'
    classes the most frequent counts, of equally frequent ones the first. Classes are in the order
    of their names.

    Raises:
        DataSetError: something in it cannot be read or has no class; the message says where.
    """
    try:
        with open_source(path, sees_neighbours=True) as source:
            rows = [_row_of(item, path, config) for item in _items(source, path)]
    except FileRefused as error:
        raise DataSetError(f"data.folder: {error}") from None
    if not rows:
        raise DataSetError(f"data.folder: {path} holds no item.")
    classes = sorted({name for _, name, _ in rows})
    if len(classes) < 2:
        raise DataSetError(f"data.folder: all items of {path} have the class {classes[0]!r}.")
    if len({isinstance(content, str) for content, _, _ in rows}) > 1:
        raise DataSetError(f"data.folder: {path} mixes texts and images; keep them apart.")
    index = {name: number for number, name in enumerate(classes)}
    labels = np.asarray([index[name] for _, name, _ in rows], np.int64)
    contents = [content for content, _, _ in rows]
    whole = Part(
        [text for text in contents if isinstance(text, str)]
        or Images(np.stack([pixels for pixels in contents if not isinstance(pixels, str)])),
        labels,
    )
    is_test = np.asarray([split == EVALUATION for _, _, split in rows])
    return RawDataSet(
        whole.take(np.flatnonzero(~is_test)), whole.take(np.flatnonzero(is_test)), classes
    )


def _items(source: Source, path: Path) -> Iterator[FoundItem]:
    for found in source.read():
        if isinstance(found, Refused):
            raise DataSetError(f"data.folder: {path}, line {found.line}: {found.detail}")
        yield found


def _row_of(
    item: FoundItem, path: Path, config: DataConfig
) -> tuple[str | np.ndarray[tuple[int, ...], np.dtype[np.uint8]], str, str | None]:
    """Return an item's content, class and split."""
    where = f"data.folder: {path}, line {item.line} ({item.external_id})"
    if not item.labels:
        raise DataSetError(f"{where} has no class; an experiment needs one for every item.")
    name = Counter(given.class_name for given in item.labels).most_common(1)[0][0]
    if item.text is not None:
        return item.text, name, item.split
    if item.image is None:
        raise DataSetError(f"{where} only names {item.image_uri}; put the image beside it.")
    try:
        pixels = decode_image(item.image(), config.image_size, config.channels)
    except UNDECODABLE as error:
        raise DataSetError(f"{where} is no image that can be read: {error}.") from None
    return pixels, name, item.split
