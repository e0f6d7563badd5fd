"""Lists the models: what each takes, its recipes and what builds it; data only, free of torch.

An installed package brings a model by an entry point of the group `svp.models`, whose name is the
model's and whose object is a `ModelInfo`, as the bundled ones have. The API loads it too, so its
module must not import torch; the code stands in another module, which `ModelInfo.builder` names.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import MappingProxyType
from typing import Any

from models import recipes
from models.recipe import Recipe, RecipeError, recipe_from_json
from models.recipe_choice import AUTO, OF_STAGES, ByLabels, chosen_name, chosen_recipe

PLUGIN_GROUP = "svp.models"
FEW_LABELS = 500  # for which an automatic recipe is shown, and checked when it is asked for


class Modality(StrEnum):
    """The kind of a project's items."""

    IMAGE = "image"
    TEXT = "text"


class Encoding(StrEnum):
    """The form of a network's inputs (models.data.arrays)."""

    PIXELS = "pixels"
    WORD_NGRAMS = "word_ngrams"
    WORDS = "words"
    CHARACTERS = "characters"
    VECTORS = "vectors"


class ModelError(ValueError):
    """A model does not exist or cannot be built like this; the message says why."""


class UnknownModelError(ModelError):
    """No model has this name; the message lists those that exist."""


@dataclass(frozen=True)
class ModelInfo:
    """One model: its name in the API, what it takes, its recipes, and the code behind it.

    Attributes:
        builder: "package.module:function", a `models.networks.build.Builder`; imported when a
            network is built.
        recipes: by name; the first is the default.
        source: the paper, or the package, that it comes from.
        smallest_side: of an image, in pixels.
        default_side: that images are scaled to where the recipe names none; None = their own.
        trainer: "package.module:function", a `models.training.train.WholeTrainer`, which trains it
            in one piece, without checkpoints; None: models.training.train trains its epochs.
        by_labels: the names of the recipes for so many labels and more, where the user names none;
            empty: the default recipe for any number. All take inputs in the same form.
    """

    name: str
    title: str
    description: str
    encoding: Encoding
    builder: str
    recipes: Mapping[str, Recipe]
    source: str
    smallest_side: int = 1
    default_side: int | None = None
    trainer: str | None = None
    by_labels: ByLabels = ()

    @property
    def recipe(self) -> Recipe:
        """The default recipe."""
        return next(iter(self.recipes.values()))

    @property
    def counts_forgetting(self) -> bool:
        """Whether its training can count forgetting events: ours can, another library's cannot."""
        return self.trainer is None

    @property
    def modality(self) -> Modality | None:
        """The items that it takes; None: vectors, which may stand for any items."""
        if self.encoding is Encoding.VECTORS:
            return None
        return Modality.IMAGE if self.encoding is Encoding.PIXELS else Modality.TEXT


