"""Predicts with a stored model: a script of one's own needs this module and the model's file.

    from models.predictor import load

    predict = load("target.safetensors")
    print(predict(["a text", "another"]).classes)

Images and texts become inputs as the service makes them, and the same inputs in the same order give
the same bits. Neither web, database nor queue is imported.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.catalog import Encoding, find_model
from models.data.arrays import Images, Inputs, Vectors
from models.data.encoders import text_encoder
from models.data.image import UNDECODABLE, decode_image
from models.data.types import FloatArray
from models.predict import predict, suitable_minibatch
from models.training.trained import TrainedModel, load_model

Items = Sequence[str] | Sequence[bytes | Path] | npt.NDArray[np.floating[Any]]
ITEMS_AT_ONCE = 1024  # about


@dataclass(frozen=True)
class Predicted:
    """Predictions in the order of the items.

    Attributes:
        names: of the classes.
        probs: class probabilities, [n, C].
    """

    names: list[str]
    probs: FloatArray

    @property
    def classes(self) -> list[str]:
        """The most probable class of each item; ties go to the first class."""
        return [self.names[index] for index in self.probs.argmax(axis=1)]

    @property
    def confidences(self) -> npt.NDArray[np.float32]:
        """Its probability."""
        return np.asarray(self.probs.max(axis=1), np.float32)


class Predictor:
    """Predicts the classes of texts, of images (bytes or paths of files), or of vectors."""

    def __init__(self, trained: TrainedModel, device: str = "cpu") -> None:
        self.trained = trained
        self.encoding = find_model(trained.model).encoding
        self.device = device
        self.names = trained.classes or [str(index) for index in range(trained.n_classes)]

    @property
    def items_at_once(self) -> int:
        """How many items to predict at a time: whole minibatches, so that no bit depends on it."""
        step = suitable_minibatch(self.trained.spec, self.device)
        return step * max(1, ITEMS_AT_ONCE // step)

    def __call__(self, items: Items) -> Predicted:
        """Return the predictions of all items.

        Raises:
            ValueError: they are not what the model takes, or an image cannot be read.
        """
        probs = [np.empty((0, len(self.names)), np.float32)]
        for start in range(0, len(items), self.items_at_once):
            inputs, faults = self.read(items[start : start + self.items_at_once])
            if faults:
                raise ValueError(f"Item {start + min(faults)}: {faults[min(faults)]}")
            probs.append(self.of_inputs(inputs).probs)
        return Predicted(self.names, np.concatenate(probs))

    def of_inputs(self, inputs: Inputs) -> Predicted:
        """Return the predictions of what `read` returned."""
        return Predicted(self.names, predict(self.trained, inputs, device=self.device).probs)

    def read(self, items: Items) -> tuple[Inputs, dict[int, str]]:
        """Return (the items as the network takes them, position -> why not, of those left out)."""
        if self.encoding is Encoding.VECTORS:
            return Vectors(np.asarray(items, np.float32)), {}
        read: Callable[[object], Any]
        read = self._pixels if self.encoding is Encoding.PIXELS else self._text
        found: list[Any] = []
        faults: dict[int, str] = {}
        for position, item in enumerate(items):
            try:
                found.append(read(item))
            except ValueError as error:
                faults[position] = str(error)
        if self.encoding is Encoding.PIXELS:
            spec = self.trained.spec
            pixels = np.empty((len(found), spec.height, spec.width, spec.channels), np.uint8)
            for row, image in enumerate(found):
                pixels[row] = image
            return Images(pixels), faults
        return text_encoder(self.encoding, self.trained.recipe).encode(found), faults

    def _text(self, item: object) -> str:
        if not isinstance(item, str):
            raise ValueError(  # noqa: TRY004 - like the others, for one handler
                f"{self.trained.model} takes texts, not {type(item).__name__}."
            )
        return item

    def _pixels(self, item: object) -> npt.NDArray[np.uint8]:
        if not isinstance(item, bytes | Path):
            raise ValueError(  # noqa: TRY004 - like the others, for one handler
                f"{self.trained.model} takes images, each its bytes or the pathlib.Path of a file, "
                f"not {type(item).__name__}."
            )
        spec = self.trained.spec
        try:
            data = item if isinstance(item, bytes) else item.read_bytes()
            return decode_image(data, spec.height, spec.channels)
        except UNDECODABLE as error:
            raise ValueError(
                f"The image cannot be read: {error or type(error).__name__}."
            ) from None


def load(path: str | Path, device: str = "cpu") -> Predictor:
    """Return what predicts by a model's file, as the service's `weights` route gives it.

    Raises:
        PretrainedError: the file is missing, damaged or of another kind.
        ModelError: its model is not installed here.
    """
    return Predictor(load_model(Path(path)), device)
