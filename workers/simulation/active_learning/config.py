"""Settings of active learning: rounds of labeling, with arms that differ in their selectors."""

from typing import Any, ClassVar, Literal

from pydantic import Field, ValidationInfo, model_validator

from app.domain.json_fields import from_json
from selection.catalog import Purpose
from selection.errors import SelectionError
from selection.options import SelectionOptions, needs_proxy
from workers.simulation.config import (
    Config,
    ExperimentConfig,
    ModelConfig,
    OracleConfig,
    check_arm,
    has_run,
    needs_target,
)


class BudgetConfig(Config):
    """Items per round, as in a project.

    Attributes:
        initial_budget: of round 0, drawn uniformly.
        round_budget: of each later round.
        total_budget: labels at the end.
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
    """One arm: its selector and strategy.

    Attributes:
        selector: name of one of the experiment's models.
        strategy: where it differs from the experiment's.
    """

    selector: str = "proxy"
    strategy: str | None = None


class ActiveLearningConfig(ExperimentConfig):
    """Rounds of labeling; the arms differ in their selectors.

    Source: Selection via Proxy, section 3.1; Table 1, Figure 6.

    Attributes:
        budgets: labels by round; the table `[budgets]`.
        strategy: of the arms that name none.
        baseline: the arm that reports compare the others with.
        labels_per_item: annotators an item.
        selection: options around the strategy, as a project's `selection`.
        oracle: the annotators; the table `[oracle]`.
    """

    chooses_recipes: ClassVar[bool] = True

    kind: Literal["active_learning"]
    budgets: BudgetConfig
    arms: dict[str, ArmConfig] = Field(min_length=1)
    strategy: str
    baseline: str = "target"
    labels_per_item: int = Field(1, ge=1, le=25)
    selection: dict[str, Any] = Field(default_factory=dict)
    oracle: OracleConfig = OracleConfig()

    @model_validator(mode="after")
    def _arms_fit(self, info: ValidationInfo) -> "ActiveLearningConfig":
        needs_target(self.models)
        if has_run(info):
            return self
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
            check_arm(name, arm.selector, self.strategy_of(name), self.models, Purpose.BATCH)
        scored = [name for name in self.arms if self.strategy_of(name) != "uniform"]
        for name in scored:
            try:
                self.options.check_strategy(self.strategy_of(name))
            except ValueError as error:
                raise ValueError(f"arms.{name}: {error}") from None
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
        try:
            needs_model = needs_proxy(self.strategy_of(arm), self.options)
        except SelectionError:  # its package is gone: it most likely did
            needs_model = True
        return self.models[self.arms[arm].selector] if needs_model else None
