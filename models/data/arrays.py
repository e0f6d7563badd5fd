"""Inputs as plain arrays over an index: uint8 images, flat token ids, vectors of features."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.data.mapped import parts_of, take_rows
from models.data.types import Rows


@dataclass(frozen=True)
class InputSpec:
    """Shape of one input: of an image; texts have zeros, vectors only a width, their length."""

    height: int = 0
    width: int = 0
    channels: int = 0


@dataclass(frozen=True)
class Images:
    """Images as uint8 [n, H, W, C], C 1 or 3; may be a memory map, or MappedRows of one."""

    pixels: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def spec(self) -> InputSpec:
        """Shape of one image."""
        _, height, width, channels = self.pixels.shape
        return InputSpec(height, width, channels)

    @property
    def arrays(self) -> tuple[npt.NDArray[Any], ...]:
        """Arrays of the images."""
        return parts_of(self.pixels)

    @property
    def size_bytes(self) -> int:
        """Bytes of all images."""
        return self.pixels.nbytes

    def take(self, rows: Rows) -> "Images":
        """Return these rows, in their order."""
        return Images(take_rows(self.pixels, rows))


@dataclass(frozen=True)
class Texts:
    """Texts as token ids: text r is token_ids[offsets[r]:offsets[r + 1]]; offsets [n + 1]."""

    token_ids: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def spec(self) -> InputSpec:
        """The spec of texts."""
        return InputSpec()

    @property
    def arrays(self) -> tuple[npt.NDArray[Any], ...]:
        """Arrays of the texts."""
        return self.token_ids, self.offsets

    @property
    def size_bytes(self) -> int:
        """Bytes of all texts."""
        return self.token_ids.nbytes + self.offsets.nbytes

    def take(self, rows: Rows) -> "Texts":
        """Return these rows, in their order."""
        starts, ends = self.offsets[rows], self.offsets[np.asarray(rows) + 1]
        lengths = ends - starts
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
        return Texts(self.token_ids[np.repeat(starts, lengths) + within], offsets)


@dataclass(frozen=True)
class Vectors:
    """Frozen features that the user brings, [n, d]; may be a memory map; networks get float32."""

    values: npt.NDArray[np.floating]

    def __len__(self) -> int:
        return len(self.values)

    @property
    def spec(self) -> InputSpec:
        """The spec of vectors of length d."""
        return InputSpec(width=self.values.shape[1])

    @property
    def arrays(self) -> tuple[npt.NDArray[Any], ...]:
        """Arrays of the vectors."""
        return (self.values,)

    @property
    def size_bytes(self) -> int:
        """Bytes of all vectors."""
        return self.values.nbytes

    def take(self, rows: Rows) -> "Vectors":
        """Return these rows, in their order."""
        return Vectors(self.values[rows])


Inputs = Images | Texts | Vectors
