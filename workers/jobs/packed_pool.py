"""The worker's packed copy of a project's inputs: decoded once, memory-mapped, extended.

Images lie as uint8 [n, H, W, C] in one file; texts as token ids and how many each has. What is read
was checked: against the items in the database, and against the checksums of what was written. Two
workers on one machine may build at the same time: a lock file lets one of them do it.
"""

import fcntl
import hashlib
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.queries import items as item_queries
from app.db.queries.set_aside import Unreadable
from app.db.session import transaction
from app.db.tables import Project, Split
from app.domain.errors import ArtifactMissing, FeaturesInvalid
from app.services.images import read_image
from app.storage.artifacts import ArtifactStore
from app.storage.durable import replaced
from models.catalog import Encoding, ModelInfo, ModelSetup, find_model
from models.data.arrays import Images, Inputs, InputSpec, Texts, Vectors
from models.data.encoders import TextEncoder, text_encoder
from models.data.image import UNDECODABLE, decode_image
from models.recipe import Recipe
from selection.arrays import FloatArray, IntArray
from workers.jobs.packs import Pack, grow
from workers.jobs.snapshot import Snapshot
from workers.jobs.unreadable import set_aside, set_aside_rows
from workers.steps.round import RoundInputs
from workers.steps.training import Evaluation

ImageShape = tuple[int, int]  # (side, channels) that images are packed at
Packed = tuple[str, Sequence[bytes], Iterable[int]]  # hash of the items, parts, gaps
PAGE = 2000  # items of a block
BLOCKS_A_QUERY = 50
COMMIT_SECONDS = 10.0  # a long packing that is stopped goes on from the last commit
LARGEST_DEFAULT_SIDE = 64