@dataclass(frozen=True)
class ModelSetup:
    """A model, by its name in the catalog, and the recipe that it is trained by.

    Attributes:
        recipe: as it is; where it is chosen for each training, the one for FEW_LABELS.
        auto: what the user changes in a recipe that is chosen for each training; None: it is fixed.
        recipe_name: of the recipe in the catalog that was chosen; None where none was.
    """

    model: str
    recipe: Recipe
    auto: Mapping[str, Any] | None = None
    recipe_name: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return JSON values; `setup_from_json` reads them back."""
        values: dict[str, Any] = {"model": self.model, "recipe": self.recipe.to_json()}
        return values if self.auto is None else {**values, "auto": dict(self.auto)}

    def for_labels(self, n_labeled: int, side: int = 0) -> "ModelSetup":
        """Return the setup of a training on so many labels: with the recipe that is chosen.

        Args:
            n_labeled: m.
            side: of the images, in pixels; 0 for texts and vectors.
        """
        if self.auto is None:
            return self
        info = find_model(self.model)
        name = (
            chosen_name(info.by_labels, n_labeled) if info.by_labels else next(iter(info.recipes))
        )
        recipe = info.recipes[name]
        if info.trainer is None:
            recipe = chosen_recipe(recipe, self.auto, n_labeled, side)
        else:
            recipe = recipe.with_overrides(self.auto)
        return ModelSetup(self.model, recipe, recipe_name=name)

    def with_weights_in(self, folder: Path) -> "ModelSetup":
        """Return the setup with the path of its weights, a plain name, in this folder.

        Raises:
            RecipeError: as `Recipe.check_weights_name`.
        """
        recipe = self.recipe.with_weights_in(folder)
        auto = self.auto
        if auto is not None and recipe.weights is not None:
            auto = {**auto, "weights": recipe.weights}
        return replace(self, recipe=recipe, auto=auto)


def _preact(depth: int) -> ModelInfo:
    return ModelInfo(
        f"preact{depth}",
        f"Pre-activation ResNet {depth}",
        f"ResNet v2 with {depth} layers for small images, widths 16, 32, 64.",
        Encoding.PIXELS,
        f"models.networks.preact_resnet:preact{depth}",
        recipes.CIFAR,
        "He et al. 2016b",
        by_labels=((0, "few_labels"), (10_000, "fast")),
    )


def _torchvision(name: str, title: str, smallest_side: int, side: int = 224) -> ModelInfo:
    return ModelInfo(
        name,
        title,
        f"torchvision's {name} for images of ImageNet's size.",
        Encoding.PIXELS,
        "models.networks.torchvision_net:build",
        recipes.IMAGENET,
        "torchvision",
        smallest_side,
        side,
        by_labels=((0, "few_labels"), (20_000, "fast")),
    )


def _vdcnn(depth: int) -> ModelInfo:
    return ModelInfo(
        f"vdcnn{depth}",
        f"VDCNN {depth}",
        f"Very deep convolutional network on characters, {depth} layers.",
        Encoding.CHARACTERS,
        f"models.networks.vdcnn:vdcnn{depth}",
        recipes.VDCNN,
        "Conneau et al. 2017",
        by_labels=((0, "few_labels"), (20_000, "fast")),
    )


FASTTEXT = ModelInfo(
    "fasttext",
    "fastText twin",
    "Hashed word n-grams, mean embedding, linear layer: fastText's model in torch.",
    Encoding.WORD_NGRAMS,
    "models.networks.fasttext:build",
    recipes.FASTTEXT,
    "Joulin et al. 2016",
    by_labels=((0, "unigrams"),),
)
FASTTEXT_OFFICIAL = ModelInfo(
    "fasttext_official",
    "fastText, official library",
    "The library that the paper used, trained on one thread; needs the extra fasttext.",
    Encoding.WORDS,
    "models.networks.official_fasttext:build",
    recipes.FASTTEXT,
    "Joulin et al. 2016",
    trainer="models.training.official_fasttext:train_official",
    by_labels=((0, "unigrams"),),
)
TFIDF = ModelInfo(
    "tfidf",
    "TF-IDF, logistic regression",
    "scikit-learn's logistic regression on TF-IDF of hashed words; trained in a blink.",
    Encoding.WORD_NGRAMS,
    "models.networks.tfidf:build",
    recipes.TFIDF,
    "scikit-learn",
    trainer="models.training.tfidf:train_tfidf",
)
PROBE = ModelInfo(
    "probe",
    "Probe on frozen features",
    "A linear layer, or one hidden layer, on vectors that the user brings.",
    Encoding.VECTORS,
    "models.networks.probe:build",
    recipes.PROBE,
    "Alain & Bengio 2016",
)

MODELS: Mapping[str, ModelInfo] = MappingProxyType(
    {
        info.name: info
        for info in (
            *(_preact(depth) for depth in (8, 14, 20, 32, 56, 110, 164)),
            *(_torchvision(f"resnet{d}", f"ResNet {d}", 1) for d in (18, 34, 50, 101, 152)),
            _torchvision("resnext50_32x4d", "ResNeXt 50 32x4d", 1),
            _torchvision("resnext101_32x8d", "ResNeXt 101 32x8d", 1),
            *(_torchvision(f"densenet{d}", f"DenseNet {d}", 29) for d in (121, 161, 169, 201)),
            _torchvision("mobilenet_v2", "MobileNet v2", 1),
            _torchvision("googlenet", "GoogLeNet", 15),
            _torchvision("inception_v3", "Inception v3", 75, side=299),
            *(_torchvision(f"vgg{d}", f"VGG {d}", 32) for d in (11, 13, 16, 19)),
            *(_torchvision(f"vgg{d}_bn", f"VGG {d} with batch norm", 32) for d in (11, 13, 16, 19)),
            _torchvision("squeezenet1_0", "SqueezeNet 1.0", 21),
            _torchvision("squeezenet1_1", "SqueezeNet 1.1", 17),
            _torchvision("alexnet", "AlexNet", 63),
            *(_vdcnn(depth) for depth in (9, 17, 29, 49)),
            FASTTEXT,
            FASTTEXT_OFFICIAL,
            TFIDF,
            PROBE,
        )
    }
)


@cache
def installed_points() -> tuple[EntryPoint, ...]:
    """Return the entry points of the packages that were installed when this process first asked.

    Looking for them reads the folder of every installed package.
    """
    return tuple(entry_points(group=PLUGIN_GROUP))


def known_models() -> list[str]:
    """Return all names: ours in the catalog's order, then those that packages bring."""
    return [*MODELS, *sorted({point.name for point in installed_points()} - set(MODELS))]


