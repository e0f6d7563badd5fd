"""Chooses the recipe of one training, where the user names none, by its labeled items."""

from dataclasses import replace

from models.catalog import ModelSetup
from models.data.arrays import Images
from models.data.labeled import LabeledSet
from models.data.mirroring import is_mirroring_harmless


def setup_for(setup: ModelSetup, labeled: LabeledSet) -> ModelSetup:
    """Return the setup with the recipe for these items; itself where the recipe is fixed.

    Images are mirrored where the labels show that it does no harm, or where the user says so.
    """
    if setup.auto is None:
        return setup
    inputs = labeled.inputs
    side = inputs.spec.height if isinstance(inputs, Images) else 0
    chosen = setup.for_labels(len(labeled), side)
    if not isinstance(inputs, Images) or "horizontal_flip" in setup.auto:
        return chosen
    mirrors = is_mirroring_harmless(inputs.pixels, labeled.labels)
    return replace(chosen, recipe=replace(chosen.recipe, horizontal_flip=mirrors))
