"""The data sets of experiments: found in a folder or downloaded, verified, cut to size."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np

from models.catalog import Encoding, ModelSetup, find_model
from models.data.arrays import Images, Inputs, Vectors
from models.data.encoders import text_encoder
from models.data.readers import (
    Part,
    RawDataSet,
    read_cifar10,
    read_cifar100,
    read_digits,
    read_image_folder,
    read_zhang_csv,
    with_vectors,
)
from selection.arrays import IntArray
from workers.simulation.config import DataConfig
from workers.simulation.download import DownloadError, Progress, download, extract, file_md5
from workers.simulation.own_data import read_own_data

IMAGENET_LICENCE = (
    "ImageNet's licence forbids that a program hands it out: register at image-net.org, download "
    "ILSVRC2012 and lay it out as train/CLASS/*.JPEG and val/CLASS/*.JPEG."
)


@dataclass(frozen=True)
class DataSource:
    """Source of a data set.

    Attributes:
        folder: its name below SVP_DATA_DIR.
        md5: published checksums by file; a difference makes the data set "modified".
        url, archive_md5: of its archive.
        manual: how to get it where no program may.
    """

    read: Callable[[Path, DataConfig], RawDataSet]
    folder: str = ""
    md5: Mapping[str, str] = field(default_factory=dict)
    url: str | None = None
    archive_md5: str | None = None
    manual: str | None = None


CIFAR = "https://www.cs.toronto.edu/~kriz"
ZHANG = "https://s3.amazonaws.com/fast-ai-nlp"


def _zhang(name: str, train: str, test: str) -> DataSource:
    return DataSource(
        lambda folder, _: read_zhang_csv(folder),
        name,
        {"train.csv": train, "test.csv": test},
        f"{ZHANG}/{name}.tgz",
    )


# Checksums: of the CIFAR page as torchvision checks them, of the CSV files as torchtext does.
SOURCES: Mapping[str, DataSource] = MappingProxyType(
    {
        "digits": DataSource(lambda _folder, _config: read_digits()),
        "cifar10": DataSource(
            lambda folder, _: read_cifar10(folder),
            "cifar-10-batches-py",
            {
                "data_batch_1": "c99cafc152244af753f735de768cd75f",
                "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
                "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
                "data_batch_4": "634d18415352ddfa80567beed471001a",
                "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
                "test_batch": "40351d587109b95175f43aff81a1287e",
            },
            f"{CIFAR}/cifar-10-python.tar.gz",
            "c58f30108f718f92721af3b95e74349a",
        ),
        "cifar100": DataSource(
            lambda folder, _: read_cifar100(folder),
            "cifar-100-python",
            {
                "train": "16019d7e3df5f24257cddd939b257f8d",
                "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
            },
            f"{CIFAR}/cifar-100-python.tar.gz",
            "eb9058c3a382ffc7106e4002c42a8d85",
        ),
        "imagenet": DataSource(
            lambda folder, config: read_image_folder(folder, config.image_size),
            "imagenet",
            manual=IMAGENET_LICENCE,
        ),
        "imagenette": DataSource(
            lambda folder, config: read_image_folder(folder, config.image_size),
            "imagenette-224-subset",
            manual="Lay an ImageFolder out as train/CLASS/*.jpg and val/CLASS/*.jpg.",
        ),
        "amazon-polarity": _zhang(
            "amazon_review_polarity_csv",
            "520937107c39a2d1d1f66cd410e9ed9e",
            "f4c8bded2ecbde5f996b675db6228f16",
        ),
        "amazon-full": _zhang(
            "amazon_review_full_csv",
            "31b268b09fd794e0ca5a1f59a0358677",
            "0f1e78ab60f625f2a30eab6810ef987c",
        ),
        "ag-news": _zhang(
            "ag_news_csv", "b1a00f826fdfbd249f79597b59e1dc12", "d52ea96a97a2d943681189a97654912d"
        ),
        "dbpedia": DataSource(
            lambda folder, _: read_zhang_csv(folder),
            "dbpedia_subset_csv",
            manual='Put train.csv of "class","title","body" there.',
        ),
        "amazon-domains": DataSource(
            lambda folder, _: read_zhang_csv(folder),
            "amazon_domains_polarity_csv",
            manual='Put train.csv and test.csv of "class","title","body" there.',
        ),
    }
)

OWN = DataSource(read_own_data)


@dataclass(frozen=True)
class DataSet:
    """The data of an experiment: pool and evaluation split, with the true labels.

    Attributes:
        pool_rows: the pool items' rows in the published train part, [n_pool].
        is_modified: whether files differ from the published checksums.
        rare: indices of the classes that were made rare in the pool, ascending.
    """

    name: str
    pool: Part
    evaluation: Part
    classes: list[str]
    pool_rows: IntArray
    is_modified: bool
    rare: Sequence[int] = ()

    @property
    def title(self) -> str:
        """The name for reports; says when the files are not the published ones."""
        return f"{self.name} (modified)" if self.is_modified else self.name


def data_folder() -> Path:
    """Return the folder of data sets: SVP_DATA_DIR, else one in the user's cache."""
    if "SVP_DATA_DIR" in os.environ:
        return Path(os.environ["SVP_DATA_DIR"])
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "svp" / "data"


