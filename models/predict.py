"""Class probabilities and features of many inputs, streamed."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.catalog import Encoding, find_model
from models.data.arrays import Images, Inputs, InputSpec, Texts, Vectors
from models.data.types import FloatArray
from models.networks.folding import folded_features
from models.networks.network import to_tensors
from models.networks.threads import scoring_flops, suitable_threads
from models.training.augment import augment, centre, draw
from models.training.feed import part
from models.training.precision import autocast, usable_dtype
from models.training.trained import TrainedModel

KINDS: dict[Encoding, type[Images] | type[Texts] | type[Vectors]] = {
    Encoding.PIXELS: Images,
    Encoding.VECTORS: Vectors,
    **dict.fromkeys((Encoding.WORD_NGRAMS, Encoding.WORDS, Encoding.CHARACTERS), Texts),
}

# Pixels of a minibatch: on a CPU, where activations then stay in cache (preact20: 64 images; 1,024
# at once score half as many a second), and on a GPU, which they fill. Not by the number of threads:
# the last bits of a score depend on the minibatch.
PIXELS_ON_CPU, PIXELS_ON_GPU = 2**16, 2**23
FEWEST_ROWS, MOST_ROWS = 8, 4096


@dataclass(frozen=True)
class Predictions:
    """Class probabilities, [n, C], and features, [n, d], if they were asked for."""

    probs: FloatArray
    features: FloatArray | None


def predict(  # noqa: PLR0913 - by name: how it predicts
    trained: TrainedModel,
    inputs: Inputs,
    *,
    minibatch: int | None = None,
    device: str = "cpu",
    with_features: bool = False,
    augmentation: torch.Generator | None = None,
    out: Path | None = None,
) -> Predictions:
    """Return the model's predictions in the inputs' order, by default without augmentation.

    Features are computed in the recipe's precision, probabilities of them in float32.

    Args:
        trained: the model.
        inputs: n inputs; of a memory map only a minibatch is read at a time.
        minibatch: rows at a time; by default what suits device and size. It changes the last bits.
        device: "cpu" or "cuda[:i]".
        with_features: whether to return features too.
        augmentation: stream of the random changes that the recipe makes to images in training, as
            the published code scored; None scores them as they are.
        out: folder for probs.npy and features.npy; the arrays returned are maps of these files,
            so that memory need not hold arrays of the pool's size.

    Raises:
        ValueError: the inputs differ from what the model was trained on; the message says how.
    """
    check_inputs(trained, inputs)
    network = trained.network.eval().to(device)
    features_of: Callable[..., Tensor] = network.features
    if isinstance(inputs, Images):
        features_of = folded_features(network)
    n, step = len(inputs), minibatch or suitable_minibatch(inputs.spec, device)
    probs = _new_array(out, "probs", (n, trained.n_classes))
    features = _new_array(out, "features", (n, network.n_features)) if with_features else None
    dtype = usable_dtype(trained.recipe.precision, device)
    # Texts and vectors are scored in minibatches of thousands, which every core has a part of.
    is_counted = device == "cpu" and isinstance(inputs, Images)
    count_flops = partial(scoring_flops, network, inputs, step)
    threads: AbstractContextManager[None]
    threads = suitable_threads(count_flops) if is_counted else nullcontext()
    with torch.inference_mode(), threads:
        for start in range(0, n, step):
            stop = min(start + step, n)
            rows = to_tensors(part(inputs, start, stop), device)
            if isinstance(inputs, Images) and augmentation is not None:
                draws = draw(stop - start, trained.recipe, augmentation)
                rows = (augment(rows[0], trained.recipe, draws),)
            elif isinstance(inputs, Images):
                rows = (centre(rows[0], trained.recipe),)
            with autocast(dtype, device):
                found = features_of(*rows).float()
            # float64: rows sum to 1 within float32's last bits whatever the number of classes.
            found_probs = torch.softmax(network.head(found).double(), dim=1)
            probs[start:stop] = found_probs.float().cpu().numpy()
            if features is not None:
                features[start:stop] = found.cpu().numpy()
    return Predictions(probs, features)


def check_inputs(trained: TrainedModel, inputs: Inputs) -> None:
    """Refuse inputs of another kind, size or encoding than the model was trained on.

    Raises:
        ValueError: they are; the message says what the model takes.
    """
    kind = KINDS[find_model(trained.model).encoding]
    if not isinstance(inputs, kind):
        raise ValueError(  # noqa: TRY004 - like the others, for one handler
            f"{trained.model} was trained on {kind.__name__.lower()}; it cannot predict "
            f"{type(inputs).__name__.lower()}."
        )
    if isinstance(inputs, Texts):
        _check_ids(trained, inputs)
    elif isinstance(inputs, Images) and inputs.pixels.dtype != np.uint8:
        raise ValueError(f"Images must be uint8, 0..255, not {inputs.pixels.dtype}.")
    elif inputs.spec != trained.spec:
        raise ValueError(
            f"{trained.model} was trained on {_in_words(trained.spec)}; these are "
            f"{_in_words(inputs.spec)}. Convert them to that first"
            + ("; models.data.image.decode_image does so." if trained.spec.channels else ".")
        )


def _check_ids(trained: TrainedModel, texts: Texts) -> None:
    embedding = getattr(trained.network, "embedding", None)
    n_ids, largest = getattr(embedding, "num_embeddings", None), texts.token_ids.max(initial=0)
    if n_ids is not None and largest >= n_ids:
        raise ValueError(
            f"The texts hold the token id {largest}; {trained.model} was trained on ids below "
            f"{n_ids}. Encode them by models.data.encoders.text_encoder with the model's recipe."
        )


def _in_words(spec: InputSpec) -> str:
    if not spec.channels:
        return f"vectors of length {spec.width}"
    return f"images of {spec.height} x {spec.width} with {spec.channels} channel(s)"


def suitable_minibatch(spec: InputSpec, device: str) -> int:
    """Return how many rows to score at a time."""
    pixels = PIXELS_ON_GPU if device.startswith("cuda") else PIXELS_ON_CPU
    return int(np.clip(pixels // max(spec.height * spec.width, 1), FEWEST_ROWS, MOST_ROWS))


def _new_array(folder: Path | None, name: str, shape: tuple[int, int]) -> FloatArray:
    if folder is None:
        return np.empty(shape, np.float32)
    folder.mkdir(parents=True, exist_ok=True)
    if shape[0] == 0:  # a map of no bytes is not possible
        np.save(folder / f"{name}.npy", np.empty(shape, np.float32))
        return np.empty(shape, np.float32)
    return np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.float32, shape)


def accuracy(probs: FloatArray, labels: npt.NDArray[np.int64]) -> float:
    """Return the share of rows whose most probable class is the label; ties to the lowest class."""
    return float((probs.argmax(axis=1) == labels).mean())
