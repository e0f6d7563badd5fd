"""Builds networks: the one place that maps a model's name to its code."""

from collections.abc import Callable

from models.catalog import MODELS, Modality, UnknownModelError
from models.data.arrays import Inputs, InputSpec
from models.fasttext import FastText
from models.network import Network
from models.preact_resnet import preact8, preact20, preact56
from models.recipe import Recipe

Builder = Callable[[Recipe, InputSpec, int], Network]
BUILDERS: dict[str, Builder] = {}


def register(name: str, builder: Builder) -> None:
    """Add a model.

    Raises:
        UnknownModelError: the name is taken, or the catalog does not list it.
    """
    if name in BUILDERS:
        raise UnknownModelError(f"Model {name} is registered twice.")
    if name not in MODELS:
        raise UnknownModelError(f"Model {name} is not in models.catalog; add it there first.")
    BUILDERS[name] = builder


def fresh_network(model: str, recipe: Recipe, inputs: Inputs, n_classes: int) -> Network:
    """Return the network that a training on these inputs starts from.

    Raises:
        UnknownModelError: no such model, or its modality is not the inputs'.
    """
    network = build(model, n_classes, recipe, inputs.spec)
    network.fit_normalisation(inputs)
    return network


def build(model: str, n_classes: int, recipe: Recipe, spec: InputSpec) -> Network:
    """Return a network with fresh weights from torch's current generator.

    Raises:
        UnknownModelError: no such model, or its modality is not the inputs'.
    """
    if model not in BUILDERS:
        raise UnknownModelError(f"There is no model {model!r}; known are {', '.join(BUILDERS)}.")
    takes_images = MODELS[model].modality is Modality.IMAGE
    if takes_images != (spec.channels > 0):
        raise UnknownModelError(f"Model {model} takes {MODELS[model].modality} inputs only.")
    return BUILDERS[model](recipe, spec, n_classes)


register("preact8", lambda _recipe, spec, n_classes: preact8(spec, n_classes))
register("preact20", lambda _recipe, spec, n_classes: preact20(spec, n_classes))
register("preact56", lambda _recipe, spec, n_classes: preact56(spec, n_classes))
# Plain SGD touches only the rows of a minibatch's n-grams; momentum and decay touch all of them.
register(
    "fasttext",
    lambda r, _spec, n_classes: FastText(
        r.buckets, r.dim, n_classes, sparse=r.momentum == r.weight_decay == 0
    ),
)
