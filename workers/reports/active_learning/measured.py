"""Points of active learning: target and proxy errors and seconds by budget, by seed.

An arm's baseline is the arm of its strategy in which the target selects for itself, else the one
that the experiment names.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest

from workers.reports.paper_numbers import (
    NOTHING,
    PaperNumber,
    PaperSetting,
    active_learning,
)
from workers.reports.sources import (
    Arm,
    MeasuredArm,
    Setting,
    Source,
    merge_arms,
    paper_dataset,
    require_same,
    setting_of,
    target_of,
)
from workers.reports.statistics import Estimate, is_within_one_std, mean_of, paired, paired_ratio
from workers.simulation.active_learning.config import ActiveLearningConfig
from workers.simulation.active_learning.lines import RoundLine, summarize
from workers.simulation.config import WITHOUT_EFFECT, ExperimentError
from workers.simulation.results import PARTS

Sources = Sequence[Source[ActiveLearningConfig, RoundLine]]
BySeed = dict[int, float]


class Measured(MeasuredArm[RoundLine]):
    """The results of one arm's runs, by the number of labels."""

    @cached_property
    def errors(self) -> dict[int, BySeed]:
        """The target's error, labels -> seed -> 0..1."""
        errors: dict[int, BySeed] = {}
        for seed, run in self.arm.runs.items():
            result = summarize(run)
            for n, error in zip(result.n_labels, result.target_errors, strict=True):
                errors.setdefault(n, {})[seed] = error
        return dict(sorted(errors.items()))

    @cached_property
    def best_errors(self) -> dict[int, BySeed]:
        """The lowest of the target's epochs, as the paper counts; empty where it was not kept.

        Where the target selects for itself, a round's target is the next round's selector.
        """

        def best(line: RoundLine, after: RoundLine | None) -> float | None:
            if line.target_error is None and after is not None:
                return after.proxy_error_best
            return line.target_error_best

        return self.by_labels(best)

    def by_labels(
        self, value_of: Callable[[RoundLine, RoundLine | None], float | None]
    ) -> dict[int, BySeed]:
        """Return what a line and the one after it say, labels -> seed -> value, without None."""
        found: dict[int, BySeed] = {}
        for seed, run in self.arm.runs.items():
            for line, after in zip_longest(run, run[1:]):
                value = value_of(line, after)
                if value is not None:
                    found.setdefault(line.n_labeled, {})[seed] = value
        return dict(sorted(found.items()))

    @cached_property
    def selector_errors(self) -> dict[int, BySeed]:
        """The selector's error by the labels that it was trained on."""
        errors: dict[int, BySeed] = {}
        for seed, run in self.arm.runs.items():
            for line in run:
                if line.proxy_error is not None:
                    errors.setdefault(line.n_labeled_before, {})[seed] = line.proxy_error
        return dict(sorted(errors.items()))

    @cached_property
    def seconds(self) -> dict[int, BySeed]:
        """Data selection seconds until so many labels; none before a model selects."""
        return self._added_up(lambda line: line.selection_seconds)

    @cached_property
    def cpu_seconds(self) -> dict[int, BySeed]:
        """Data selection CPU seconds; none of runs that did not measure them."""
        return self._added_up(lambda line: line.selection_cpu_seconds)

    @property
    def is_shared(self) -> bool:
        """Whether data selection waited for other work on the machine in any round."""
        return any(line.is_shared for run in self.arm.runs.values() for line in run)

    def _added_up(self, seconds_of: Callable[[RoundLine], float | None]) -> dict[int, BySeed]:
        found: dict[int, BySeed] = {}
        for seed, run in self.arm.runs.items():
            total, began = 0.0, False
            for line in run:
                seconds = seconds_of(line)
                if seconds is None:
                    break
                total, began = total + seconds, began or line.selector != "none"
                if began:
                    found.setdefault(line.n_labeled, {})[seed] = total
        return found

    @cached_property
    def seconds_by_part(self) -> dict[str, list[float]]:
        """Data selection seconds of all rounds, part -> one value per seed."""
        runs = [summarize(run) for run in self.arm.runs.values()]
        return {part: [run.seconds[part] for run in runs] for part in PARTS}

    def error(self, n: int) -> Estimate | None:
        """Return the target's error at `n` labels over the seeds; None if it was not measured."""
        return mean_of(self.errors, n)

    def mean_errors(self, budgets: Sequence[int]) -> BySeed:
        """Return the error averaged over these budgets, of the seeds that have run them all."""
        by_budget = [self.errors.get(n, {}) for n in budgets]
        seeds = set.intersection(*map(set, by_budget)) if by_budget else set()
        return {
            seed: sum(errors[seed] for errors in by_budget) / len(by_budget)
            for seed in sorted(seeds)
        }

    def best_error(self, n: int) -> Estimate | None:
        """Return the lowest error of the target's epochs at `n` labels; None if it is unknown."""
        return mean_of(self.best_errors, n)

    def speedup(self, n: int, baseline: "Measured | None") -> Estimate | None:
        """Return how many times faster than the baseline the arm selected its first `n` labels."""
        if baseline is None or self.selector == "none":
            return None
        return paired_ratio(baseline.seconds.get(n, {}), self.seconds.get(n, {}))

    def cpu_speedup(self, n: int, baseline: "Measured | None") -> Estimate | None:
        """Return the speed-up in CPU seconds where other work spoiled the wall-clock one."""
        if (
            baseline is None
            or self.selector == "none"
            or not (self.is_shared or baseline.is_shared)
        ):
            return None
        return paired_ratio(baseline.cpu_seconds.get(n, {}), self.cpu_seconds.get(n, {}))

    def paper(self, n: int) -> PaperNumber:
        """Return the paper's number for this arm at `n` labels, where it is comparable."""
        if self.dataset is None:
            return NOTHING
        return active_learning(PaperSetting(self.dataset, self.strategy, self.selector), n)


