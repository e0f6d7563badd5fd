"""Readers of labeled data sets in their original formats; they check shapes, not checksums."""

import csv
import pickle
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.data.arrays import Images
from models.data.image import decode_image
from models.data.types import IntArray

IMAGE_SUFFIXES = frozenset({".jpeg", ".jpg", ".png", ".webp", ".bmp"})


@dataclass(frozen=True)
class Part:
    """One part of a labeled data set: n images or texts, and their class indices [n].

    `vectors` are features of the items that the user brings, [n, d].
    """

    content: Images | list[str]
    labels: IntArray
    vectors: npt.NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: IntArray) -> "Part":
        """Return these rows, in their order."""
        content = (
            self.content.take(rows)
            if isinstance(self.content, Images)
            else [self.content[row] for row in rows]
        )
        vectors = None if self.vectors is None else self.vectors[rows]
        return Part(content, self.labels[rows], vectors)


@dataclass(frozen=True)
class RawDataSet:
    """A data set as it was published; `classes` names the class indices."""

    train: Part
    test: Part
    classes: list[str]


class DataSetError(ValueError):
    """A data set's files are not what their format says; the message names the file."""


def read_digits() -> RawDataSet:
    """Return scikit-learn's bundled digits: 1,797 real images [8, 8, 1] of 10 classes.

    Grey levels 0..16 become 0..255. There is no test part: it is empty.
    Source: Alpaydin & Kaynak 1998, UCI, test part.
    """
    from sklearn.datasets import load_digits  # noqa: PLC0415 - heavy, used by few

    data = load_digits()
    pixels = np.rint(data.images * (255 / 16)).astype(np.uint8)[..., None]
    labels = data.target.astype(np.int64)
    part = Part(Images(pixels), labels)
    return RawDataSet(part, part.take(np.empty(0, np.int64)), [str(c) for c in range(10)])


def read_cifar10(folder: Path) -> RawDataSet:
    """Return CIFAR10 from its Python pickles: 50,000 + 10,000 images [32, 32, 3].

    Raises:
        DataSetError: a file is missing or has another form.
    """
    batches = [_read_cifar_file(folder / f"data_batch_{i}", b"labels") for i in range(1, 6)]
    pixels = np.concatenate([p for p, _ in batches])
    labels = np.concatenate([c for _, c in batches])
    test = _read_cifar_part(folder / "test_batch", b"labels")
    classes = _read_pickle(folder / "batches.meta")[b"label_names"]
    return RawDataSet(Part(Images(pixels), labels), test, [name.decode() for name in classes])


def read_cifar100(folder: Path) -> RawDataSet:
    """Return CIFAR100 (fine labels) from its Python pickles: 50,000 + 10,000 images [32, 32, 3].

    Raises:
        DataSetError: a file is missing or has another form.
    """
    train, test = (_read_cifar_part(folder / name, b"fine_labels") for name in ("train", "test"))
    classes = _read_pickle(folder / "meta")[b"fine_label_names"]
    return RawDataSet(train, test, [name.decode() for name in classes])


def read_image_folder(folder: Path, size: int) -> RawDataSet:
    """Return an ImageFolder: train/CLASS/*.jpg and val/CLASS/*.jpg, decoded to [size, size, 3].

    Classes and files are taken in the order of their names.

    Raises:
        DataSetError: a part is missing, or a class of the test part is unknown.
    """
    names = ("val", "test")
    test_name = next((name for name in names if (folder / name).is_dir()), None)
    if not (folder / "train").is_dir() or test_name is None:
        raise DataSetError(f"{folder} must hold the folders train and val, each with its classes.")
    classes = sorted(path.name for path in (folder / "train").iterdir() if path.is_dir())
    train, test = (
        _read_class_folders(folder / name, classes, size) for name in ("train", test_name)
    )
    return RawDataSet(train, test, classes)


