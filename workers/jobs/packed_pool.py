"""The worker's packed copy of a project's inputs as arrays, memory-mapped.

Images lie as uint8 [n, H, W, C] in one file; texts as token ids and how many each has. What is
missing is packed first (workers.jobs.packing).
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.queries import items as item_queries
from app.db.session import transaction
from app.db.tables import Project, Split
from app.domain.errors import FeaturesInvalid
from app.storage.artifacts import ArtifactStore
from app.storage.durable import replaced
from models.catalog import Encoding, ModelSetup, find_model
from models.data.arrays import Images, Inputs, InputSpec, Texts, Vectors
from models.data.mapped import COPIED_BYTES
from selection.arrays import FloatArray, IntArray
from selection.types import rows_without
from workers.jobs.packing.forms import Form, ImageForm, TextForm, image_form
from workers.jobs.packing.splits import OnBlock, SplitPacker, locked
from workers.jobs.snapshot import Snapshot
from workers.jobs.unreadable import set_aside_rows
from workers.steps.pool_scorer import UnreadPool
from workers.steps.round import RoundInputs
from workers.steps.training import Evaluation


@dataclass(frozen=True)
class PoolReader:
    """Reads a project's splits as arrays, through the packed copy on this machine.

    Attributes:
        should_stop: whether to stop packing, asked between blocks.
        on_block: called with each block that had to be packed.
        block_items: of a block; None: as many as suits the form.
    """

    factory: sessionmaker[Session]
    store: ArtifactStore
    settings: Settings
    should_stop: Callable[[], bool] = lambda: False
    on_block: OnBlock | None = None
    block_items: int | None = None

    def read(
        self,
        project: Project,
        split: Split,
        setup: ModelSetup,
        n: int,
        form: Form | None = None,
    ) -> Inputs:
        """Return the first `n` items of the split, in index order, as the model takes them.

        Images that cannot be read are zeros, and set aside. By default the whole pool decides the
        `form` of images.

        Raises:
            ArtifactMissing: most images cannot be read.
            PackingStopped: `should_stop` asked for it; what was packed is kept.
        """
        form = form or self._form(project, setup, project.n_pool)
        packer = SplitPacker(
            self.factory, self.store, self.settings, project, split, form,
            self.should_stop, self.on_block, self.block_items,
        )  # fmt: skip
        with packer.packed(n) as folder:
            if isinstance(form, ImageForm):
                return _images(folder, form, n)
            return _texts(folder, n)

    def _form(self, project: Project, setup: ModelSetup, n_pool: int) -> Form:
        encoding = find_model(setup.model).encoding
        if encoding is Encoding.PIXELS:
            return image_form(self.factory, project.id, setup, n_pool)
        return TextForm(encoding, setup.recipe)

    def round_inputs(
        self,
        project: Project,
        snapshot: Snapshot,
        setup: ModelSetup,
        spec: InputSpec | None = None,
    ) -> RoundInputs:
        """Return a snapshot's arrays as the model takes them, for any of the steps.

        A model on vectors gets the brought features, and is measured on the evaluation items that
        have some. Images come as those of `spec`, which a trained model names, or as the
        snapshot's pool decides.

        Raises:
            FeaturesInvalid: it does, and there is no row for each item.
        """
        features = self.features(snapshot.features_hash) if snapshot.features_hash else None
        evaluation = None
        encoding = find_model(setup.model).encoding
        if encoding is Encoding.VECTORS:
            pool: Inputs = _brought_vectors(features, snapshot.n_pool)
            brought = self._evaluation_vectors(snapshot, pool.spec.width)
            evaluation = self._evaluation(project, brought) if brought else None
        else:
            form = self._form_of_spec(spec) or self._form(project, setup, snapshot.n_pool)
            pool = self.read(project, Split.POOL, setup, snapshot.n_pool, form)
            n_evaluation = snapshot.n_evaluation
            if n_evaluation:
                read = self.read(project, Split.EVALUATION, setup, n_evaluation, form)
                evaluation = self._evaluation(project, read)
            snapshot = self._without_set_aside(project, snapshot)
        return self._inputs(project, snapshot, pool, features, evaluation)

    def pool_of(self, project: Project, setup: ModelSetup, spec: InputSpec) -> Inputs:
        """Return the whole pool as a trained model takes it; items that cannot be read are empty.

        Raises:
            ArtifactMissing: most images cannot be read.
        """
        form = self._form_of_spec(spec) or self._form(project, setup, project.n_pool)
        return self.read(project, Split.POOL, setup, project.n_pool, form)

    def unread_inputs(self, project: Project, snapshot: Snapshot) -> RoundInputs:
        """Return the inputs of a selection without a model: no content is read."""
        features = self.features(snapshot.features_hash) if snapshot.features_hash else None
        snapshot = self._without_set_aside(project, snapshot)
        return self._inputs(project, snapshot, UnreadPool(snapshot.n_pool), features)

    @staticmethod
    def _form_of_spec(spec: InputSpec | None) -> ImageForm | None:
        return ImageForm(spec.height, spec.channels) if spec is not None and spec.channels else None

    @staticmethod
    def _inputs(
        project: Project,
        snapshot: Snapshot,
        pool: Inputs | UnreadPool,
        features: FloatArray | None,
        evaluation: Evaluation | None = None,
    ) -> RoundInputs:
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

    def _evaluation_vectors(self, snapshot: Snapshot, width: int) -> Vectors | None:
        """Return the brought features of the first evaluation items, those that have some.

        Raises:
            FeaturesInvalid: they are not as wide as the pool's.
        """
        if not snapshot.evaluation_features_hash:
            return None
        found = self.features(snapshot.evaluation_features_hash)[: snapshot.n_evaluation]
        if found.shape[1] != width:
            raise FeaturesInvalid(
                f"The features of the evaluation items are {found.shape[1]} values wide, those of "
                f"the pool {width}. PUT one of them again, so that both come from one model."
            )
        return Vectors(found)

    def _evaluation(self, project: Project, inputs: Inputs) -> Evaluation:
        with transaction(self.factory) as session:
            classes = item_queries.evaluation_classes(session, project.id)
        labels = np.asarray(classes[: len(inputs)], np.int64)
        aside = self._set_aside_rows(project, Split.EVALUATION, len(labels))
        if len(aside):
            kept = rows_without(len(labels), aside)
            return Evaluation(inputs.take(kept), labels[kept], kept)
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
        with locked(path.parent / "lock"):
            if not _has_hash(path, features_hash):
                with replaced(path) as file:
                    file.writelines(self.store.stream(features_hash))
            # Within the lock: nobody removes the copy (workers.jobs.copies) before it is mapped.
            features: FloatArray = np.load(path, mmap_mode="r", allow_pickle=False)
        return features


def _images(folder: Path, form: ImageForm, n: int) -> Images:
    shape = (n, form.size, form.size, form.channels)
    if n == 0:
        return Images(np.zeros(shape, np.uint8))
    return Images(np.memmap(folder / "pixels.u8", np.uint8, mode="r", shape=shape))


def _texts(folder: Path, n: int) -> Texts:
    lengths = np.fromfile(folder / "lengths.i64", np.int64, count=n)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    n_ids = int(offsets[-1])
    path = folder / "ids.i32"
    if 4 * n_ids <= COPIED_BYTES:
        return Texts(np.fromfile(path, np.int32, count=n_ids), offsets)
    # Ten million texts have gigabytes of ids. Copy on write: torch takes no read-only arrays.
    return Texts(np.memmap(path, np.int32, mode="c", shape=(n_ids,)), offsets)


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