@dataclass(frozen=True)
class Arms:
    """All arms of a report, and which are compared with which.

    Attributes:
        target: catalog name of the model that is delivered.
        baseline: the arm to compare with where no target selects by the same strategy.
        is_chosen: whether the reader named it: then all arms are compared with it.
        dataset: the paper's, whose numbers are comparable; None where none are.
    """

    arms: Sequence[Measured]
    target: str
    baseline: str
    dataset: str | None
    is_chosen: bool = False

    @property
    def budgets(self) -> list[int]:
        """The numbers of labels at which a target was measured, ascending."""
        return sorted({n for arm in self.arms for n in arm.errors})

    @property
    def uniform(self) -> Measured | None:
        """The arm that draws uniformly; None where there is none."""
        return next((arm for arm in self.arms if arm.strategy == "uniform"), None)

    def baseline_of(self, arm: Measured) -> Measured | None:
        """Return the arm to compare with: the target selecting for itself by the same strategy.

        Where the reader named one, that.
        """
        own = [a for a in self.arms if a.is_target and a.strategy == arm.strategy]
        named = [a for a in self.arms if a.name == self.baseline]
        return next(iter(named if self.is_chosen else own + named), None)

    def is_bold(self, arm: Measured, n: int) -> bool:
        """Whether the paper's rule sets this arm's speed-up bold."""
        baseline = self.baseline_of(arm)
        return baseline is not None and is_within_one_std(arm.error(n), baseline.error(n))

    def is_bold_in_paper(self, arm: Measured, n: int) -> bool:
        """Whether it is bold in the paper."""
        baseline = self.baseline_of(arm)
        if baseline is None:
            return False
        return is_within_one_std(arm.paper(n).error, baseline.paper(n).error)

    def differences(self, arm: Measured, other: Measured | None) -> dict[int, Estimate]:
        """Return the arm's error minus the other's, labels -> over the seeds that both have."""
        if other is None or other is arm:
            return {}
        found = {n: paired(arm.errors[n], other.errors.get(n, {})) for n in arm.errors}
        return {n: estimated for n, estimated in found.items() if estimated is not None}


def measure(sources: Sources, baseline: str | None = None) -> tuple[Arms, list[Arm[RoundLine]]]:
    """Return the arms that have run, and all that should have.

    Raises:
        ExperimentError: the folders' budgets, targets or oracles differ, or no arm is called
            `baseline`.
    """
    require_same(sources, "budgets", lambda source: source.experiment.budgets.model_dump())
    require_same(sources, "the target", lambda source: target_of(source.experiment))
    require_same(sources, "the oracle", lambda source: source.experiment.oracle.model_dump())
    merged = merge_arms(sources, lambda experiment: experiment.arms, _setting)
    target, dataset = target_of(sources[0].experiment), paper_dataset(sources)
    measured = [
        Measured(arm, (arm.setting.selector, arm.setting.recipe_hash) == target, dataset)
        for arm in merged
        if arm.runs
    ]
    names = [arm.name for arm in measured]
    if baseline is not None and baseline not in names:
        raise ExperimentError(f"No arm {baseline!r} has run; choose one of {', '.join(names)}.")
    named = baseline or sources[0].experiment.baseline
    return Arms(measured, target[0], named, dataset, baseline is not None), merged


def lacks(sources: Sources, run: Sequence[RoundLine]) -> str:
    """Return how far a run has come of its budget, in words; "" where it is whole."""
    experiment = sources[0].experiment
    total = experiment.budgets.total_budget
    wanted = min(total, experiment.data.n_pool or total)
    reached = run[-1].n_labeled
    return "" if reached >= wanted else f"stopped at {reached:,} of {wanted:,} labels"


def _setting(experiment: ActiveLearningConfig, arm: str) -> Setting:
    model = experiment.selector_of(arm)
    # What decides an arm beside its strategy, its selector and what require_same compares.
    of_all = {
        *WITHOUT_EFFECT,
        "name",
        "models",
        "arms",
        "strategy",
        "baseline",
        "data",
        "budgets",
        "oracle",
    }
    other = experiment.model_dump(mode="json", exclude=of_all)
    if model is None:
        other.pop("selection", None)
    return setting_of(experiment.strategy_of(arm), model, other)