def read_zhang_csv(folder: Path) -> RawDataSet:
    """Return the text data sets of Zhang et al.: train.csv and test.csv of "class","title","body".

    The text is title + " " + body, as in the published experiments; classes count from 1. A data
    set without test.csv has an empty test part. Class names come from classes.txt where it lies.

    Raises:
        DataSetError: a row has no class from 1 upwards, or no text; the message names its line.
    """
    train = _read_csv(folder / "train.csv")
    test = _read_csv(folder / "test.csv") if (folder / "test.csv").exists() else _no_texts()
    n_classes = 1 + int(max(train.labels.max(), test.labels.max(initial=0)))
    names = [str(i + 1) for i in range(n_classes)]
    if (folder / "classes.txt").exists():
        names = (folder / "classes.txt").read_text(encoding="utf-8").split("\n")[:n_classes]
    return RawDataSet(train, test, names)


def with_vectors(part: Part, path: Path) -> Part:
    """Return the part with vectors of an .npy file: float32 [n, d], in the part's order.

    Raises:
        DataSetError: the file is missing or damaged, or does not hold one vector an item.
    """
    try:
        vectors = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise DataSetError(f"{path} is missing.") from None
    except (ValueError, EOFError) as error:
        raise DataSetError(f"{path} is damaged or no array of numbers: {error}.") from None
    if vectors.dtype != np.float32 or vectors.ndim != 2 or len(vectors) != len(part):
        raise DataSetError(
            f"{path} must hold float32 of shape [{len(part)}, d], a vector for each item; it holds "
            f"{vectors.dtype} of shape {list(vectors.shape)}."
        )
    return replace(part, vectors=vectors)


def _read_pickle(path: Path) -> dict[bytes, list[bytes]]:
    try:
        with path.open("rb") as file:
            found = pickle.load(file, encoding="bytes")  # noqa: S301 - the data set's own format
    except FileNotFoundError:
        raise DataSetError(f"{path} is missing.") from None
    except (pickle.UnpicklingError, EOFError, ValueError) as error:
        raise DataSetError(f"{path} is damaged: {error}.") from None
    if not isinstance(found, dict):
        raise DataSetError(f"{path} holds no CIFAR batch.")
    return found


def _read_cifar_file(path: Path, key: bytes) -> tuple[npt.NDArray[np.uint8], IntArray]:
    batch = _read_pickle(path)
    if b"data" not in batch or key not in batch or len(batch[b"data"]) != len(batch[key]):
        raise DataSetError(f"{path} holds no CIFAR batch with {key.decode()}.")
    pixels = np.asarray(batch[b"data"], np.uint8).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(pixels), np.asarray(batch[key], np.int64)


def _read_cifar_part(path: Path, key: bytes) -> Part:
    pixels, labels = _read_cifar_file(path, key)
    return Part(Images(pixels), labels)


def _read_class_folders(folder: Path, classes: Sequence[str], size: int) -> Part:
    unknown = sorted({p.name for p in folder.iterdir() if p.is_dir()} - set(classes))
    if unknown:
        raise DataSetError(f"{folder} holds classes that train has not: {', '.join(unknown)}.")
    files = [
        (path, index)
        for index, name in enumerate(classes)
        for path in sorted((folder / name).glob("*"))
        if path.suffix.lower() in IMAGE_SUFFIXES
    ]
    pixels = np.empty((len(files), size, size, 3), np.uint8)
    for row, (path, _) in enumerate(files):
        pixels[row] = decode_image(path.read_bytes(), size, 3)
    return Part(Images(pixels), np.asarray([index for _, index in files], np.int64))


def _read_csv(path: Path) -> Part:
    texts, labels = [], []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.reader(file)
            for row in rows:
                if len(row) < 2 or not row[0].isdigit() or int(row[0]) < 1:
                    raise DataSetError(f'{path}:{rows.line_num} is not "class","title","body".')
                labels.append(int(row[0]) - 1)
                texts.append(" ".join(row[1:]).replace("\\n", " "))
    except FileNotFoundError:
        raise DataSetError(f"{path} is missing.") from None
    if not texts:
        raise DataSetError(f"{path} is empty.")
    return Part(texts, np.asarray(labels, np.int64))


def _no_texts() -> Part:
    return Part([], np.empty(0, np.int64))
