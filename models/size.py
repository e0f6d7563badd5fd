"""Estimates the least memory that a training needs from its recipe alone; free of torch.

The API refuses what no worker could hold or finish. Only what is certain counts: weights, their
gradients and momentum, and of a minibatch the inputs and the first layer's output.
"""

from models.catalog import Encoding, ModelInfo
from models.recipe import Recipe, RecipeError

MOST_EPOCHS = 10_000
MOST_STAGES = 1_000
FLOAT_BYTES = 4
FIRST_WIDTH = 16  # channels after the first layer; every network here has at least these
CHARACTER_BYTES = FLOAT_BYTES * (16 + 64)  # VDCNN's embedding and its first convolution
SMALLEST_VECTOR = 16  # features of a probe, whose number is not known before they are brought
WORD_BYTES = 8
WORDS = 16  # of a short text
DEFAULT_SIDE = 32


def training_bytes(info: ModelInfo, recipe: Recipe, n_classes: int) -> int:
    """Return how many bytes a training needs at least, on any device."""
    copies = 3 if recipe.momentum else 2  # weights, gradients, momentum
    if info.encoding in (Encoding.WORD_NGRAMS, Encoding.WORDS):
        weights = (recipe.buckets + n_classes) * recipe.dim
        copies = 1 if not recipe.momentum else copies  # plain SGD changes the rows in place
        per_item = WORDS * WORD_BYTES + recipe.dim * FLOAT_BYTES
    elif info.encoding is Encoding.VECTORS:
        weights = max(recipe.hidden, 1) * (SMALLEST_VECTOR + n_classes)
        per_item = (recipe.hidden + n_classes) * FLOAT_BYTES
    elif info.encoding is Encoding.CHARACTERS:
        weights, per_item = 2048 * (4096 + 2048 + n_classes), recipe.max_chars * CHARACTER_BYTES
    else:
        side = recipe.view_side(recipe.image_size or info.default_side or DEFAULT_SIDE)
        strides = 4 if info.default_side else 1  # the stem of networks for ImageNet
        weights = FIRST_WIDTH * n_classes
        per_item = side**2 * FLOAT_BYTES * (3 + FIRST_WIDTH // strides**2)
    return FLOAT_BYTES * weights * copies + recipe.minibatch * per_item


def check_size(info: ModelInfo, recipe: Recipe, n_classes: int, most_bytes: int | None) -> None:
    """Refuse a recipe whose training would not fit in memory, or would take forever.

    Raises:
        RecipeError: it needs more than `most_bytes` or MOST_EPOCHS; the message says which fields
            decide that.
    """
    if recipe.epochs > MOST_EPOCHS or len(recipe.epochs_per_stage) > MOST_STAGES:
        raise RecipeError(
            f"epochs may be at most {MOST_EPOCHS:,}, in at most {MOST_STAGES:,} stages, not "
            f"{recipe.epochs:,} in {len(recipe.epochs_per_stage):,}."
        )
    needed = training_bytes(info, recipe, n_classes)
    if most_bytes is not None and needed > most_bytes:
        raise RecipeError(
            f"training {info.name} like this takes at least {_gigabytes(needed)} of memory, and "
            f"workers have {_gigabytes(most_bytes)} (SVP_MAX_MODEL_BYTES): "
            f"make {_deciding(info)} smaller."
        )


def _deciding(info: ModelInfo) -> str:
    if info.encoding in (Encoding.WORD_NGRAMS, Encoding.WORDS):
        return "buckets, dim or minibatch"
    if info.encoding is Encoding.VECTORS:
        return "hidden or minibatch"
    if info.encoding is Encoding.CHARACTERS:
        return "max_chars or minibatch"
    return "image_size or minibatch"


def _gigabytes(n_bytes: int) -> str:
    return f"{n_bytes / 1024**3:,.1f} GiB"
