"""The worker's packed copy of a project's inputs: decoded once, memory-mapped, extended.

Images lie as uint8 [n, H, W, C] in one file; texts as token ids and offsets. Two workers on one
machine may build at the same time: a lock file lets one of them do it.
"""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.queries import items as item_queries
from app.db.session import transaction
from app.db.tables import Item, Project, Split
from app.domain.errors import FeaturesInvalid
from app.services.items import read_image
from app.storage.artifacts import ArtifactStore
from models.catalog import Encoding, ModelInfo, find_model
from models.data.arrays import Images, Inputs, Texts, Vectors
from models.data.encoders import TextEncoder, text_encoder
from models.data.image import decode_image
from models.recipe import Recipe
from workers.round_step import RoundInputs
from workers.snapshot import Snapshot
from workers.watched_training import Evaluation

FeatureArray = npt.NDArray[np.floating]
PAGE = 2000
LARGEST_DEFAULT_SIDE = 64


@dataclass(frozen=True)
class PoolReader:
    """Reads a project's splits as arrays, through the packed copy on this machine."""

    factory: sessionmaker[Session]
    store: ArtifactStore
    settings: Settings

    def read(self, project: Project, split: Split, model: str, recipe: Recipe, n: int) -> Inputs:
        """Return the first `n` items of the split, in index order, as the model takes them."""
        info = find_model(model)
        if info.encoding is Encoding.PIXELS:
            size, channels = self._image_shape(project, info, recipe)
            with self._folder(project, f"{split}-image-{size}-{channels}") as folder:
                return self._read_images(project, split, folder, size, channels, n)
        encoder = text_encoder(info.encoding, recipe)
        with self._folder(project, f"{split}-{encoder.key}") as folder:
            return self._read_texts(project, split, folder, encoder, n)

    @contextmanager
    def _folder(self, project: Project, key: str) -> Iterator[Path]:
        """Yield the folder of one packed copy, locked against other workers."""
        folder = self.settings.cache_folder / f"project-{project.id}" / key
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder / "lock"):
            yield folder

    def round_inputs(
        self, project: Project, snapshot: Snapshot, model: str, recipe: Recipe
    ) -> RoundInputs:
        """Return a snapshot's arrays as the model takes them, for any of the steps.

        A model on vectors gets the brought features; evaluation items have none.

        Raises:
            FeaturesInvalid: it does, and there is no row for each item.
        """
        features = self.features(snapshot.features_hash) if snapshot.features_hash else None
        evaluation = None
        if find_model(model).encoding is Encoding.VECTORS:
            pool: Inputs = _brought_vectors(features, snapshot.n_pool)
        else:
            pool = self.read(project, Split.POOL, model, recipe, snapshot.n_pool)
            evaluation = self._evaluation(project, snapshot, model, recipe)
        return RoundInputs(
            pool=pool,
            labeled_index=snapshot.labeled_index,
            labels=snapshot.labels,
            excluded_index=snapshot.excluded_index,
            n_classes=len(project.classes),
            n_ranked=snapshot.n_ranked,
            evaluation=evaluation,
            features=features,
        )

    def _evaluation(
        self, project: Project, snapshot: Snapshot, model: str, recipe: Recipe
    ) -> Evaluation | None:
        if not snapshot.n_evaluation:
            return None
        inputs = self.read(project, Split.EVALUATION, model, recipe, snapshot.n_evaluation)
        with transaction(self.factory) as session:
            classes = item_queries.evaluation_classes(session, project.id)
        return Evaluation(inputs, np.asarray(classes[: snapshot.n_evaluation], np.int64))

    def features(self, features_hash: str) -> FeatureArray:
        """Return brought features, [n, d], memory-mapped from a copy on this machine."""
        folder = self.settings.cache_folder / "features"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{features_hash}.npy"
        with _locked(folder / "lock"):
            if not path.exists():
                beside = path.with_suffix(".tmp")
                with beside.open("wb") as file:
                    file.writelines(self.store.stream(features_hash))
                beside.replace(path)
        features: FeatureArray = np.load(path, mmap_mode="r", allow_pickle=False)
        return features

    def _image_shape(self, project: Project, info: ModelInfo, recipe: Recipe) -> tuple[int, int]:
        """Return (side, channels) of the packed images; channels are the pool's first image's."""
        with transaction(self.factory) as session:
            first = item_queries.page_by_index(session, project.id, Split.POOL, -1, 1)[0]
        side = max(first.width or 8, first.height or 8)
        return packed_side(info, recipe, side), first.channels or 3

    def _read_images(
        self, project: Project, split: Split, folder: Path, size: int, channels: int, n: int
    ) -> Images:
        data = folder / "pixels.u8"
        known = _read_count(folder)
        item_bytes = size * size * channels
        with data.open("r+b" if data.exists() else "w+b") as file:
            file.truncate(known * item_bytes)  # a build that was cut off left half an item
            file.seek(0, 2)
            for item in self._items(project, split, known, n):
                content = read_image(self.store, self.settings, item)
                file.write(decode_image(content, size, channels).tobytes())
        _write_count(folder, max(known, n))
        if n == 0:
            return Images(np.zeros((0, size, size, channels), np.uint8))
        shape = (n, size, size, channels)
        return Images(np.memmap(data, np.uint8, mode="r", shape=shape))

    def _read_texts(
        self, project: Project, split: Split, folder: Path, encoder: TextEncoder, n: int
    ) -> Texts:
        ids_path, offsets_path = folder / "ids.i32", folder / "offsets.i64"
        known = _read_count(folder)
        end = 0
        if known:
            end = int(np.fromfile(offsets_path, np.int64, count=known)[-1])
        with (
            ids_path.open("r+b" if ids_path.exists() else "w+b") as ids,
            offsets_path.open("r+b" if offsets_path.exists() else "w+b") as offsets,
        ):
            ids.truncate(end * 4)
            offsets.truncate(known * 8)
            ids.seek(0, 2)
            offsets.seek(0, 2)
            for page in _pages(self._items(project, split, known, n)):
                texts = encoder.encode([i.text or "" for i in page])
                ids.write(texts.token_ids.tobytes())
                offsets.write((texts.offsets[1:] + end).tobytes())
                end += len(texts.token_ids)
        _write_count(folder, max(known, n))
        ends = np.fromfile(offsets_path, np.int64, count=n)
        starts = np.concatenate([np.zeros(1, np.int64), ends])
        token_ids = np.fromfile(ids_path, np.int32, count=int(starts[-1]))
        return Texts(token_ids, starts)

    def _items(self, project: Project, split: Split, known: int, n: int) -> Iterator[Item]:
        """Yield the items of index known..n - 1, in pages of short transactions."""
        after = known - 1
        while after < n - 1:
            with transaction(self.factory) as session:
                limit = min(PAGE, n - 1 - after)
                page = item_queries.page_by_index(session, project.id, split, after, limit)
            yield from page
            after = page[-1].index


