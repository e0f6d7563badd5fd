"""Builds networks: the one place that maps a model's name to its code."""

import pkgutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from models.catalog import MODELS, Encoding, ModelError, ModelInfo, find_model, find_plugin
from models.data.arrays import Inputs, InputSpec
from models.networks.fasttext import FastText
from models.networks.network import Network
from models.networks.official_fasttext import OfficialFastText
from models.networks.preact_resnet import (
    preact8,
    preact14,
    preact20,
    preact32,
    preact56,
    preact110,
    preact164,
)
from models.networks.pretrained import load_pretrained
from models.networks.probe import Probe
from models.networks.torchvision_net import TorchvisionNet
from models.networks.vdcnn import vdcnn9, vdcnn17, vdcnn29, vdcnn49
from models.recipe import Recipe

Builder = Callable[[Recipe, InputSpec, int], Network]
BUILDERS: dict[str, Builder] = {}


def register(name: str, builder: Builder) -> None:
    """Add a model.

    Raises:
        ModelError: the name is taken, or the catalog does not list it.
    """
    if name in BUILDERS:
        raise ModelError(f"Model {name} is registered twice.")
    if name not in MODELS:
        raise ModelError(f"Model {name} is not in models.catalog; add it there first.")
    BUILDERS[name] = builder


def fresh_network(model: str, recipe: Recipe, inputs: Inputs, n_classes: int) -> Network:
    """Return the network that a training on these inputs starts from.

    Its normalisation is the inputs' own, or the one that `recipe.weights` were trained with.

    Raises:
        ModelError: as `build`.
        PretrainedError: the file of weights is missing, damaged or another model's.
    """
    network = build(model, n_classes, recipe, inputs.spec)
    network.fit_normalisation(inputs)
    if recipe.weights is not None:
        load_pretrained(network, Path(recipe.weights))
    return network


def build(
    model: str, n_classes: int, recipe: Recipe | None = None, spec: InputSpec | None = None
) -> Network:
    """Return a network with fresh weights from torch's current generator.

    Args:
        model: name in the catalog, or of an installed package's entry point.
        n_classes: C.
        recipe: by default the model's.
        spec: of the inputs; by default of images of the model's size (else 32 x 32) in colour.

    Raises:
        UnknownModelError: no such model.
        ModelError: it takes other inputs, larger images, or vectors whose length is not said.
    """
    plugin = find_plugin(model)
    info = plugin.info if plugin else find_model(model)
    spec, recipe = spec or _default_spec(info), recipe or info.recipe
    _check_spec(info, spec, recipe)
    builder: Builder = pkgutil.resolve_name(plugin.builder) if plugin else BUILDERS[model]
    return builder(recipe, spec, n_classes)


def _default_spec(info: ModelInfo) -> InputSpec:
    if info.encoding is Encoding.VECTORS:
        raise ModelError(f"{info.name} needs spec=InputSpec(width=d), the length of its vectors.")
    if info.encoding is Encoding.PIXELS:
        side = info.default_side or 32
        return InputSpec(side, side, 3)
    return InputSpec()


def _check_spec(info: ModelInfo, spec: InputSpec, recipe: Recipe) -> None:
    fits = {
        Encoding.PIXELS: spec.channels > 0,
        Encoding.VECTORS: spec.channels == 0 and spec.width > 0,
    }
    if not fits.get(info.encoding, spec == InputSpec()):
        raise ModelError(f"Model {info.name} takes {info.encoding} only.")
    if spec.channels and spec.channels not in (1, 3):
        raise ModelError(
            f"Images have 1 channel (grey) or 3 (colour), the last axis; these have {spec.channels}"
            + (
                f", and {spec.height} rows: they seem to lie as [n, C, H, W]; "
                "use numpy.transpose(images, (0, 2, 3, 1))."
                if spec.height in (1, 3)
                else "."
            )
        )
    side = recipe.view_side(min(spec.height, spec.width))
    if spec.channels and side < info.smallest_side:
        raise ModelError(
            f"Model {info.name} must see at least {info.smallest_side} pixels a side, not {side} "
            f"of {spec.height} x {spec.width}; set image_size or crop_fraction in its recipe."
        )


def _of_spec(make: Callable[[InputSpec, int], Network]) -> Builder:
    return lambda _recipe, spec, n_classes: make(spec, n_classes)


def _of_recipe(make: Callable[[Recipe, int], Network]) -> Builder:
    return lambda recipe, _spec, n_classes: make(recipe, n_classes)


for _preact in (preact8, preact14, preact20, preact32, preact56, preact110, preact164):
    register(_preact.__name__, _of_spec(_preact))
for _info in MODELS.values():
    if _info.source == "torchvision":
        register(_info.name, _of_spec(partial(TorchvisionNet, _info.name)))
for _vdcnn in (vdcnn9, vdcnn17, vdcnn29, vdcnn49):
    register(_vdcnn.__name__, _of_recipe(_vdcnn))
# Plain SGD touches only the rows of a minibatch's n-grams; momentum and decay touch all of them.
register(
    "fasttext",
    lambda r, _spec, n_classes: FastText(
        r.buckets, r.dim, n_classes, sparse=r.momentum == r.weight_decay == 0
    ),
)
register("fasttext_official", _of_recipe(OfficialFastText))
register("probe", lambda r, spec, n_classes: Probe(spec.width, r.hidden, n_classes))