@dataclass(frozen=True)
class PoolReader:
    """Reads a project's splits as arrays, through the packed copy on this machine."""

    factory: sessionmaker[Session]
    store: ArtifactStore
    settings: Settings

    def read(
        self,
        project: Project,
        split: Split,
        setup: ModelSetup,
        n: int,
        shape: ImageShape | None = None,
    ) -> Inputs:
        """Return the first `n` items of the split, in index order, as the model takes them.

        Images that cannot be read are zeros, and set aside. By default the whole pool decides the
        `shape` of images.

        Raises:
            ArtifactMissing: most images cannot be read.
        """
        info = find_model(setup.model)
        if info.encoding is Encoding.PIXELS:
            size, channels = shape or self._image_shape(project, setup, project.n_pool)
            with self._folder(project, f"{split}-image-{size}-{channels}") as folder:
                return self._read_images(project, split, folder, size, channels, n)
        encoder = text_encoder(info.encoding, setup.recipe)
        with self._folder(project, f"{split}-{encoder.key}") as folder:
            return self._read_texts(project, split, folder, encoder, n)

    @contextmanager
    def _folder(self, project: Project, key: str) -> Iterator[Path]:
        """Yield the folder of one pack, locked against other workers."""
        cache = self.settings.cache_folder
        # Where the packs of versions before this one lay; nobody reads them.
        shutil.rmtree(cache / f"project-{project.id}", ignore_errors=True)
        folder = cache / "packs" / str(project.uid) / key
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder / "lock"):
            yield folder

    def round_inputs(
        self,
        project: Project,
        snapshot: Snapshot,
        setup: ModelSetup,
        spec: InputSpec | None = None,
    ) -> RoundInputs:
        """Return a snapshot's arrays as the model takes them, for any of the steps.

        A model on vectors gets the brought features; evaluation items have none. Images come as
        those of `spec`, which a trained model names, or as the snapshot's pool decides.

        Raises:
            FeaturesInvalid: it does, and there is no row for each item.
        """
        features = self.features(snapshot.features_hash) if snapshot.features_hash else None
        evaluation = None
        encoding = find_model(setup.model).encoding
        if encoding is Encoding.VECTORS:
            pool: Inputs = _brought_vectors(features, snapshot.n_pool)
        else:
            shape = None
            if spec is not None and spec.channels:
                shape = spec.height, spec.channels
            elif encoding is Encoding.PIXELS:
                shape = self._image_shape(project, setup, snapshot.n_pool)
            pool = self.read(project, Split.POOL, setup, snapshot.n_pool, shape)
            evaluation = self._evaluation(project, snapshot, setup, shape)
            snapshot = self._without_set_aside(project, snapshot)
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
        self,
        project: Project,
        snapshot: Snapshot,
        setup: ModelSetup,
        shape: ImageShape | None,
    ) -> Evaluation | None:
        if not snapshot.n_evaluation:
            return None
        n = snapshot.n_evaluation
        inputs = self.read(project, Split.EVALUATION, setup, n, shape)
        with transaction(self.factory) as session:
            classes = item_queries.evaluation_classes(session, project.id)
        labels = np.asarray(classes[: snapshot.n_evaluation], np.int64)
        aside = self._set_aside_rows(project, Split.EVALUATION, len(labels))
        if len(aside):
            kept = np.setdiff1d(np.arange(len(labels)), aside)
            return Evaluation(inputs.take(kept), labels[kept])
        return Evaluation(inputs, labels)

    def _set_aside_rows(self, project: Project, split: Split, n: int) -> IntArray:
        rows = np.asarray(set_aside_rows(self.factory, project.id, split), np.int64)
        return rows[rows < n]

    def _without_set_aside(self, project: Project, snapshot: Snapshot) -> Snapshot:
        """Return the snapshot without the items that turned out unreadable after it was taken."""
        aside = self._set_aside_rows(project, Split.POOL, snapshot.n_pool)
        if not len(aside):
            return snapshot
        excluded = np.union1d(snapshot.excluded_index, aside)
        is_read = ~np.isin(snapshot.labeled_index, aside)
        return replace(
            snapshot,
            labeled_index=snapshot.labeled_index[is_read],
            labels=snapshot.labels[is_read],
            excluded_index=excluded,
            n_ranked=min(snapshot.n_ranked, snapshot.n_pool - len(excluded)),
        )

    def features(self, features_hash: str) -> FloatArray:
        """Return brought features, [n, d], memory-mapped from a checked copy on this machine."""
        path = self.settings.cache_folder / "features" / f"{features_hash}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path.parent / "lock"):
            if not _has_hash(path, features_hash):
                with replaced(path) as file:
                    file.writelines(self.store.stream(features_hash))
        features: FloatArray = np.load(path, mmap_mode="r", allow_pickle=False)
        return features

    def _image_shape(self, project: Project, setup: ModelSetup, n_pool: int) -> ImageShape:
        """Return the shape of the pool's first images: in colour if one of them has it."""
        with transaction(self.factory) as session:
            found = item_queries.image_shape(session, project.id, n_pool)
        side, channels = found or (LARGEST_DEFAULT_SIDE, 3)
        return packed_side(find_model(setup.model), setup.recipe, side), channels

    def _read_images(
        self, project: Project, split: Split, folder: Path, size: int, channels: int, n: int
    ) -> Images:
        unreadable: list[Unreadable] = []
        n_read = 0

        def pack_block(first: int, end: int) -> Packed:
            nonlocal n_read
            n_read += end - first
            items = list(self._items(project, split, first, end))
            pixels = np.zeros((end - first, size, size, channels), np.uint8)
            gaps = []
            for item in items:
                found = self._decoded(item, size, channels)
                if isinstance(found, Unreadable):
                    gaps.append(item.index)
                    unreadable.append(found)
                else:
                    pixels[item.index - first] = found
            return item_queries.content_digest(items), (pixels.tobytes(),), gaps

        about = {"project": str(project.uid), "split": split, "image": [size, channels]}
        with Pack(folder, about, ["pixels.u8"]) as pack:
            stale = self._stale_blocks(pack, project, split, n)
            grow(
                pack, n, pack_block, stale=stale, fixed_size=True, block_items=PAGE,
                is_due=_every(COMMIT_SECONDS),
            )  # fmt: skip
        set_aside(self.factory, self.settings, project.id, unreadable, n_read)
        if n == 0:
            return Images(np.zeros((0, size, size, channels), np.uint8))
        shape = (n, size, size, channels)
        return Images(np.memmap(folder / "pixels.u8", np.uint8, mode="r", shape=shape))

    def _decoded(
        self, item: item_queries.ItemContent, size: int, channels: int
    ) -> npt.NDArray[np.uint8] | Unreadable:
        """Return the image's pixels, or why it has none.

        A store that fails in another way, by an OSError, fails the attempt: it may be back soon.
        """
        try:
            content = read_image(self.store, self.settings, item)
        except ArtifactMissing as error:
            return Unreadable(item.id, error.detail)
        try:
            return decode_image(content, size, channels)
        except UNDECODABLE as error:
            reason = f"The image cannot be decoded: {error or type(error).__name__}."
            return Unreadable(item.id, reason)

    def _read_texts(
        self, project: Project, split: Split, folder: Path, encoder: TextEncoder, n: int
    ) -> Texts:
        def pack_block(first: int, end: int) -> Packed:
            items = list(self._items(project, split, first, end))
            texts = encoder.encode([item.text or "" for item in items])
            parts = (texts.token_ids.tobytes(), np.diff(texts.offsets).tobytes())
            return item_queries.content_digest(items), parts, ()

        about = {"project": str(project.uid), "split": split, "encoder": encoder.key}
        with Pack(folder, about, ["ids.i32", "lengths.i64"]) as pack:
            stale = self._stale_blocks(pack, project, split, n)
            grow(
                pack, n, pack_block, stale=stale, fixed_size=False, block_items=PAGE,
                is_due=_every(COMMIT_SECONDS),
            )  # fmt: skip
        lengths = np.fromfile(folder / "lengths.i64", np.int64, count=n)
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        token_ids = np.fromfile(folder / "ids.i32", np.int32, count=int(offsets[-1]))
        return Texts(token_ids, offsets)

    def _stale_blocks(self, pack: Pack, project: Project, split: Split, n: int) -> set[int]:
        """Return the blocks of the first `n` items that are of other items, damaged, or zeros.

        Zeros stay while their item is set aside; once it is taken back it is read again.
        """
        n_blocks = sum(pack.first(block) < n for block in range(len(pack.blocks)))
        stale = set(pack.damaged(n_blocks))
        for start in range(0, n_blocks, BLOCKS_A_QUERY):
            blocks = pack.blocks[start : min(start + BLOCKS_A_QUERY, n_blocks)]
            ends = [block.n for block in blocks]
            with transaction(self.factory) as session:
                found = item_queries.content_digests(
                    session, project.id, split, pack.first(start), ends
                )
            pairs = zip(blocks, found, strict=True)
            stale |= {start + k for k, (block, items) in enumerate(pairs) if block.items != items}
        gaps = {gap: block for block in range(n_blocks) for gap in pack.blocks[block].gaps}
        if gaps:
            aside = set(set_aside_rows(self.factory, project.id, split))
            stale |= {block for gap, block in gaps.items() if gap not in aside}
        return stale

    def _items(
        self, project: Project, split: Split, first: int, end: int
    ) -> Iterator[item_queries.ItemContent]:
        """Yield the items of index first..end - 1, read in one short transaction.

        Raises:
            ArtifactMissing: the database holds fewer.
        """
        with transaction(self.factory) as session:
            items = item_queries.contents(session, project.id, split, first, end)
        if len(items) != end - first:
            raise ArtifactMissing(
                f"The database holds {len(items)} of the items {first} to {end - 1} that the job "
                "began with; was it replaced by another? Retry the round."
            )
        yield from items


