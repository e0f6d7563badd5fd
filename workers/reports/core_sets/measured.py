"""Points of core-sets: the target's error and minutes by the share of the data kept, by seed.

An arm's baseline is the arm of its strategy in which the target, trained on everything, selects for
itself; speed-ups are those of the whole way, selection and training of the target, against training
the target on everything.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from workers.reports.paper_numbers import (
    NOTHING,
    PaperNumber,
    PaperSetting,
    core_set,
    everything,
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
from workers.simulation.config import WITHOUT_EFFECT
from workers.simulation.core_sets.config import ALL, CoreSetConfig
from workers.simulation.core_sets.lines import CoreSetLine

Sources = Sequence[Source[CoreSetConfig, CoreSetLine]]
ByFraction = dict[float, dict[int, float]]
EVERYTHING = 1.0
MINUTE = 60.0


@dataclass(frozen=True)
class Kept(MeasuredArm[CoreSetLine]):
    """The results of one arm's runs, or of those on everything, by the share kept.

    Attributes:
        target: catalog name of the model that is delivered.
    """

    target: str

    @property
    def is_everything(self) -> bool:
        """Whether this is the training on the whole pool."""
        return EVERYTHING in self.errors

    @property
    def strategy(self) -> str:
        """The arm's name; "everything" where nothing is left out."""
        return "everything" if self.is_everything else super().strategy

    @cached_property
    def epochs(self) -> int | None:
        """Epochs of the selector; None without one."""
        return next(line.selector_epochs for run in self.arm.runs.values() for line in run)

    @cached_property
    def errors(self) -> ByFraction:
        """The target's error after its last epoch, fraction -> seed -> 0..1."""
        return self._by_fraction(lambda line: line.target_error)

    @cached_property
    def best_errors(self) -> ByFraction:
        """The lowest of the target's epochs, as the paper counts; empty where it was not kept."""
        return self._by_fraction(lambda line: line.target_error_best)

    @cached_property
    def selection_minutes(self) -> ByFraction:
        """Minutes of the selector's training, inference and selection."""
        return self._by_fraction(lambda line: line.selection_seconds / MINUTE)

    @cached_property
    def total_minutes(self) -> ByFraction:
        """Minutes of selection, and of training the target on the kept items."""
        return self._by_fraction(lambda line: line.total_seconds / MINUTE)

    @cached_property
    def total_cpu_minutes(self) -> ByFraction:
        """CPU minutes of selection and target; none of runs that did not measure them."""
        return self._by_fraction(lambda line: _minutes(line.total_cpu_seconds))

    @property
    def is_shared(self) -> bool:
        """Whether other work on the machine slowed any run."""
        return any(line.is_shared for run in self.arm.runs.values() for line in run)

    def error(self, fraction: float) -> Estimate | None:
        """Return the target's error over the seeds; None where this share was not kept."""
        return mean_of(self.errors, fraction)

    def paper(self, fraction: float) -> PaperNumber:
        """Return the paper's number for this setting, where it is comparable."""
        if self.dataset is None:
            return NOTHING
        if self.is_everything:
            known = everything(self.dataset, self.target)
            return known if fraction == EVERYTHING else NOTHING
        strategy = self.arm.setting.strategy
        setting = PaperSetting(self.dataset, strategy, self.selector, self.epochs)
        return core_set(setting, fraction)

    def _by_fraction(self, value: Callable[[CoreSetLine], float | None]) -> ByFraction:
        found: ByFraction = {}
        for seed, run in self.arm.runs.items():
            for line in run:
                measured = value(line)
                if measured is not None:
                    found.setdefault(line.fraction, {})[seed] = measured
        return dict(sorted(found.items()))


