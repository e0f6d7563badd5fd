"""Settings of every kind of experiment: data, models, and the paper's results that it repeats.

Each kind adds its own in its package; workers.simulation.load reads the files.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, model_validator

from models.catalog import ModelError, ModelSetup, find_model, resolve_setup
from models.recipe import Recipe, RecipeError
from selection.catalog import Purpose, find_strategy
from selection.errors import SelectionError

HAS_RUN = "has_run"  # of the context in which an experiment is checked
OF_FOLDERS = frozenset({"folder", "channels"})  # keys of the table data
WITHOUT_EFFECT = frozenset({"seeds", "title", "paper", "cpu_hours"})  # on the results of a seed


class ExperimentError(ValueError):
    """An experiment does not exist or contradicts itself; the message says what to change."""


class Config(BaseModel):
    """A table of an experiment's file: frozen, unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class RareClassesConfig(Config):
    """Classes that are made rare in the pool; the evaluation split keeps all its items.

    Attributes:
        classes: their names.
        fraction: of the pool's items of each of them that stay, drawn by the seed.
    """

    classes: list[str] = Field(min_length=1)
    fraction: float = Field(gt=0, lt=1)


class DataConfig(Config):
    """The data set and how much of it is used; None takes all.

    Attributes:
        name: of a bundled data set; with `folder` only a title, by default the folder's name.
        folder: your own labeled files instead: a folder, a file or an archive that `svp import`
            reads, by a path from where the command runs. Every item needs a class.
        n_pool: items of the train part, drawn by the seed.
        n_evaluation: items of the test part (of the train part where there is none).
        image_size: side in pixels that image files are decoded to.
        channels: of the images in `folder`: 1 (grey) or 3 (colour).
        features: folder of train.npy and test.npy, float32 [n, d] in the published order: what a
            model on vectors (probe) reads of the items.
        rare: classes to make rare; the table `[data.rare]`.
    """

    name: str = ""
    folder: str | None = None
    n_pool: int | None = Field(None, ge=2)
    n_evaluation: int | None = Field(None, ge=1)
    image_size: int = Field(64, ge=8, le=512)
    channels: Literal[1, 3] = 3
    features: str | None = None
    rare: RareClassesConfig | None = None

    @model_validator(mode="before")
    @classmethod
    def _has_a_name(cls, values: object) -> object:
        """Name the data after its folder where it has no other name."""
        if isinstance(values, dict) and not values.get("name"):
            if not values.get("folder"):
                raise ValueError("give the name of a bundled data set, or a folder")
            return {**values, "name": Path(str(values["folder"])).resolve().name}
        return values


class ModelConfig(Config):
    """A model and what its recipe changes.

    Attributes:
        model: of `svp models`, or one that a package brings.
        recipe: a name, and what differs from it: {name = "fast", epochs = 20}.
    """

    model: str
    recipe: dict[str, Any] = Field(default_factory=dict)

    @property
    def setup(self) -> ModelSetup:
        """The model with its whole recipe."""
        return resolve_setup(self.model, self.recipe)

    @property
    def resolved(self) -> Recipe:
        """The whole recipe; where it is chosen for each training, the one for few labels."""
        return self.setup.recipe

    @property
    def recipe_hash(self) -> str:
        """The hash of the whole recipe; of a model whose package is gone, of what is known."""
        try:
            return self.resolved.hash
        except ModelError:
            return json.dumps(self.recipe, sort_keys=True)

    @property
    def choice(self) -> dict[str, Any]:
        """The same as the service takes it, which chooses the recipe where none is named."""
        name = next(iter(find_model(self.model).recipes))
        return {"model": self.model, "recipe": {"name": name, **self.recipe}}


class OracleConfig(Config):
    """The annotators. The defaults are one who is always right and takes no time.

    Attributes:
        annotators: how many poll at once.
        latency_seconds: mean time per label, exponentially distributed.
        noise: share of the items whose label is another class, drawn by (seed, item).
        confusion: row c: probabilities of the labels given for true class c; instead of `noise`.
        label_set: of the data folder, instead of both: "cifar10n.worse_label", "cifar10h".
        disagreement: share of its labels that one annotator gets wrong on its own.
        poll_size: items that an annotator asks for at once.
        abandonment: chance that an annotator leaves after a poll, with its leases; another follows.
    """

    annotators: int = Field(1, ge=1, le=200)
    latency_seconds: float = Field(0.0, ge=0)
    noise: float = Field(0.0, ge=0, le=1)
    confusion: list[list[float]] | None = None
    label_set: str | None = None
    disagreement: float = Field(0.0, ge=0, le=1)
    abandonment: float = Field(0.0, ge=0, lt=1)
    poll_size: int = Field(100, ge=1, le=1000)

    @model_validator(mode="after")
    def _one_kind_of_noise(self) -> "OracleConfig":
        if sum([self.noise > 0, self.confusion is not None, self.label_set is not None]) > 1:
            raise ValueError("give only one of noise, confusion and label_set")
        for row in self.confusion or []:
            if abs(sum(row) - 1) > 1e-6 or min(row) < 0:
                raise ValueError("each row of confusion must be probabilities that sum to 1")
        return self


