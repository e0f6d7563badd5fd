"""Experiments as configuration: TOML files, bundled or the user's, checked as a whole."""

import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from models.catalog import ModelError, find_model, resolve_recipe
from models.recipe import Recipe, RecipeError
from selection.catalog import known_strategies
from selection.options import OptionsError, SelectionOptions, needs_proxy, options_from_json


class ExperimentError(ValueError):
    """An experiment does not exist or contradicts itself; the message says what to change."""


class _Config(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DataConfig(_Config):
    """Which data set, and how much of it; None takes all.

    Attributes:
        name: of workers.simulation.data.SOURCES.
        n_pool: items of the train part, drawn by the seed.
        n_evaluation: items of the test part (of the train part where there is none).
        image_size: side in pixels that an ImageFolder is decoded to.
        features: folder of train.npy and test.npy, float32 [n, d] in the published order: what a
            model on vectors (probe) reads of the items.
    """

    name: str
    n_pool: int | None = Field(None, ge=2)
    n_evaluation: int | None = Field(None, ge=1)
    image_size: int = Field(64, ge=8, le=512)
    features: str | None = None


class BudgetConfig(_Config):
    """Items per round, as in a project."""

    initial_budget: int = Field(ge=1)
    round_budget: int = Field(ge=1)
    total_budget: int = Field(ge=1)


class ModelConfig(_Config):
    """A model and what its recipe changes."""

    model: str
    recipe: dict[str, Any] = Field(default_factory=dict)

    @property
    def resolved(self) -> Recipe:
        """The whole recipe."""
        return resolve_recipe(self.model, self.recipe)


class ArmConfig(_Config):
    """One arm: who selects, and how.

    Attributes:
        selector: name of one of the experiment's models.
        strategy: where it differs from the experiment's.
    """

    selector: str = "proxy"
    strategy: str | None = None


class OracleConfig(_Config):
    """Who labels. The defaults are one annotator who is always right and takes no time.

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


class ExperimentConfig(_Config):
    """One study: arms that differ in who selects, on one data set, over seeds."""

    name: str
    title: str
    data: DataConfig
    budgets: BudgetConfig
    models: dict[str, ModelConfig]
    arms: dict[str, ArmConfig] = Field(min_length=1)
    strategy: str
    seeds: list[int] = Field(min_length=1)
    baseline: str = "target"
    labels_per_item: int = Field(1, ge=1, le=25)
    selection: dict[str, Any] = Field(default_factory=dict)
    oracle: OracleConfig = OracleConfig()

    @model_validator(mode="after")
    def _models_fit(self) -> "ExperimentConfig":
        if "target" not in self.models:
            raise ValueError("models needs a target")
        for name, model in self.models.items():
            try:
                _ = model.resolved
            except (RecipeError, ModelError) as error:
                raise ValueError(f"models.{name}: {error}") from None
        infos = [find_model(m.model) for m in self.models.values()]
        if len({info.modality for info in infos if info.modality}) > 1:
            raise ValueError("all models must take the same kind of items")
        if self.data.features is None and any(info.modality is None for info in infos):
            raise ValueError("a model takes vectors; name their folder in data.features")
        return self

    @model_validator(mode="after")
    def _arms_fit(self) -> "ExperimentConfig":
        try:
            if self.options.needs_brought_features:
                raise ValueError("selection: a replay has no brought features")
        except OptionsError as error:
            raise ValueError(f"selection: {error}") from None
        for name, arm in self.arms.items():
            if arm.selector not in self.models:
                raise ValueError(f"arms.{name}: there is no model {arm.selector!r}")
            if self.strategy_of(name) not in known_strategies():
                known = ", ".join(known_strategies())
                raise ValueError(f"arms.{name}: no strategy of this name; known are {known}")
        return self

    @property
    def options(self) -> SelectionOptions:
        """What is asked of the strategy: the table `selection`."""
        return options_from_json(self.selection)

    def strategy_of(self, arm: str) -> str:
        """Return the strategy of an arm."""
        return self.arms[arm].strategy or self.strategy

    def selector_of(self, arm: str) -> ModelConfig | None:
        """Return the model that selects in an arm; None where the strategy needs none."""
        if not needs_proxy(self.strategy_of(arm), self.options):
            return None
        return self.models[self.arms[arm].selector]

    @property
    def hash(self) -> str:
        """First 12 hex digits of the SHA-256 of all that decides results (not the seeds)."""
        values = self.model_dump(mode="json", exclude={"seeds", "title"})
        if self.data.features is None:
            del values["data"]["features"]  # younger than the stored results, whose hashes hold
        if not self.selection:  # hashes of experiments from before there were options stay
            del values["selection"]
        text = json.dumps(values, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def bundled() -> dict[str, ExperimentConfig]:
    """Return the experiments that come with the program, by name."""
    folder = files("workers.simulation") / "experiments"
    names = sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name[-5:] == ".toml")
    return {name: _parse(name, (folder / f"{name}.toml").read_text()) for name in names}


def load_experiment(name: str, overrides: Sequence[str] = ()) -> ExperimentConfig:
    """Return a bundled experiment by name, or one from a TOML file by path.

    Args:
        name: bundled name, or a path that ends in .toml.
        overrides: "key=value" with dotted keys and TOML values, e.g. "budgets.total_budget=900".

    Raises:
        ExperimentError: it does not exist, or does not fit; the message says what to change.
    """
    if name.endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise ExperimentError(f"There is no experiment file {path}.")
        return _parse(path.stem, path.read_text(encoding="utf-8"), overrides)
    folder = files("workers.simulation") / "experiments"
    resource = folder / f"{name}.toml"
    if not resource.is_file():
        known = ", ".join(bundled())
        raise ExperimentError(f"There is no experiment {name!r}; bundled are {known}.")
    return _parse(name, resource.read_text(encoding="utf-8"), overrides)


def _parse(name: str, text: str, overrides: Sequence[str] = ()) -> ExperimentConfig:
    try:
        values: dict[str, Any] = {"name": name, **tomllib.loads(text)}
        for override in overrides:
            key, equals, value = override.partition("=")
            if not equals:
                raise ExperimentError(f"--set needs key=value, not {override!r}.")
            _set(values, key.strip().split("."), _toml_value(value.strip()))
        return ExperimentConfig.model_validate(values)
    except tomllib.TOMLDecodeError as error:
        raise ExperimentError(f"Experiment {name} is not valid TOML: {error}.") from None
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'experiment'}: {fault['msg']}"
            for fault in error.errors()
        )
        raise ExperimentError(f"Experiment {name} does not fit: {faults}.") from None


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text  # a bare word is a string


def _set(values: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for key in path[:-1]:
        values = values.setdefault(key, {})
        if not isinstance(values, Mapping):
            raise ExperimentError(f"--set {'.'.join(path)}: {key} is no table.")
    values[path[-1]] = value
