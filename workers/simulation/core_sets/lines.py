"""Lines of core-set experiments, one per core-set."""

from dataclasses import dataclass

from workers.simulation.results import SelectionLine, is_shared


@dataclass(frozen=True, kw_only=True)
class CoreSetLine(SelectionLine):
    """One core-set: the part of the pool that an arm keeps with one seed, and its target.

    The strategy is "uniform" in the arm "all", the row of 100%. Seconds are as if the selector had
    been trained for this line alone.

    Attributes:
        selector_epochs: of its recipe; None without one.
        fraction: of the pool, 0..1.
        selector_error: on the evaluation split, 0..1; None without a selector.
        target_error: of the target trained on the core-set.
        target_error_best: the lowest over its epochs; None unless the experiment asks for it.
        target_seconds, target_cpu_seconds: training of the target.
    """

    selector_epochs: int | None
    fraction: float
    n_kept: int
    n_pool: int
    selector_error: float | None
    target_error: float
    target_seconds: float
    target_error_best: float | None = None
    target_cpu_seconds: float | None = None

    @property
    def total_seconds(self) -> float:
        """Seconds of data selection and target, to compare with a target trained on everything."""
        return self.selection_seconds + self.target_seconds

    @property
    def total_cpu_seconds(self) -> float | None:
        """CPU seconds of data selection and target; None where they were not measured."""
        if self.target_cpu_seconds is None:
            return None
        return (self.selection_cpu_seconds or 0.0) + self.target_cpu_seconds

    @property
    def is_shared(self) -> bool:
        """Whether selection or the target's training waited for other work on the machine."""
        target = is_shared(self.target_seconds, self.target_cpu_seconds, self.device)
        return target or super().is_shared
