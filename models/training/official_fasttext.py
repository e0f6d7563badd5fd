"""Training by the official fastText library, for fidelity with the paper; the extra `fasttext`.

Source: Joulin et al. 2016; fastText 0.9.3.
"""

import ctypes
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.catalog import ModelError, ModelSetup
from models.data.arrays import Texts
from models.data.labeled import LabeledSet
from models.data.types import IntArray
from models.networks.official_fasttext import DIGITS, END, OfficialFastText
from models.training.one_piece import UNSEEN_LOGIT, trained_on_texts
from models.training.run import TrainingDivergedError
from models.training.timing import Stopwatch
from models.training.trained import TrainedModel

LABEL = "__label__"
M_PERTURB = -6


class FastTextMissingError(ModelError):
    """The official library is not installed: `pip install "svp-labeling[fasttext]"`."""


def train_official(setup: ModelSetup, labeled: LabeledSet, seed: int) -> TrainedModel:
    """Return a model trained by the library; on one thread, the default, the same bits for a seed.

    Of the recipe it takes epochs, the highest learning rate (falling linearly), dim, word_ngrams,
    buckets and threads; the paper's runs had several.

    Raises:
        FastTextMissingError: the library is not installed.
        TrainingDivergedError: it met NaN.
    """
    recipe, inputs, n_classes = setup.recipe, labeled.inputs, labeled.n_classes
    assert isinstance(inputs, Texts)  # noqa: S101 - `build` checks the modality
    library = _library()
    watch = Stopwatch("cpu")
    with watch.part("training"), tempfile.TemporaryDirectory() as folder, _zeroed_memory():
        path = Path(folder) / "train.txt"
        _write_lines(path, inputs, labeled.labels)
        try:
            learned = library.train_supervised(
                str(path), dim=recipe.dim, epoch=recipe.epochs, lr=max(recipe.learning_rates),
                wordNgrams=recipe.word_ngrams, bucket=recipe.buckets, minCount=1,
                thread=recipe.threads, seed=seed % 2**31, verbose=0,
            )  # fmt: skip
        except RuntimeError as error:
            raise TrainingDivergedError(
                f"fastText stopped: {error} Lower the learning rate in the recipe."
            ) from error
    network = OfficialFastText(recipe, n_classes)
    network.load_state_dict(weights_of(learned, n_classes))
    return trained_on_texts(network, setup, labeled, seed, watch.of("training"))


def _library() -> ModuleType:
    try:
        import fasttext  # noqa: PLC0415 - an extra
    except ImportError:
        raise FastTextMissingError(
            "The model fasttext_official needs the official library: "
            'pip install "svp-labeling[fasttext]" (it needs a C++ compiler). '
            "The model fasttext needs no such library."
        ) from None
    return fasttext


def _write_lines(path: Path, texts: Texts, labels: IntArray) -> None:
    with path.open("w", encoding="ascii") as file:
        for row, label in enumerate(labels):
            ids = texts.token_ids[texts.offsets[row] : texts.offsets[row + 1]]
            words = " ".join([f"{one:0{DIGITS}d}" for one in ids.tolist()])
            file.write(f"{LABEL}{label} {words}\n")


def weights_of(learned: Any, n_classes: int) -> dict[str, Tensor]:
    """Return the weights of a trained library model, in our order."""
    words, matrix = learned.get_words(), learned.get_input_matrix()
    ids = np.asarray([-1 if word == END else int(word) for word in words], np.int64)
    order = ids.argsort()  # the end of text first
    rows = np.concatenate([matrix[order], matrix[len(words) :]])
    weight = np.zeros((n_classes, matrix.shape[1]), np.float32)
    bias = np.full(n_classes, UNSEEN_LOGIT, np.float32)
    seen = [int(label.removeprefix(LABEL)) for label in learned.get_labels()]
    weight[seen], bias[seen] = learned.get_output_matrix(), 0
    arrays = {
        "vocabulary": ids[order][1:], "rows": rows, "linear.weight": weight, "linear.bias": bias
    }  # fmt: skip
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


@contextmanager
def _zeroed_memory() -> Iterator[None]:
    """Let malloc fill what it hands out with zeros, where the C library is glibc.

    Below ten threads the library leaves most of its input matrix as it found the memory
    (fastText #1061, #935): on a used heap it trains to NaN or, worse, to something plausible.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        yield
        return
    mallopt(M_PERTURB, 0xFF)  # it fills with the complement
    try:
        yield
    finally:
        mallopt(M_PERTURB, 0)
