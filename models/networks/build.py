"""Builds the network of any model, bundled or brought, and checks that its inputs fit."""

import pkgutil
from collections.abc import Callable
from pathlib import Path

from models.catalog import Encoding, ModelError, ModelInfo, ModelSetup, find_model
from models.data.arrays import Inputs, InputSpec
from models.networks.network import Network
from models.networks.pretrained import load_pretrained
from models.recipe import Recipe

Builder = Callable[[ModelSetup, InputSpec, int], Network]
"""Makes a network with fresh weights for inputs of a spec and a number of classes."""


def fresh_network(setup: ModelSetup, inputs: Inputs, n_classes: int) -> Network:
    """Return the network that a training on these inputs starts from.

    Its normalisation is the inputs' own, or the one that `recipe.weights` were trained with.

    Raises:
        ModelError: as `build`.
        PretrainedError: the file of weights is missing, damaged or another model's.
    """
    network = build(setup.model, n_classes, setup.recipe, inputs.spec)
    network.fit_normalisation(inputs)
    if setup.recipe.weights is not None:
        load_pretrained(network, Path(setup.recipe.weights))
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
        ModelError: it takes other inputs, larger images, or vectors whose length is not said, or
            its code does not load.
    """
    info = find_model(model)
    spec, recipe = spec or _default_spec(info), recipe or info.recipe
    _check_spec(info, spec, recipe)
    return _builder(info)(ModelSetup(model, recipe), spec, n_classes)


def _builder(info: ModelInfo) -> Builder:
    try:
        return pkgutil.resolve_name(info.builder)
    except (ImportError, AttributeError, ValueError) as error:
        raise ModelError(
            f"Model {info.name} names the code {info.builder}, which does not load: {error}."
        ) from error


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
