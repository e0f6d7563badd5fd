"""Settings of model studies: models to train on the whole pool, and when to measure them."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, model_validator

from models.catalog import find_model
from workers.simulation.config import ExperimentConfig, has_run


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
    def _epochs_fit(self, info: ValidationInfo) -> "ModelStudyConfig":
        if has_run(info):
            return self
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