def packed_side(info: ModelInfo, recipe: Recipe, median_side: int) -> int:
    """Return the side in pixels that images are decoded to.

    It is the recipe's, else what shows the network the model's own side, else the median of the
    larger sides of the pool's images, up to LARGEST_DEFAULT_SIDE.
    """
    if recipe.image_size is not None:
        return recipe.image_size
    if info.default_side is not None:
        return round(info.default_side / recipe.crop_fraction)
    return min(max(median_side, 8), LARGEST_DEFAULT_SIDE)


def _brought_vectors(features: FloatArray | None, n_pool: int) -> Vectors:
    n = 0 if features is None else len(features)
    if features is None or n < n_pool:
        raise FeaturesInvalid(
            f"The model takes brought features; there are {n} rows of them for {n_pool} pool "
            "items. PUT them (again), a row for each item, in import order."
        )
    return Vectors(features[:n_pool])


def _has_hash(path: Path, digest: str) -> bool:
    if not path.exists():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == digest


def _every(seconds: float) -> Callable[[], bool]:
    """Return a question that is answered with yes once in so many seconds."""
    last = time.monotonic()

    def is_due() -> bool:
        nonlocal last
        if time.monotonic() - last < seconds:
            return False
        last = time.monotonic()
        return True

    return is_due


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