def models_for(modality: Modality) -> list[str]:
    """Return the names of the models that take such items, without those that do not load."""
    found = []
    for name in known_models():
        with suppress(ModelError):
            found += [name] if find_model(name).modality is modality else []
    return found


def find_model(name: str) -> ModelInfo:
    """Return the model of this name: ours, or one that an installed package brings.

    Raises:
        UnknownModelError: there is none; the message lists the known ones.
        ModelError: a package's entry point is not what it must be.
    """
    found = _brought(name) or MODELS.get(name)
    if found is None:
        raise UnknownModelError(
            f"There is no model {name!r}; known are {', '.join(known_models())}."
        )
    return found


def _brought(name: str) -> ModelInfo | None:
    """Return the model of this name that an installed package brings, if one does.

    Raises:
        ModelError: two packages bring it, or one takes a name of ours, or its entry point does not
            load or is no ModelInfo of its name.
    """
    points = [point for point in installed_points() if point.name == name]
    if not points:
        return None
    where = f"Entry point {name!r} of {PLUGIN_GROUP}"
    if name in MODELS:
        raise ModelError(f"{where} takes the name of our model.")
    if len(points) > 1:
        brought_by = ", ".join(sorted(p.dist.name for p in points if p.dist))
        raise ModelError(f"Model {name!r} is brought by more than one package: {brought_by}.")
    try:
        found = points[0].load()
    except Exception as error:
        raise ModelError(f"{where} does not load: {type(error).__name__}: {error}.") from error
    if not isinstance(found, ModelInfo) or found.name != name:
        raise ModelError(f"{where} must be a models.catalog.ModelInfo of that name, not {found!r}.")
    return found


def resolve_setup(model: str, overrides: Mapping[str, object]) -> ModelSetup:
    """Return the model with its recipe, as `resolve_recipe` gives it, or AUTO's.

    Raises:
        ModelError, RecipeError: as `resolve_recipe`.
    """
    if overrides.get("name") != AUTO:
        return ModelSetup(model, resolve_recipe(model, overrides))
    auto = {name: value for name, value in overrides.items() if name != "name"}
    info = find_model(model)
    setup = ModelSetup(model, info.recipe, auto)
    recipe = setup.for_labels(FEW_LABELS).recipe
    _check_side(info, recipe)
    return replace(setup, recipe=recipe)


def resolve_choice(model: str, overrides: Mapping[str, object]) -> ModelSetup:
    """Return the same as a user means it: without a name the recipe is chosen for each training.

    Unless nothing is left to choose, or stages are set, which are those of the default recipe.
    """
    is_whole = {field.name for field in fields(Recipe)} <= set(overrides)
    if "name" in overrides or is_whole or OF_STAGES & set(overrides):
        return resolve_setup(model, overrides)
    return resolve_setup(model, {"name": AUTO, **overrides})


def setup_from_json(values: Mapping[str, Any]) -> ModelSetup:
    """Return the setup that `ModelSetup.to_json` wrote, and check its recipe again."""
    return ModelSetup(values["model"], recipe_from_json(values["recipe"]), values.get("auto"))


def resolve_recipe(model: str, overrides: Mapping[str, object]) -> Recipe:
    """Return the recipe that `name` names (else the default one), the other overrides applied.

    Raises:
        ModelError: no such model.
        RecipeError: an override is unknown or not allowed, or no recipe has the name.
    """
    info, values = find_model(model), dict(overrides)
    recipe = info.recipe
    if "name" in values:
        name = values.pop("name")
        if name not in list(info.recipes):
            known = ", ".join(info.recipes)
            raise RecipeError(f"{model} has no recipe {name!r}; known are {known}.")
        recipe = info.recipes[str(name)]
    recipe = recipe.with_overrides(values)
    _check_side(info, recipe)
    return recipe


def _check_side(info: ModelInfo, recipe: Recipe) -> None:
    side = None if recipe.image_size is None else recipe.view_side(recipe.image_size)
    if side is not None and side < info.smallest_side:
        raise RecipeError(
            f"{info.name} must see at least {info.smallest_side} pixels a side, not {side}: "
            "make image_size or crop_fraction larger."
        )
