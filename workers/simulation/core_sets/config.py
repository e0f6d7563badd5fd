"""Settings of core-sets: the shares of a labeled pool to keep, and the arms that choose them."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, model_validator

from models.catalog import find_model
from selection.catalog import Purpose, Signal, needed_of, needs_model
from workers.simulation.config import Config, ExperimentConfig, check_arm, has_run, needs_target

ALL = "all"  # the arm that keeps the whole pool: the 100% row


class CoreSetArm(Config):
    """One arm: the selector and strategy that choose the core-set.

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
    def _arms_fit(self, info: ValidationInfo) -> "CoreSetConfig":
        needs_target(self.models)
        if has_run(info):
            return self
        if ALL in self.arms:
            raise ValueError(f"arms.{ALL}: this is the name of the row of 100%; choose another")
        for name, arm in self.arms.items():
            check_arm(name, arm.selector, arm.strategy, self.models, Purpose.CORE_SET)
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


def arms_of(experiment: CoreSetConfig, unit: str) -> list[str]:
    """Return the arms that one selector serves; the unit "all" has those that need none."""
    if unit == ALL:
        return [arm for arm in experiment.arms if experiment.selector_of(arm) is None] + [ALL]
    return [arm for arm in experiment.arms if experiment.selector_of(arm) == unit]


def fractions_of(experiment: CoreSetConfig, arm: str) -> list[float]:
    """Return which fractions of the pool an arm keeps."""
    return [1.0] if arm == ALL else experiment.fractions
