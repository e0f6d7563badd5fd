"""The forms that items are packed in, and how a block of items gets one.

A form is plain data, so that another process can be told it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.queries import items as queries
from app.db.queries.set_aside import Unreadable
from app.db.session import transaction
from app.db.tables import Split
from app.domain.errors import ArtifactMissing
from app.services.images import read_image
from app.storage.artifacts import ArtifactStore
from models.catalog import Encoding, ModelInfo, ModelSetup, find_model
from models.data.encoders import TextEncoder, text_encoder
from models.data.image import UNDECODABLE, decode_image
from models.recipe import Recipe
from workers.jobs.packs import PackedBlock, Span

MOST_BLOCK_ITEMS = 2000
MOST_BLOCK_BYTES = 1 << 22  # of images: a block is the least that a stopped packing has to repeat
LARGEST_DEFAULT_SIDE = 64


@dataclass(frozen=True)
class ItemSource:
    """One split of a project, as its items are read."""

    factory: sessionmaker[Session]
    store: ArtifactStore
    settings: Settings
    project_id: int
    split: Split

    def texts(self, span: Span) -> tuple[str, list[tuple[str, str]]]:
        """Return (mark of the rows, (external id, text) of the items, in order).

        Read in one short transaction, the mark first: rows that are written between have another.

        Raises:
            ArtifactMissing: the database holds fewer.
        """
        with transaction(self.factory) as session:
            (mark,) = queries.row_marks(session, self.project_id, self.split, [span])
            rows = queries.texts(session, self.project_id, self.split, *span)
        _check_complete(len(rows), span)
        return mark, rows

    def contents(self, span: Span) -> tuple[str, list[queries.ItemContent]]:
        """Return (mark of the rows, where the items' contents lie, in order), as `texts`.

        Raises:
            ArtifactMissing: the database holds fewer.
        """
        with transaction(self.factory) as session:
            (mark,) = queries.row_marks(session, self.project_id, self.split, [span])
            items = queries.contents(session, self.project_id, self.split, *span)
        _check_complete(len(items), span)
        return mark, items

    def pixels(
        self, item: queries.ItemContent, size: int, channels: int
    ) -> npt.NDArray[np.uint8] | Unreadable:
        """Return an image's pixels, or why it cannot be read.

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


@dataclass(frozen=True)
class MadeBlock:
    """A packed block, and the items of it that could not be read."""

    block: PackedBlock
    unreadable: Sequence[Unreadable] = ()


class Form(Protocol):
    """The form that items are packed in.

    Attributes:
        key: names the pack's folder; two forms of one key give the same bytes.
        about: the same, in the pack's list.
        files: the pack's data files.
        fixed_size: whether every item has as many bytes.
        block_items: of a block, at most.
        few_items: up to so many are packed sooner than other processes start.
    """

    @property
    def key(self) -> str: ...
    @property
    def about(self) -> dict[str, Any]: ...
    @property
    def files(self) -> tuple[str, ...]: ...
    @property
    def fixed_size(self) -> bool: ...
    @property
    def block_items(self) -> int: ...
    @property
    def few_items(self) -> int: ...

    def make(self, source: ItemSource, span: Span) -> MadeBlock:
        """Return the items of a span, packed.

        Raises:
            ArtifactMissing: the database holds fewer items.
        """
        ...


@dataclass(frozen=True)
class ImageForm:
    """Images as uint8 [n, size, size, channels]; one that cannot be read is zeros."""

    size: int
    channels: int
    files = ("pixels.u8",)
    fixed_size = True
    few_items = 1000

    @property
    def key(self) -> str:
        """See Form."""
        return f"image-{self.size}-{self.channels}"

    @property
    def about(self) -> dict[str, Any]:
        """See Form."""
        return {"image": [self.size, self.channels]}

    @property
    def block_items(self) -> int:
        """See Form."""
        item_bytes = self.size * self.size * self.channels
        return max(1, min(MOST_BLOCK_ITEMS, MOST_BLOCK_BYTES // item_bytes))

    def make(self, source: ItemSource, span: Span) -> MadeBlock:
        """See Form."""
        first, end = span
        mark, items = source.contents(span)
        pixels = np.zeros((end - first, self.size, self.size, self.channels), np.uint8)
        gaps, unreadable = [], []
        for item in items:
            if item.content_hash is None:  # erased
                gaps.append(item.index)
                continue
            found = source.pixels(item, self.size, self.channels)
            if isinstance(found, Unreadable):
                gaps.append(item.index)
                unreadable.append(found)
            else:
                pixels[item.index - first] = found
        digest = queries.content_digest(items)
        return MadeBlock(PackedBlock(digest, (pixels.tobytes(),), tuple(gaps), mark), unreadable)


@dataclass(frozen=True)
class TextForm:
    """Texts as flat ids and the number of each, by the model's encoder."""

    encoding: Encoding
    recipe: Recipe
    files = ("ids.i32", "lengths.i64")
    fixed_size = False
    block_items = MOST_BLOCK_ITEMS
    few_items = 40_000

    @property
    def encoder(self) -> TextEncoder:
        """The encoder; not kept, since it cannot be sent to another process."""
        return text_encoder(self.encoding, self.recipe)

    @property
    def key(self) -> str:
        """See Form."""
        return self.encoder.key

    @property
    def about(self) -> dict[str, Any]:
        """See Form."""
        return {"encoder": self.key}

    def make(self, source: ItemSource, span: Span) -> MadeBlock:
        """See Form."""
        mark, rows = source.texts(span)
        encoded = self.encoder.encode([text for _, text in rows])
        parts = encoded.token_ids.tobytes(), np.diff(encoded.offsets).tobytes()
        return MadeBlock(PackedBlock(queries.texts_digest(rows), parts, mark=mark))


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


def image_form(
    factory: sessionmaker[Session], project_id: int, setup: ModelSetup, n_pool: int
) -> ImageForm:
    """Return the form for the pool's first images: in colour if one of them is."""
    with transaction(factory) as session:
        found = queries.image_shape(session, project_id, n_pool)
    side, channels = found or (LARGEST_DEFAULT_SIDE, 3)
    return ImageForm(packed_side(find_model(setup.model), setup.recipe, side), channels)


def _check_complete(n: int, span: Span) -> None:
    first, end = span
    if n != end - first:
        raise ArtifactMissing(
            f"The database holds {n} of the items {first} to {end - 1} that the job "
            "began with; was it replaced by another? Retry the round."
        )