def load_data(
    config: DataConfig, seed: int, on_progress: Progress = lambda _done, _total: None
) -> DataSet:
    """Return the data set, cut to the configured sizes by the seed, downloaded if need be.

    Raises:
        DownloadError: it is not there and cannot be downloaded; the message says what to do.
        DataSetError: its files are damaged.
        ValueError: it is unknown or smaller than wanted.
    """
    folder = find_data(config, on_progress)
    source = source_of(config)
    raw = source.read(folder, config)
    if config.features is not None:
        raw = _with_features(raw, Path(config.features))
    is_modified = any(not _is_published(folder / n, md5) for n, md5 in source.md5.items())
    order = np.random.default_rng([seed, *b"split"]).permutation(len(raw.train))
    n_evaluation = config.n_evaluation
    if len(raw.test) == 0:
        n_evaluation = n_evaluation or len(raw.train) // 5
        evaluation, order = raw.train.take(order[:n_evaluation]), order[n_evaluation:]
    else:
        rows = np.random.default_rng([seed, *b"evaluation"]).permutation(len(raw.test))
        evaluation = raw.test.take(np.sort(rows[:n_evaluation]))
    rare = _rare_classes(config, raw.classes)
    if config.rare is not None:
        order = _thinned(order, raw.train.labels, rare, config.rare.fraction)
    n_pool = config.n_pool or len(order)
    if n_pool > len(order) or (n_evaluation or 0) > len(evaluation):
        raise ValueError(
            f"{config.name} has {len(order)} + {len(evaluation)} items, fewer than the wanted "
            f"{n_pool} + {n_evaluation}; make data.n_pool or data.n_evaluation smaller."
        )
    rows = order[:n_pool].astype(np.int64)
    pool = raw.train.take(rows)
    return DataSet(config.name, pool, evaluation, raw.classes, rows, is_modified, rare)


def _rare_classes(config: DataConfig, classes: Sequence[str]) -> list[int]:
    wanted = [] if config.rare is None else config.rare.classes
    unknown = [name for name in wanted if name not in classes]
    if unknown:
        raise ValueError(
            f"data.rare.classes: {config.name} has no class {', '.join(map(repr, unknown))}; its "
            f"classes are {', '.join(classes)}."
        )
    return sorted({list(classes).index(name) for name in wanted})


def _thinned(order: IntArray, labels: IntArray, rare: Sequence[int], fraction: float) -> IntArray:
    """Return the rows without all but this fraction of each rare class, at least one item."""
    dropped = [
        (of_class := order[labels[order] == index])[max(1, round(fraction * len(of_class))) :]
        for index in rare
    ]
    return order[~np.isin(order, np.concatenate(dropped))]


def model_inputs(part: Part, setup: ModelSetup) -> Inputs:
    """Return the part as the model takes it: images as they are, texts as token ids, or vectors.

    Raises:
        ValueError: the model takes the other kind of items, or images of another size.
    """
    model, recipe = setup.model, setup.recipe
    encoding = find_model(model).encoding
    if encoding is Encoding.VECTORS and part.vectors is not None:
        return Vectors(np.ascontiguousarray(part.vectors))
    is_image = isinstance(part.content, Images)
    if is_image != (encoding is Encoding.PIXELS) or encoding is Encoding.VECTORS:
        raise ValueError(f"{model} does not take this data set's items.")
    if isinstance(part.content, Images):
        side = part.content.spec.height
        if recipe.image_size not in (None, side):
            raise ValueError(f"The images are {side} pixels wide; leave image_size of {model} out.")
        return part.content
    return text_encoder(encoding, recipe).encode(part.content)


def _with_features(raw: RawDataSet, folder: Path) -> RawDataSet:
    """Return the data set with the user's vectors; an empty test part needs none."""
    test = with_vectors(raw.test, folder / "test.npy") if len(raw.test) else raw.test
    return replace(raw, train=with_vectors(raw.train, folder / "train.npy"), test=test)


def _is_published(path: Path, md5: str) -> bool:
    return path.exists() and file_md5(path) == md5


def source_of(config: DataConfig) -> DataSource:
    """Return the source of an experiment's data: bundled, or the user's own files.

    Raises:
        ValueError: there is no such data set.
    """
    if config.folder is not None:
        return OWN
    if config.name not in SOURCES:
        known = ", ".join(SOURCES)
        raise ValueError(
            f"There is no data set {config.name!r}; known are {known}. Your own files are named by "
            "data.folder."
        )
    return SOURCES[config.name]


def find_data(config: DataConfig, on_progress: Progress = lambda _done, _total: None) -> Path:
    """Return the folder of a data set's files, downloaded if need be.

    Raises:
        DownloadError, ValueError: as `load_data`.
    """
    source = source_of(config)
    if config.folder is not None:
        return Path(config.folder)
    if not source.folder:
        return Path()
    folder = data_folder() / source.folder
    if folder.is_dir():
        return folder
    if source.url is None:
        raise DownloadError(f"{config.name} is not in {folder}. {source.manual}")
    archive = data_folder() / source.url.rsplit("/", 1)[1]
    if not archive.exists():
        download(source.url, archive, source.archive_md5, on_progress)
    extract(archive, data_folder())
    if not folder.is_dir():
        raise DownloadError(f"{archive} holds no folder {source.folder}; delete it and try again.")
    return folder
