"""The kinds of experiments: active learning, core-sets, studies of models."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, TypeAdapter, model_validator

from app.domain.json_fields import from_json
from models.catalog import find_model
from selection.catalog import Purpose, Signal, find_strategy, needed_of, needs_model
from selection.errors import SelectionError
from selection.options import SelectionOptions, needs_proxy
from workers.simulation.config import (
    Config,
    ExperimentConfig,
    ModelConfig,
    OracleConfig,
    needs_target,
)

ALL = "all"  # the arm that keeps the whole pool: the 100% row


class BudgetConfig(Config):
    """Items per round, as in a project.

    Attributes:
        first_round_budget: of round 1, where it differs from the later ones': the paper draws
            1,000 items, selects 4,000, then 5,000 each time.
    """

    initial_budget: int = Field(ge=1)
    round_budget: int = Field(ge=1)
    total_budget: int = Field(ge=1)
    first_round_budget: int | None = Field(None, ge=1)

    def of_round(self, number: int) -> int:
        """Return how many items a round is to select."""
        if number == 0:
            return self.initial_budget
        return (number == 1 and self.first_round_budget) or self.round_budget

    def points(self) -> list[int]:
        """Return the number of labels after each round."""
        points, number = [min(self.initial_budget, self.total_budget)], 1
        while points[-1] < self.total_budget:
            points.append(min(points[-1] + self.of_round(number), self.total_budget))
            number += 1
        return points


class ArmConfig(Config):
    """One arm: who selects, and how.

    Attributes:
        selector: name of one of the experiment's models.
        strategy: where it differs from the experiment's.
    """

    selector: str = "proxy"
    strategy: str | None = None


class ActiveLearningConfig(ExperimentConfig):
    """Rounds of labeling: arms differ in who selects.

    Source: Selection via Proxy, section 3.1; Table 1, Figure 6.
    """

    kind: Literal["active_learning"] = "active_learning"
    budgets: BudgetConfig
    arms: dict[str, ArmConfig] = Field(min_length=1)
    strategy: str
    baseline: str = "target"
    labels_per_item: int = Field(1, ge=1, le=25)
    selection: dict[str, Any] = Field(default_factory=dict)
    oracle: OracleConfig = OracleConfig()

    @model_validator(mode="after")
    def _arms_fit(self) -> "ActiveLearningConfig":
        needs_target(self.models)
        if self.data.n_pool is not None and self.budgets.total_budget > self.data.n_pool:
            raise ValueError(
                f"budgets.total_budget is {self.budgets.total_budget}, but the pool has "
                f"{self.data.n_pool} items: make it at most that, or data.n_pool larger"
            )
        try:
            self.options.check_cold_start()
        except ValueError as error:
            raise ValueError(f"selection: {error}") from None
        if self.options.needs_brought_features:
            raise ValueError("selection: a replay has no brought features")
        for name, arm in self.arms.items():
            _check_arm(name, arm.selector, self.strategy_of(name), self.models, Purpose.BATCH)
        return self

    @property
    def options(self) -> SelectionOptions:
        """The options around the strategy: the table `selection`."""
        return from_json(SelectionOptions, self.selection)

    def strategy_of(self, arm: str) -> str:
        """Return the strategy of an arm."""
        return self.arms[arm].strategy or self.strategy

    def selector_of(self, arm: str) -> ModelConfig | None:
        """Return the model that selects in an arm; None where the strategy needs none."""
        if not needs_proxy(self.strategy_of(arm), self.options):
            return None
        return self.models[self.arms[arm].selector]

    def deciding(self) -> dict[str, Any]:
        """Return all that decides results; what is younger than the stored ones only where set."""
        values = super().deciding()
        del values["kind"]
        if self.budgets.first_round_budget is None:
            del values["budgets"]["first_round_budget"]
        if not self.selection:
            del values["selection"]
        return values


class CoreSetArm(Config):
    """One arm: by what the core-set is chosen.

    Attributes:
        strategy: one for core-sets.
        selector: name of one of the experiment's models; of no use to uniform.
        class_balance: the same number of each class, as far as there are items.
        initial_uniform: of the budget, drawn uniformly first: the first centres of k-centers.
    """

    strategy: str
    selector: str = "target"
    class_balance: bool = False
    initial_uniform: int = Field(0, ge=0)


class CoreSetConfig(ExperimentConfig):
    """The pool is labeled; a selector trained on all of it says what to keep for the target.

    Beside the arms runs one called "all", the whole pool: the row of 100%.

    Source: Selection via Proxy, section 3.2; Tables 2 to 4, Figures 2 and 7.

    Attributes:
        fractions: of the pool that are kept.
    """

    kind: Literal["core_set"]
    fractions: list[Annotated[float, Field(gt=0, lt=1)]] = Field(min_length=1)
    arms: dict[str, CoreSetArm] = Field(min_length=1)

    @model_validator(mode="after")
    def _arms_fit(self) -> "CoreSetConfig":
        needs_target(self.models)
        if ALL in self.arms:
            raise ValueError(f"arms.{ALL}: this is the name of the row of 100%; choose another")
        for name, arm in self.arms.items():
            _check_arm(name, arm.selector, arm.strategy, self.models, Purpose.CORE_SET)
            model = self.models[arm.selector].model
            counts = Signal.FORGETTING_COUNTS in needed_of(arm.strategy)
            if counts and not find_model(model).counts_forgetting:
                raise ValueError(f"arms.{name}: the training of {model} counts no forgetting")
        return self

    def selector_of(self, arm: str) -> str | None:
        """Return the name of the model that selects in an arm; None where none is needed."""
        if arm == ALL or not needs_model(self.arms[arm].strategy):
            return None
        return self.arms[arm].selector


class ModelStudyConfig(ExperimentConfig):
    """Models trained on the whole pool with its true labels: their errors and per-item scores.

    The pool is the same for all seeds, so that runs can be compared item by item.

    Source: Selection via Proxy, section 3.3; Figures 3 to 5 and 8 to 13.

    Attributes:
        record_epochs: after which a model is measured, as far as its recipe goes; always after the
            last, too.
        k_centers_budget: how many items the greedy k-centers order ranks, beside the first
            centres; None = the whole pool, 0 = no order.
        initial_uniform: the first centres of that order, drawn uniformly.
        same_initial: whether all runs share the first centres (Figure 10; else as Figure 3).
        data_seed: of the pool's draw and of shared first centres.
        trains: whether the models are trained; else they are measured as their recipes' `weights`
            have them, once, as epoch 0 (Figure 8).
    """

    kind: Literal["model_study"]
    record_epochs: list[Annotated[int, Field(ge=1)]] = Field(default_factory=list)
    k_centers_budget: int | None = Field(None, ge=0)
    initial_uniform: int = Field(0, ge=0)
    same_initial: bool = False
    data_seed: int = 0
    trains: bool = True

    @model_validator(mode="after")
    def _epochs_fit(self) -> "ModelStudyConfig":
        for name, model in self.models.items():
            if not self.trains and model.resolved.weights is None:
                raise ValueError(f"models.{name}: without training its recipe must name weights")
            is_whole = find_model(model.model).trainer is not None
            if is_whole and len(self.recorded_of(name)) > 1:
                raise ValueError(
                    f"models.{name}: {model.model} is trained in one piece and can be measured "
                    "after its last epoch only; leave record_epochs out"
                )
        return self

    def epochs_of(self, model: str) -> int:
        """Return how many epochs a model is trained."""
        return self.models[model].resolved.epochs if self.trains else 0

    def recorded_of(self, model: str) -> list[int]:
        """Return after which epochs a model is measured, ascending."""
        last = self.epochs_of(model)
        return sorted({epoch for epoch in self.record_epochs if epoch < last} | {last})


def _check_arm(
    name: str, selector: str, strategy: str, models: dict[str, ModelConfig], purpose: Purpose
) -> None:
    if selector not in models:
        raise ValueError(f"arms.{name}: there is no model {selector!r}")
    try:
        find_strategy(strategy, purpose)
    except SelectionError as error:
        raise ValueError(f"arms.{name}: {error}") from None


def _kind_of(values: Any) -> str:
    """Return the kind of an experiment; those stored before there were kinds name none."""
    return str(values.get("kind", "active_learning"))


AnyExperiment = ActiveLearningConfig | CoreSetConfig | ModelStudyConfig
KINDS = ("active_learning", "core_set", "model_study")
EXPERIMENT: TypeAdapter[AnyExperiment] = TypeAdapter(
    Annotated[
        Annotated[ActiveLearningConfig, Tag(KINDS[0])]
        | Annotated[CoreSetConfig, Tag(KINDS[1])]
        | Annotated[ModelStudyConfig, Tag(KINDS[2])],
        Discriminator(
            _kind_of,
            custom_error_type="kind",
            custom_error_message=f"kind must be one of {', '.join(KINDS)}",
        ),
    ]
)