class PaperConfig(Config):
    """The paper's results that an experiment repeats: where a report looks its figures up.

    Attributes:
        dataset: as the paper's tables call it, e.g. "Amazon Review Polarity".
        table: of the paper.
        figures: of the paper, drawn from the same runs.
    """

    dataset: str
    table: Literal["1", "2", "3", "4"] | None = None
    figures: list[int] = Field(default_factory=list)


class TrapsConfig(Config):
    """Differences of the published code from the paper's intention; the defaults are ours.

    Two more traps need no switch here. Its k-centers held a matrix of all distances where the
    running minimum gives the same picks (selection.k_centers, tested against the matrix). Its
    training accuracy of fastText compared labels shifted by two; no training accuracy is reported
    here. Multi-threaded fastText, which no seed repeats, is the recipe's `threads`.

    Attributes:
        scoring: "augmented" scores the pool through the random crops and flips of training.
        entropy_zeros: "nan_first" sorts items with a probability of exactly 0 first.
        report_best_epoch: whether lines also hold the lowest error over the epochs on the
            evaluation split, which the published code reported; the last epoch's stays the error.
    """

    scoring: Literal["plain", "augmented"] = "plain"
    entropy_zeros: Literal["zero", "nan_first"] = "zero"
    report_best_epoch: bool = False


class ExperimentConfig(Config):
    """One experiment on one data set over seeds; its kind decides what it runs.

    Attributes:
        kind: active_learning, core_set or model_study.
        title: for reports.
        data: the data set; the table `[data]`.
        models: by name; active learning and core-sets need one called target.
        seeds: of the repeats: each draws its own pool, first labels and weights.
        paper: where a report finds the paper's figures; the table `[paper]`.
        cpu_hours: of all seeds on 2 CPU cores as of 2026, measured or estimated from timed epochs;
            `svp experiments` says what they are on the machine at hand.
        traps: differences of the published code that are to be repeated; the table `[traps]`.
        arms: by name; each selects in its own way.
    """

    kind: str
    name: str
    title: str
    data: DataConfig
    models: dict[str, ModelConfig] = Field(min_length=1)
    seeds: list[int] = Field(min_length=1)
    paper: PaperConfig | None = None
    cpu_hours: float | None = Field(None, gt=0)
    traps: TrapsConfig = TrapsConfig()

    chooses_recipes: ClassVar[bool] = False  # whether a recipe may be named auto

    @model_validator(mode="after")
    def _models_fit(self, info: ValidationInfo) -> "ExperimentConfig":
        if has_run(info):
            return self
        for name, model in self.models.items():
            try:
                setup = model.setup
            except (RecipeError, ModelError) as error:
                raise ValueError(f"models.{name}: {error}") from None
            if setup.auto is not None and not self.chooses_recipes:
                raise ValueError(
                    f"models.{name}: the recipe auto is chosen by the number of labels, which is "
                    "for active learning; name another"
                )
        infos = [find_model(m.model) for m in self.models.values()]
        if len({info.modality for info in infos if info.modality}) > 1:
            raise ValueError("all models must take the same kind of items")
        if self.data.features is None and any(info.modality is None for info in infos):
            raise ValueError("a model takes vectors; name their folder in data.features")
        return self

    @property
    def hash(self) -> str:
        """First 12 hex digits of the SHA-256 of the settings that decide a seed's results."""
        values = self.model_dump(mode="json", exclude=set(WITHOUT_EFFECT))
        if self.data.folder is None:  # then they say nothing
            values["data"] = {k: v for k, v in values["data"].items() if k not in OF_FOLDERS}
        if self.data.rare is None:
            del values["data"]["rare"]
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]


def has_run(info: ValidationInfo) -> bool:
    """Return whether an experiment is read of its results: then what it needs may be gone."""
    return bool(info.context and info.context.get(HAS_RUN))


def needs_target(models: dict[str, ModelConfig]) -> None:
    """Refuse models without the one that is delivered."""
    if "target" not in models:
        raise ValueError("models needs a target")


def check_arm(
    name: str, selector: str, strategy: str, models: dict[str, ModelConfig], purpose: Purpose
) -> None:
    """Refuse an arm whose selector or strategy does not exist."""
    if selector not in models:
        raise ValueError(f"arms.{name}: there is no model {selector!r}")
    try:
        find_strategy(strategy, purpose)
    except SelectionError as error:
        raise ValueError(f"arms.{name}: {str(error).rstrip('.')}") from None