def packed_side(info: ModelInfo, recipe: Recipe, first_side: int) -> int:
    """Return the side in pixels that images are decoded to.

    It is the recipe's, else what shows the network the model's own side, else the larger side of
    the pool's first image.
    """
    if recipe.image_size is not None:
        return recipe.image_size
    if info.default_side is not None:
        return round(info.default_side / recipe.crop_fraction)
    return min(max(first_side, 8), LARGEST_DEFAULT_SIDE)


def _brought_vectors(features: FeatureArray | None, n_pool: int) -> Vectors:
    n = 0 if features is None else len(features)
    if features is None or n < n_pool:
        raise FeaturesInvalid(
            f"The model takes brought features; there are {n} rows of them for {n_pool} pool "
            "items. PUT them (again), a row for each item, in import order."
        )
    return Vectors(features[:n_pool])


def _pages(items: Iterator[Item]) -> Iterator[list[Item]]:
    page: list[Item] = []
    for item in items:
        page.append(item)
        if len(page) == PAGE:
            yield page
            page = []
    if page:
        yield page


def _read_count(folder: Path) -> int:
    try:
        return int(json.loads((folder / "meta.json").read_text())["n"])
    except (FileNotFoundError, ValueError, KeyError):
        return 0


def _write_count(folder: Path, n: int) -> None:
    temporary = folder / "meta.tmp"
    temporary.write_text(json.dumps({"n": n}))
    temporary.replace(folder / "meta.json")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
