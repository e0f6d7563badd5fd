"""Core-sets in process: the steps that the service's jobs run, each selector trained once.

A selector serves all fractions and arms of a seed, from one training; every line reports its
seconds as if it had been trained for that line. Every core-set ends in a line on the disk, and the
selector stays in its checkpoint until its last line, so a killed run resumes.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from models.seconds import PartSeconds
from models.training.timing import Stopwatch
from models.training.train import TrainedModel
from selection.arrays import IntArray
from selection.catalog import Signal, needed_of
from selection.types import Ranking, Signals
from workers.simulation.config import ExperimentError
from workers.simulation.context import SeedContext, best_error
from workers.simulation.core_sets.config import ALL, CoreSetConfig, arms_of, fractions_of
from workers.simulation.core_sets.lines import CoreSetLine
from workers.simulation.results import LinesOf
from workers.steps.core_set import (
    CoreSetRequest,
    choose,
    measure_signals,
    train_selector,
)
from workers.steps.scoring import with_zeros_first
from workers.steps.training import RoundHooks

FEW = 32  # items of the selection that loads compiled loops, before the clock runs


@dataclass(frozen=True, kw_only=True)
class CoreSetContext(SeedContext):
    """Core-sets of one seed, and where they run."""

    experiment: CoreSetConfig

    def line(self, arm: str, fraction: float, indices: list[int]) -> CoreSetLine:
        """Return a line without its measurements."""
        experiment = self.experiment
        name = experiment.selector_of(arm)
        selector = None if name is None else experiment.models[name]
        return CoreSetLine(
            experiment=experiment.name,
            experiment_hash=experiment.hash,
            data=self.data.title,
            arm=arm,
            seed=self.seed,
            strategy="uniform" if arm == ALL else experiment.arms[arm].strategy,
            selector="none" if selector is None else selector.model,
            selector_epochs=None if selector is None else selector.resolved.epochs,
            fraction=fraction,
            n_kept=len(indices),
            n_pool=len(self.data.pool),
            indices=indices,
            selector_error=None,
            target_error=float("nan"),
            seconds={},
            target_seconds=float("nan"),
            device=self.device,
            recipe_hash=None if selector is None else selector.resolved.hash,
            target_recipe_hash=experiment.models["target"].resolved.hash,
            via="process",
        )

    def request(self, arm: str, fraction: float) -> CoreSetRequest:
        """Return the items that an arm keeps.

        Raises:
            ExperimentError: that is nothing, or everything.
        """
        settings, n_pool = self.experiment.arms[arm], len(self.data.pool)
        budget = round(fraction * n_pool)
        if not max(settings.initial_uniform, 1) <= budget < n_pool:
            raise ExperimentError(
                f"{arm}: a core-set of {budget} of {n_pool} items, of which "
                f"{settings.initial_uniform} are drawn first, is none; change fractions, "
                f"data.n_pool or arms.{arm}.initial_uniform."
            )
        return CoreSetRequest(
            settings.strategy, budget, settings.class_balance, settings.initial_uniform
        )


def replay_core_sets(
    context: CoreSetContext, unit: str, on_line: Callable[[CoreSetLine], None]
) -> None:
    """Write the missing lines of a unit's arms; yield all of them."""
    selector = _Selector(context, unit)
    for arm in arms_of(context.experiment, unit):
        file = LinesOf(CoreSetLine, context.folder, arm, context.seed)
        known = {line.fraction: line for line in file.read()}
        for fraction in fractions_of(context.experiment, arm):
            line = known.get(fraction)
            if line is None:
                line = _measured_line(context, arm, fraction, selector)
                file.append(line)
            on_line(line)
    selector.forget()