@dataclass(frozen=True)
class CoreSets:
    """All arms of a report, and which are compared with which.

    Attributes:
        target: catalog name of the model that is delivered.
        dataset: the paper's, whose numbers are comparable; None where none are.
    """

    arms: Sequence[Kept]
    target: str
    dataset: str | None

    @property
    def fractions(self) -> list[float]:
        """The shares that were kept, ascending, with 1.0 where everything was trained on."""
        return sorted({fraction for arm in self.arms for fraction in arm.errors})

    @property
    def everything(self) -> Kept | None:
        """The training on the whole pool; None where it has not run."""
        return next((arm for arm in self.arms if arm.is_everything), None)

    @property
    def uniform(self) -> Kept | None:
        """The arm that keeps items uniformly; None where there is none."""
        return next((arm for arm in self.arms if arm.strategy == "uniform"), None)

    def baseline_of(self, arm: Kept) -> Kept | None:
        """Return the arm of the same strategy in which the target selects for itself."""
        own = (a for a in self.arms if a.is_target and a.strategy == arm.strategy)
        return next(own, None)

    def speedup(self, arm: Kept, fraction: float) -> Estimate | None:
        """Return how many times faster than training on everything; None without that run."""
        if self.everything is None or arm.is_everything:
            return None
        whole = self.everything.total_minutes[EVERYTHING]
        return paired_ratio(whole, arm.total_minutes.get(fraction, {}))

    def cpu_speedup(self, arm: Kept, fraction: float) -> Estimate | None:
        """Return the speed-up in CPU minutes where other work spoiled the wall-clock one."""
        everything = self.everything
        if everything is None or arm.is_everything or not (arm.is_shared or everything.is_shared):
            return None
        whole = everything.total_cpu_minutes.get(EVERYTHING, {})
        return paired_ratio(whole, arm.total_cpu_minutes.get(fraction, {}))

    def paper_speedup(self, arm: Kept, fraction: float) -> float | None:
        """Return the paper's speed-up, from its minutes; None where it prints none."""
        total = arm.paper(fraction).total_minutes
        if self.dataset is None or total is None or arm.is_everything:
            return None
        whole = everything(self.dataset, self.target).total_minutes
        return None if whole is None else whole / total

    def is_bold(self, arm: Kept, fraction: float) -> bool:
        """Whether Table 1's rule sets the arm bold, by its error and the baseline's."""
        baseline = self.baseline_of(arm)
        if baseline is None:
            return False
        return is_within_one_std(arm.error(fraction), baseline.error(fraction))

    def is_bold_in_paper(self, arm: Kept, fraction: float) -> bool:
        """Whether that rule sets the paper's own number bold."""
        baseline = self.baseline_of(arm)
        if baseline is None:
            return False
        return is_within_one_std(arm.paper(fraction).error, baseline.paper(fraction).error)

    def differences(self, arm: Kept, other: Kept | None) -> dict[float, Estimate]:
        """Return the arm's error minus the other's at the same share, or on everything."""
        if other is None or other is arm or arm.is_everything:
            return {}
        found = {}
        for fraction, errors in arm.errors.items():
            at = EVERYTHING if other.is_everything else fraction
            difference = paired(errors, other.errors.get(at, {}))
            if difference is not None:
                found[fraction] = difference
        return found


def measure(sources: Sources) -> tuple[CoreSets, list[Arm[CoreSetLine]]]:
    """Return the arms that have run, and all that should have.

    Raises:
        ExperimentError: the folders' targets differ.
    """
    require_same(sources, "the target", lambda source: target_of(source.experiment))
    merged = merge_arms(sources, lambda experiment: [ALL, *experiment.arms], _setting)
    target, dataset = target_of(sources[0].experiment), paper_dataset(sources)
    kept = [
        Kept(
            arm,
            is_target=(arm.setting.selector, arm.setting.recipe_hash) == target,
            target=target[0],
            dataset=dataset,
        )
        for arm in merged
        if arm.runs
    ]
    return CoreSets(kept, target[0], dataset), merged


def _minutes(seconds: float | None) -> float | None:
    return None if seconds is None else seconds / MINUTE


def lacks(sources: Sources, arm: Arm[CoreSetLine], seed: int) -> str:
    """Return which shares a run has not kept yet; "" where it is whole."""
    if arm.setting.other == ALL:
        return ""
    wanted = {fraction for source in sources for fraction in source.experiment.fractions}
    missing = sorted(wanted - {line.fraction for line in arm.runs[seed]})
    return f"{', '.join(f'{share:.0%}' for share in missing)} not run" if missing else ""


def _setting(experiment: CoreSetConfig, arm: str) -> Setting:
    if arm == ALL:
        return Setting("uniform", "none", other=ALL)
    settings = experiment.arms[arm]
    of_all = {*WITHOUT_EFFECT, "name", "models", "arms", "data", "fractions"}
    other = experiment.model_dump(mode="json", exclude=of_all)
    other |= settings.model_dump(exclude={"strategy", "selector"})
    name = experiment.selector_of(arm)
    return setting_of(settings.strategy, None if name is None else experiment.models[name], other)