@dataclass(frozen=True)
class _Selector:
    """The selection model of a unit, trained when it is first asked for."""

    context: CoreSetContext
    unit: str

    @cached_property
    def needs(self) -> frozenset[Signal]:
        """The signals that the unit's strategies need."""
        arms = self.context.experiment.arms
        served = arms_of(self.context.experiment, self.unit)
        return frozenset().union(*(needed_of(arms[arm].strategy) for arm in served if arm != ALL))

    @cached_property
    def hooks(self) -> RoundHooks:
        return self.context.hooks(f"{self.unit}-selector", keeps_end=True)

    @cached_property
    def trained(self) -> tuple[TrainedModel, dict[str, Any], PartSeconds]:
        """The model, its metrics, its seconds of training and evaluation."""
        context, watch = self.context, Stopwatch(self.context.device)
        model = context.experiment.models[self.unit]
        context.warm_up(model)
        trained, metrics = train_selector(
            model.setup,
            context.whole_pool(model),
            context.seed,
            watch,
            counts_forgetting=Signal.FORGETTING_COUNTS in self.needs,
            evaluation=context.evaluation(model),
            hooks=self.hooks,
        )
        return trained, metrics, watch.seconds

    @cached_property
    def measured(self) -> tuple[Signals, PartSeconds]:
        """The pool's signals, and the seconds of inference."""
        context, watch = self.context, Stopwatch(self.context.device)
        if self.unit == ALL:
            labels = context.data.pool.labels
            return Signals(len(labels), labels=labels), PartSeconds()
        pool = context.whole_pool(context.experiment.models[self.unit])
        scoring = context.scoring("any")
        signals = measure_signals(pool, self.trained[0], self.needs, watch, scoring)
        return signals, watch.seconds

    def forget(self) -> None:
        """Remove the checkpoint: all lines are written."""
        self.hooks.forget()


def _measured_line(
    context: CoreSetContext, arm: str, fraction: float, selector: _Selector
) -> CoreSetLine:
    kept, seconds = np.arange(len(context.data.pool)), PartSeconds()
    if arm != ALL:
        kept, seconds = _choose(context, arm, fraction, selector)
    index, target = np.sort(kept), context.experiment.models["target"]
    result = context.train_target(target, index, context.data.pool.labels[index], arm)
    line = replace(
        context.line(arm, fraction, kept.tolist()),
        target_error=1 - result.metrics["accuracy"],
        target_error_best=best_error(result.trained.measured),
        target_seconds=result.seconds.wall["training"],
        target_cpu_seconds=result.seconds.cpu["training"],
        seconds=seconds.wall,
        cpu_seconds=seconds.cpu,
    )
    if selector.unit == ALL:
        return line
    return replace(line, selector_error=1 - selector.trained[1]["accuracy"])


def _choose(
    context: CoreSetContext, arm: str, fraction: float, selector: _Selector
) -> tuple[IntArray, PartSeconds]:
    """Return the pool indices that an arm keeps, in order of selection, and the seconds."""
    request = context.request(arm, fraction)
    signals, inference = selector.measured
    if signals.probs is not None and context.scoring(request.strategy).zeros_first:
        signals = replace(signals, probs=with_zeros_first(signals.probs))
    _load_loops(signals, request, context)
    seconds = PartSeconds()
    if selector.unit != ALL:
        seconds |= selector.trained[2]
    if needed_of(request.strategy) & {Signal.PROBS, Signal.FEATURES}:
        seconds |= inference
    hooks, watch = context.hooks(f"{arm}-selection"), Stopwatch(context.device)
    with watch.part("selection"):
        ranking = choose(signals, request, context.seed, hooks, context.device)
    hooks.forget()
    return ranking.rows, seconds | watch.seconds


def _load_loops(signals: Signals, request: CoreSetRequest, context: CoreSetContext) -> Ranking:
    """Select among a few items, so that a selection's seconds hold no compilation."""
    few = signals.take(np.arange(min(FEW, signals.n)))
    small = replace(
        request,
        budget=min(request.budget, few.n),
        initial_uniform=min(request.initial_uniform, few.n // 2, request.budget),
    )
    return choose(few, small, context.seed, RoundHooks(), context.device)
